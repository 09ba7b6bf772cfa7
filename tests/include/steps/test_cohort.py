"""Some customers alone: what is refused before anything is read, what is proven, and who is gone."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.errors import EpochBroken, FormError, IntegrityError, NotNow, TooManyDeletions
from include.extract.cohort import Cohort, CohortReader
from include.names import DatasetName
from include.stage import claim
from include.stage.log import Batch, DatasetLog
from include.steps.check_cohort import check_cohort
from include.steps.extract_plan import Work, plan_cohort, plan_extract
from include.steps.request import Request
from include.steps.servers import Servers
from tests.conftest import World
from tests.include.stage.batches import a_batch
from tests.include.steps.captured import insert, rename, some, source, take
from tests.include.steps.way import SSE, Way, new_way

GONE = {"sse/customer": 1}
ROWVERSION = "rowversion"
PAUSE = "WAITFOR DELAY '00:00:00.050'"


@pytest.fixture
def read(way: Way) -> Way:
    """Ten customers, all read."""
    way.customers(range(1, 11))
    way.extract(full_refresh=True)
    return way


@pytest.fixture
def ten(way: Way) -> Way:
    """Ten customers, all read and merged."""
    way.customers(range(1, 11))
    way.extract(full_refresh=True, allow_deletions={"sse/customer": _strangers(way)})
    way.load()
    way.merge()
    assert way.names() == source(way)
    return way


def _strangers(way: Way) -> int:
    """How many customers the tests before have left."""
    return len(set(way.names()) - set(source(way)))


@pytest.fixture
def fresh(new_world: Callable[..., World], tmp_path: Path) -> Way:
    """A world in which nothing was read yet, and ten customers."""
    made = new_way(new_world, "cohort", tmp_path / "declarations", "cohort")
    made.customers(range(1, 11))
    return made


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def _parts(way: Way) -> list[str]:
    return sorted(way.world.servers.bucket.names("sse/customer/parts/"))


def test_a_table_that_is_empty_for_a_moment_is_not_the_death_of_a_cohort(read: Way) -> None:
    before = _log(read).numbers(), _parts(read)
    read.sql("DELETE FROM dbo.Customer")
    with pytest.raises(TooManyDeletions, match="1 of 1 known keys that were asked for"):
        read.extract(**some("7"))
    assert (_log(read).numbers(), _parts(read)) == before


def test_ids_that_nobody_knows_are_told_and_where_no_other_is_refused(
    read: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """They may be ids of another system, and a green run would say that they were read."""
    before = _log(read).numbers()
    for form in ({}, {"dry_run": True}):
        with pytest.raises(FormError, match="2 of the 2 ids that were asked for are neither at the source nor known"):
            read.extract(**some("888", "999"), **form)
    assert _log(read).numbers() == before
    assert read.extract(**some("7", "888"))["rows"] == 2
    assert "1 of the 2 ids that were asked for are neither" in caplog.text


def test_a_cohort_waits_while_another_run_reads_the_same_number(read: Way) -> None:
    run = read.begin()
    with (
        claim.Claim(read.world.servers.bucket, SSE, _log(read).next_number(), f"{run.use_case}/{run.run_id}").held(),
        pytest.raises(NotNow, match=r"reads batch \d+ of sse/customer already"),
    ):
        read.extract(**some("1"))


def test_a_row_that_comes_twice_is_refused_before_it_is_committed(read: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could never be merged, and a committed batch stays."""
    before, shipped = _log(read).numbers(), CohortReader._queries
    monkeypatch.setattr(CohortReader, "_queries", lambda self, columns: [*shipped(self, columns)] * 2)
    with pytest.raises(IntegrityError, match="two rows that were read have one key"):
        read.extract(**some("1"))
    assert _log(read).numbers() == before


