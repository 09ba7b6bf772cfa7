"""What a merge takes when others work at the same time, or when there is more than one transaction can hold."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.big_query import BigQuery
from include.errors import DeclarationError, IntegrityError, RequestError, TooManyBadRows, TransactionConflict
from include.merge.hold import Held
from include.names import MappingName
from include.run import Run
from include.steps import merge_mapping as step
from include.steps.chain import slices
from include.steps.hold_batch import hold_batch
from tests.declarations import edit
from tests.include.steps.way import SSE, Way

MAPPING = MappingName("customer", SSE)


@pytest.fixture(scope="module", autouse=True)
def _four_customers(way: Way) -> None:
    way.customers([1, 2, 3, 4])


def _change_log(way: Way) -> list[tuple[str, str]]:
    """Operation and family name, in order."""
    table = way.world.servers.cloud.table("change_log", "customer")
    rows = way.world.servers.big_query.query(f"SELECT * FROM `{table}` ORDER BY change_number")
    return [(row["operation"], row["family_name"]) for row in rows]


def test_a_dry_run_before_the_first_full_says_what_it_waits_for(way: Way) -> None:
    assert way.extract(dry_run=True)["rows"] == 4
    assert "a full batch" in way.merge(dry_run=True)["waits_for"]


def test_a_chain_is_not_merged_over_what_another_run_has_merged_meanwhile(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.extract()
    way.load()
    way.merge()
    way.sql("UPDATE dbo.Customer SET Surname = N'Older' WHERE CustomerId = 1")
    way.extract()
    shipped, done = step.stage, []

    def stage(*arguments: Any) -> int:
        if not done:
            done.append(1)
            way.sql("UPDATE dbo.Customer SET Surname = N'Newer' WHERE CustomerId = 1")
            way.extract(full_refresh=True)
            way.merge()
        return shipped(*arguments)

    monkeypatch.setattr(step, "stage", stage)
    with pytest.raises(TransactionConflict, match="another run merged up to batch 3"):
        way.merge()
    assert way.names()["1"] == "Newer"
    assert way.merge()["batches"] == []


def test_a_try_that_was_killed_after_its_commit_tells_what_it_did(way: Way) -> None:
    way.sql("UPDATE dbo.Customer SET Surname = N'Once' WHERE CustomerId = 2")
    way.extract()
    run = Run.begin("customer_base", "killed-after-its-commit", 1)
    first, again = way.merge(run=run), way.merge(run=Run.begin("customer_base", "killed-after-its-commit", 2))
    assert first["updated"] == 1
    assert again == first
    assert first["warnings"]["holds_an_account"]["rows"] == 4  # nobody has merged accounts here
    assert way.merge()["updated"] == 0


def test_a_restart_in_two_transactions_neither_removes_nor_takes_anybody_back(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.extract(full_refresh=True)
    way.merge()
    for number in (5, 6):
        columns = "CustomerId, Surname, Status, CreatedAt"
        way.sql(f"INSERT INTO dbo.Customer ({columns}) VALUES ({number}, N'New{number}', 'A', '2020-01-01T00:00:00')")
        way.sql(f"UPDATE dbo.Customer SET Surname = N'Moved{number}' WHERE CustomerId = 3")
        way.extract()
        way.merge()
    before = _change_log(way)
    mapping = way.catalogue.sql / "common_model" / "customer" / "from_sse_customer.sql"
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(text.replace("NULLIF(TRIM(Surname), '')", "UPPER(NULLIF(TRIM(Surname), ''))"), encoding="utf-8")
    monkeypatch.setattr(step, "slices", partial(slices, most=6))
    changed = Way(way.world, Catalogue(way.catalogue.sql.parent))
    merged = changed.merge()
    mapping.write_text(text, encoding="utf-8")
    assert len(merged["batches"]) == 3
    assert (merged["inserted"], merged["removed"], merged["updated"]) == (0, 0, 6)
    assert sorted(_change_log(way)[len(before) :]) == [
        ("update", name) for name in ("DOE", "MOVED6", "NEW5", "NEW6", "NEWER", "ONCE")
    ]


# -- rows that are wrong
def _aside(way: Way) -> list[tuple[str, str]]:
    """Key and rule of what is kept aside."""
    table = way.world.servers.cloud.table("quarantine", SSE.flat)
    rows = way.world.servers.big_query.query(f"SELECT * FROM `{table}` ORDER BY source_key")
    return [(row["source_key"], row["rule"]) for row in rows]


def _stricter(way: Way, root: Path, *, quarantine_at_most: str) -> Way:
    """The same way, whose customers must have a name that is not Nobody."""
    shutil.copytree(way.catalogue.sql.parent, root)
    contract, entity = "sql/sources/sse/customer/contract.yaml", "sql/common_model/customer"
    edit(root, contract, "key: [CustomerId]", f"key: [CustomerId]\nquarantine_at_most: {quarantine_at_most}")
    edit(root, f"{entity}/contract.yaml", "family_name:   {", "family_name:   {required: true, ")
    check = "-- fail somebody: Nobody is no name\nSELECT customer_key FROM changed WHERE family_name = 'Nobody';\n\n"
    edit(root, f"{entity}/checks.sql", "-- warn ", f"{check}-- warn ")
    return Way(way.world, Catalogue(root))


def test_too_many_rows_that_cannot_be_merged_stop_the_merge_and_lie_there_as_evidence(way: Way, tmp_path: Path) -> None:
    way.merge()
    strict = _stricter(way, tmp_path / "strict", quarantine_at_most="1%")
    way.sql("UPDATE dbo.Customer SET Surname = NULL WHERE CustomerId = 4")
    strict.extract()
    with pytest.raises(TooManyBadRows, match=r"1 of 6 rows .* 1 x family_name is NULL"):
        strict.merge()
    assert _aside(way) == [("4", "family_name is NULL")]
    way.sql("UPDATE dbo.Customer SET Surname = N'Doe' WHERE CustomerId = 4")
    strict.extract(full_refresh=True)
    assert (strict.merge()["quarantined"], _aside(way)) == (0, [])


def test_a_row_that_breaks_a_check_stops_the_merge_until_a_person_holds_it(way: Way, tmp_path: Path) -> None:
    lenient = _stricter(way, tmp_path / "lenient", quarantine_at_most="50%")
    way.sql("UPDATE dbo.Customer SET Surname = N'Nobody' WHERE CustomerId = 1")
    way.sql("UPDATE dbo.Customer SET Surname = N'Else' WHERE CustomerId = 2")
    batch = lenient.extract()["batch"]
    with pytest.raises(IntegrityError, match="1 of customer break somebody") as refused:
        lenient.merge()
    assert refused.value.remedy.endswith(f"python -m include hold {MAPPING} {batch}`")
    with pytest.raises(RequestError, match=f"batch {batch + 1} is not of the next merge .* next are {batch}"):
        hold_batch(lenient.catalogue, way.world.servers, MAPPING, batch + 1)
    assert hold_batch(lenient.catalogue, way.world.servers, MAPPING, batch) == Held(1, ("somebody",))
    strict = _stricter(way, tmp_path / "strict", quarantine_at_most="1%")
    with pytest.raises(TooManyBadRows, match="1 x held: somebody"):
        strict.merge()
    assert _aside(way) == [("1", "held: somebody")]
    merged = lenient.merge()
    assert (merged["quarantined"], merged["updated"]) == (1, 1)
    assert (way.names()["1"], way.names()["2"]) == ("Newer", "Else")
    way.sql("UPDATE dbo.Customer SET Surname = N'Somebody' WHERE CustomerId = 1")
    lenient.extract()
    assert (lenient.merge()["updated"], way.names()["1"], _aside(way)) == (1, "Somebody", [])
    with pytest.raises(RequestError, match="and none waits"):
        hold_batch(lenient.catalogue, way.world.servers, MAPPING, batch)


# -- contracts that change under a log
def test_another_table_is_read_from_the_start(way: Way) -> None:
    told = _with(way, "table: way.dbo.Customer", "table: way.dbo.customer").extract(dry_run=True)
    assert (told["kind"], told["rows"]) == ("full", 6)
    assert "another table" in told["why"]


def _with(way: Way, was: str, now: str) -> Way:
    """The same way with a changed contract."""
    contract = way.catalogue.sql / "sources" / "sse" / "customer" / "contract.yaml"
    text = contract.read_text(encoding="utf-8")
    assert was in text
    changed_text = text.replace(was, now).replace("cohort_by: CustomerId\n", "")  # of another key it would be wrong
    contract.write_text(changed_text, encoding="utf-8")
    changed = Catalogue(way.catalogue.sql.parent)
    changed.dataset(SSE)
    contract.write_text(text, encoding="utf-8")
    return Way(way.world, changed)


def test_another_key_is_another_dataset(way: Way) -> None:
    other = _with(way, "key: [CustomerId]", "key: [CustomerId, CreatedAt]")
    with pytest.raises(DeclarationError, match=r"was \(CustomerId\) .* is \(CustomerId, CreatedAt\) now"):
        other.extract()


# -- what is only told
def test_a_committed_merge_does_not_fail_because_its_checks_would_cost_too_much(
    way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = BigQuery.start

    def start(client: BigQuery, *given: Any, where: str, **more: Any) -> Any:
        if where.startswith("the checks of"):
            client = BigQuery(replace(client.settings, maximum_bytes_billed=1_000))
        return shipped(client, *given, where=where, **more)

    monkeypatch.setattr(BigQuery, "start", start)
    way.sql("UPDATE dbo.Customer SET Surname = N'Frugal' WHERE CustomerId = 2")
    way.extract()
    done = way.merge()
    assert (done["updated"], way.names()["2"]) == (1, "Frugal")
    assert "warnings" not in done, "none found is another thing"
    for words in ("the checks of customer", "bytes billed: 1000. 10485760 or higher", "raise the extra maximum_bytes"):
        assert words in done["checks_not_run"]
    assert done["checks_not_run"] in caplog.messages
