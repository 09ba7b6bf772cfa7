"""What a merge takes when others work at the same time, or when there is more than one transaction can hold."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.errors import DeclarationError, TransactionConflict
from include.run import Run
from include.steps import merge_mapping as step
from include.steps.chain import slices
from tests.include.steps.way import SSE, Way


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