def test_where_only_a_full_could_serve_the_form_is_refused_before_the_source_is_asked(
    read: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(read.catalogue.sql.parent, root)
    dag = root / "dags" / "customer_base.py"
    text = dag.read_text(encoding="utf-8")
    dag.write_text(text.replace('["CustomerId", "FirstName"', '["CustomerId", "Title", "FirstName"'), encoding="utf-8")
    wider = Way(read.world, Catalogue(root), read.database)
    monkeypatch.setattr(Servers, "sql_server", lambda *asked: pytest.fail("the source was asked"))
    for ask in (_checked, lambda way, **form: way.extract(**form)):
        with pytest.raises(FormError, match=r"must be read as a whole before.*: the claims grew by Title") as refused:
            ask(wider, **some("1"))
        assert "only: [sse/customer]" in refused.value.remedy


def test_after_a_restore_a_cohort_is_refused_like_a_window(read: Way) -> None:
    read.sql("EXEC standin.restore")
    with pytest.raises(EpochBroken, match="another recovery fork"):
        read.extract(**some("1"))


def test_what_is_committed_while_it_is_planned_is_never_below_the_number(way: Way) -> None:
    """A cohort above a full that its plan has not seen would end the windows: it would have no position."""

    class Racing(DatasetLog):
        def latest(self) -> Batch | None:
            found = super().latest()
            if not self.numbers():
                self.commit(a_batch(1, "full"))
            return found

    case = way.catalogue.use_case("customer_base")
    work = Work(way.catalogue, way.world.servers, way.begin(), case, SSE, Request())
    log = [Racing(way.world.servers.bucket, DatasetName("sse", name)) for name in ("raced", "raced_too")]
    plans = plan_cohort(work, log[0], Cohort("CustomerId", (1,), "")), plan_extract(work, log[1])
    assert [plan.number for plan in plans] == [1, 1]


def test_a_transaction_that_holds_the_windows_back_does_not_undo_a_cohort_nor_is_it_lost_by_it(ten: Way) -> None:
    with connect(ten.world.connections.sql_server("sse"), ten.database) as writer:
        writer.execute("BEGIN TRANSACTION; UPDATE dbo.Customer SET Surname = N'Open' WHERE CustomerId = 5")
        rename(ten, 1, "Quick")
        rename(ten, 2, "Quick")
        take(ten, **some("1", "5"))
        assert (ten.names()["1"], ten.names()["5"]) == ("Quick", "Doe")
        assert take(ten)["counted"] == 0, "the bound is held back"
        assert ten.names()["1"] == "Quick"
        rename(ten, 1, "Quicker")
        writer.execute("COMMIT TRANSACTION")
    assert take(ten)["counted"] == 3
    assert ten.names() == source(ten)


def test_cohorts_are_merged_before_everything_was_read_and_the_first_full_knows_whom_they_brought(fresh: Way) -> None:
    told = take(fresh, **some("2", "1"))
    assert (told["batch"], told["kind"], told["counted"]) == (1, "cohort", 2)
    take(fresh, **some("3", "4"))
    assert sorted(fresh.names()) == ["1", "2", "3", "4"]
    assert fresh.extract(dry_run=True)["kind"] == "full"
    fresh.sql("DELETE FROM dbo.Customer WHERE CustomerId IN (1, 2)")
    with pytest.raises(TooManyDeletions, match="2 of 4 known keys of sse/customer"):
        fresh.extract()
    told = take(fresh, allow_deletions={"sse/customer": 2})
    assert told["kind"] == "full"
    assert fresh.names() == source(fresh)


def test_a_cohort_is_fresh_for_nobody_and_the_log_proves_what_was_asked_without_naming_it(
    ten: Way, caplog: pytest.LogCaptureFixture
) -> None:
    insert(ten, 770077)
    rename(ten, 2, "Other")
    caplog.set_level(logging.DEBUG)
    told = [ten.extract(**some("770077", "770078", "770077"), dry_run=dry_run) for dry_run in (True, False)]
    digest = hashlib.sha256(b"770077\n770078").hexdigest()
    assert told[1]["window"] == {"asked": 2, "list_sha256": digest}
    entry = ten.world.servers.bucket.read(f"sse/customer/log/{told[1]['batch']:08}.json")
    assert entry is not None
    assert json.loads(entry)["window"] == told[1]["window"]
    assert "77007" not in f"{caplog.text} {told} {entry.decode()}"
    assert "taken once" in caplog.text

    again = ten.extract()
    assert (again["batch"], again["kind"], again["reused"]) == (told[1]["batch"] + 1, "window", False)
    assert again["counted"] == 2
    ten.load()
    assert ten.merge()["inserted"] == 1
    assert ten.names() == source(ten)


def test_who_loses_the_race_reads_the_cohort_again_behind_the_winner(ten: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The winner's window was read before our second picture: committed above it ours is the newer."""
    shipped, rivals, number = CohortReader.read, list[int](), _log(ten).next_number()

    def read(*arguments: Any) -> Any:
        reading = shipped(*arguments)
        if not rivals:
            rename(ten, 1, "Raced")
            rivals.append(ten.extract()["batch"])
            rename(ten, 1, "Newest")
        return reading

    monkeypatch.setattr(CohortReader, "read", read)
    monkeypatch.setattr(claim, "LASTS", claim.LASTS * 0)  # neither believes the other's claim
    told = ten.extract(**some("1"))
    assert (rivals, told["batch"], told["kind"]) == ([number], number + 1, "cohort")
    batches = [_log(ten).get(each) for each in (number, number + 1)]
    named = [part.path for batch in batches for part in (*batch.parts, *(batch.keys or ()))]
    assert [path for path in _parts(ten) if path > f"sse/customer/parts/{number:08}"] == sorted(named)
    ten.load()
    ten.merge()
    assert ten.names()["1"] == "Newest"


def test_a_query_chooses_by_our_keys_and_each_dataset_is_asked_for_its_own_ids(ten: Way) -> None:
    folder = ten.catalogue.sql / "cohorts"
    text = "-- Those.\nWITH those AS (SELECT * FROM common_model.customer)\nSELECT customer_key\nFROM those\n"
    (folder / "those.sql").write_text(f"{text}WHERE family_name = 'Those';  -- and nobody else\n", encoding="utf-8")
    rename(ten, 4, "Those")
    rename(ten, 6, "Those")
    take(ten)
    rename(ten, 4, "New")
    rename(ten, 5, "New")
    form = {"cohort_query": "those", "only": ("sse/customer",)}
    assert _checked(ten, **form) == {"sse/customer": 2}
    told = take(ten, **form)
    assert (told["kind"], told["window"]["asked"], told["counted"]) == ("cohort", 2, 2)
    assert (ten.names()["4"], ten.names()["5"]) == ("New", "Doe")
    with pytest.raises(FormError, match="none of the customers is one of mis/gentrack_customer") as refused:
        _checked(ten, cohort_query="those", only=("sse/customer", "mis/gentrack_customer"))
    assert refused.value.where == "sql/cohorts/those.sql"


def test_a_file_of_the_bucket_is_read_by_the_column_that_is_named_like_the_contracts(ten: Way) -> None:
    bucket = ten.world.servers.bucket
    bucket.create("cohorts/june.csv", 'Name,customerid\nMüller,3\n"Doe, J",4\n'.encode(), "text/csv")
    rename(ten, 3, "Listed")
    told = take(ten, cohort_file="cohorts/june.csv", only=("sse/customer",))
    assert (told["kind"], told["counted"], ten.names()["3"]) == ("cohort", 2, "Listed")
    with pytest.raises(FormError, match="there is no such file") as refused:
        _checked(ten, cohort_file="cohorts/july.csv", only=("sse/customer",))
    assert refused.value.where == bucket.uri("cohorts/july.csv")


def _checked(way: Way, **form: Any) -> dict[str, int]:
    case = way.catalogue.use_case("customer_base")
    return check_cohort(way.catalogue, way.world.servers, way.begin(), case, Request(**form))
