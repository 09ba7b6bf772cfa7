"""A full that is read in key ranges while the table changes is the table as it is at the end: nothing lost, nothing
twice. The tests of this file share a world; each makes its table and its log's next full anew."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import Session, connect
from include.errors import EpochBroken, NotNow, SourceUnavailable, TooManyDeletions
from include.extract import capture
from include.run import Run
from include.stage.log import Batch, DatasetLog
from include.steps.extract_dataset import extract_dataset
from include.steps.extract_in_ranges import plan_ranges, read_range
from include.steps.extract_plan import Work
from include.steps.request import Request
from tests.include.steps.way import SSE, Way
from tests.waiting import wait_until

WAYS = {
    "rowversion": ("{method: rowversion, column: RowVer}", "key_scan", ""),
    "change_tracking": ("{method: change_tracking}", "captured", "ALTER TABLE dbo.Customer ENABLE CHANGE_TRACKING"),
    "cdc": (
        "{method: cdc, instance: dbo_Customer}",
        "captured",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Customer', @role_name = NULL,"
        " @supports_net_changes = 1",
    ),
}
INSERT = "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES ({0}, N'Born', 'A', GETDATE())"
MEANWHILE = (
    (  # the first range, up to 10, has been read
        "UPDATE dbo.Customer SET CustomerId = 0 WHERE CustomerId = 25",  # not read yet, and now behind us
        "UPDATE dbo.Customer SET CustomerId = -2 WHERE CustomerId = 24",
        "UPDATE dbo.Customer SET CustomerId = 45 WHERE CustomerId = 5",  # read, and to be read once more
        "UPDATE dbo.Customer SET Surname = N'Behind' WHERE CustomerId = 3",
        "DELETE FROM dbo.Customer WHERE CustomerId = 4",
        INSERT.format(-1),
    ),
    (
        "UPDATE dbo.Customer SET Surname = N'Ahead' WHERE CustomerId = 31",
        "DELETE FROM dbo.Customer WHERE CustomerId = 12; " + INSERT.format(12),
        INSERT.format(60) + "; DELETE FROM dbo.Customer WHERE CustomerId = 60",
    ),
    ("UPDATE dbo.Customer SET CustomerId = 25 WHERE CustomerId = 0",),  # there and back again
    (  # all have been read
        "UPDATE dbo.Customer SET Surname = N'Last' WHERE CustomerId = 32",
        "DELETE FROM dbo.Customer WHERE CustomerId = 33",
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _tracked(way: Way) -> None:
    way.sql(f"ALTER DATABASE {way.database} SET CHANGE_TRACKING = ON")
    way.sql("EXEC sys.sp_cdc_enable_db")


@pytest.fixture
def declared(way: Way) -> Iterator[Callable[[str], Way]]:
    """Forty customers in ranges of ten, captured in one of the ways; all that vanish are allowed to."""
    path = way.catalogue.dataset_path(SSE)
    shipped = path.read_text(encoding="utf-8")

    def declare(name: str, more: str = "split_by: CustomerId\nrows_per_range: 10\n") -> Way:
        capture, deletes, enable = WAYS[name]
        text = re.sub(r"capture: .*", f"capture: {capture}", shipped)
        text = re.sub(r"deletes: .*", f"deletes: {deletes}", text)
        text = re.sub(r"deletes_at_most: .*", "deletes_at_most: 99%", text)
        path.write_text(re.sub(r"(split_by|rows_per_range): .*\n", "", text) + more, encoding="utf-8")
        way.catalogue = Catalogue(way.catalogue.sql.parent)
        way.customers(range(1, 41), name)
        if enable:
            way.sql(enable)
        return way

    yield declare
    path.write_text(shipped, encoding="utf-8")


def _work(way: Way, **request: Any) -> Work:
    case = way.catalogue.use_case("customer_base")
    request = {"full_refresh": True, **request}
    run = Run.begin("customer_base", "ranges", 1)  # one run for all: its claim stays from task to task
    return Work(way.catalogue, way.world.servers, run, case, SSE, Request(**request))


def _plan(way: Way) -> list[dict[str, Any]]:
    return [_handed_on(share) for share in plan_ranges(_work(way))]


def _read(way: Way, share: dict[str, Any]) -> dict[str, Any]:
    return _handed_on(read_range(_work(way), share))


def _handed_on(share: dict[str, Any]) -> dict[str, Any]:
    """As Airflow hands it on."""
    return dict(json.loads(json.dumps(share)))


def _finish(way: Way, shares: Sequence[dict[str, Any]], **request: Any) -> dict[str, Any]:
    return extract_dataset(_work(way, **request), shares)


def _customers_of_branches(way: Way, constraints: str) -> None:
    """Eight in each of five branches, in a table with these constraints."""
    way.sql("DROP TABLE dbo.Customer")
    way.sql(
        "CREATE TABLE dbo.Customer (CustomerId int NOT NULL, FirstName nvarchar(60) NULL, Surname nvarchar(60) NULL,"
        " Email nvarchar(120) NULL, DateOfBirth date NULL, Status char(1) NOT NULL, CreatedAt datetime2(3) NOT NULL,"
        f" Branch int NOT NULL, RowVer rowversion, {constraints})"
    )
    way.sql(
        "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt, Branch)"
        " SELECT value, N'x', 'A', GETDATE(), (value + 7) / 8 FROM GENERATE_SERIES(1, 40)"
    )


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def _newest(way: Way) -> Batch:
    batch = _log(way).latest()
    assert batch is not None
    return batch


def _parts_of(way: Way, number: int) -> set[str]:
    return set(way.world.servers.bucket.names(f"sse/customer/parts/{number:08}-"))


def _source(way: Way) -> dict[str, str]:
    with connect(way.world.connections.sql_server("sse"), way.database) as session:
        return {str(key): name for key, name in session.rows("SELECT CustomerId, Surname FROM dbo.Customer")}


def _is_the_source(way: Way) -> bool:
    way.load()
    way.merge()
    return way.names() == _source(way)


@pytest.mark.parametrize("name", WAYS)
def test_what_moves_between_ranges_is_neither_lost_nor_twice(declared: Callable[[str], Way], name: str) -> None:
    way = declared(name)
    shares = _plan(way)
    assert [(share["range"]["start"], share["range"]["stop"]) for share in shares] == [
        (None, 11),
        (11, 21),
        (21, 31),
        (31, None),
    ]
    read = []
    for share, changes in zip(shares, MEANWHILE, strict=True):
        read.append(_read(way, share))
        way.sql("WAITFOR DELAY '00:00:00.010'")
        for change in changes:
            way.sql(change)
    rows = sum(share["counted"] for share in read)
    told = _finish(way, [read[2], read[0], read[3], read[1]])
    assert (told["kind"], told["rows"], told["counted"]) == ("full", told["counted"], told["rows"])
    assert told["rows"] > rows, "what changed meanwhile is in it, too"
    assert _is_the_source(way)
    assert "Last" in way.names().values()
    assert way.names()["31"] == "Ahead"

    way.sql("UPDATE dbo.Customer SET Surname = N'Next' WHERE CustomerId = 1; WAITFOR DELAY '00:00:00.010'")
    told = way.extract()
    assert told["kind"] == "window"
    assert _is_the_source(way)


@pytest.mark.parametrize("name", ["rowversion", "change_tracking"])
def test_beside_a_writer_that_never_stops_the_batch_is_the_table_at_one_moment(
    declared: Callable[[str], Way], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves, changes, deletes and inserts at random, while three ranges at a time are read and when all end."""
    way, pictures, counting = declared(name), list[dict[str, str]](), capture.count_of

    def count_of(session: Session, contract: Any, q: Any) -> int:
        """It is asked in the picture whose rows are carried."""
        pictures.append({str(key): name for key, name in session.rows("SELECT CustomerId, Surname FROM dbo.Customer")})
        return counting(session, contract, q)

    with _writing(way, seed=len(name)) as done, ThreadPoolExecutor(3) as readers:
        read = list(readers.map(lambda share: _read(way, share), _plan(way)))
        with monkeypatch.context() as patched:
            patched.setattr(capture, "count_of", count_of)
            _finish(way, read)
    assert len(done) > 50
    way.load()
    way.merge()
    assert way.names() == pictures[-1] != _source(way)
    _finish(way, [], full_refresh=False)
    assert _is_the_source(way)


@contextmanager
def _writing(way: Way, seed: int) -> Iterator[list[str]]:
    """What is done to the table meanwhile, by a session of its own."""
    chance, done, over = random.Random(seed), list[str](), Event()

    def write() -> None:
        with _other(way) as session:
            while not over.is_set():
                one, other = chance.randrange(-5, 46), chance.randrange(-5, 46)
                there = {number for (number,) in session.rows("SELECT CustomerId FROM dbo.Customer")}
                change = f"UPDATE dbo.Customer SET Surname = N'{len(done)}' WHERE CustomerId = {one}"
                if one not in there:
                    change = INSERT.format(one)
                elif other not in there:
                    change = f"UPDATE dbo.Customer SET CustomerId = {other} WHERE CustomerId = {one}"
                elif chance.random() < 0.3 and len(there) > 20:
                    change = f"DELETE FROM dbo.Customer WHERE CustomerId = {one}"
                session.execute(change)
                done.append(change)

    with ThreadPoolExecutor(1) as writer:
        writes = writer.submit(write)
        try:
            wait_until(lambda: len(done) > 5, "the writer")
            yield done
        finally:
            over.set()
        writes.result()


def test_a_long_open_transaction_hides_nothing_that_moves(declared: Callable[[str], Way]) -> None:
    """It holds the bound back, before which alone a window looks."""
    way = declared("rowversion")
    with _other(way) as other:
        other.execute("BEGIN TRANSACTION; UPDATE dbo.Customer SET Surname = N'Open' WHERE CustomerId = 40")
        shares = _plan(way)
        read = [_read(way, shares[0])]
        way.sql("UPDATE dbo.Customer SET CustomerId = 0 WHERE CustomerId = 25")
        read += [_read(way, share) for share in shares[1:]]
        _finish(way, read)
        assert _newest(way).position == shares[0]["position"], "the transaction is still open"
        assert _is_the_source(way)
        other.execute("COMMIT TRANSACTION")
    way.extract()
    assert _is_the_source(way)
    assert way.names()["40"] == "Open"


def test_a_catch_up_waits_until_the_capture_has_passed_the_last_range(declared: Callable[[str], Way]) -> None:
    """Else it would bring rows that are older than those of the ranges."""
    way = declared("cdc")
    shares = _plan(way)
    way.sql("UPDATE dbo.Customer SET Surname = N'Newer' WHERE CustomerId = 40")
    read = [_read(way, share) for share in shares]
    with pytest.raises(NotNow, match="not captured yet"):
        _finish(way, read)
    assert {part["path"] for share in read for part in share["parts"]} <= _parts_of(way, shares[0]["batch"])
    way.sql("WAITFOR DELAY '00:00:00.010'; UPDATE dbo.Customer SET Surname = N'Later' WHERE CustomerId = 1")
    assert _finish(way, read)["batch"] == shares[0]["batch"]
    assert _is_the_source(way)


def test_a_table_that_is_small_or_has_no_such_index_is_read_in_one_picture(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion", "split_by: CustomerId\nrows_per_range: 21\n")
    assert _plan(way) == []
    way = declared("rowversion")
    _customers_of_branches(way, "CONSTRAINT c UNIQUE (Branch, CustomerId)")
    assert _plan(way) == [], "no index begins with CustomerId"


def test_a_row_that_is_in_two_ranges_is_one_and_in_its_newest_form(declared: Callable[[str], Way]) -> None:
    """What splits the table need not be its key: a row that goes to another branch is read there once more."""
    way = declared("rowversion", "  Branch: {type: INT64, required: true}\nsplit_by: Branch\nrows_per_range: 10\n")
    _customers_of_branches(way, "CONSTRAINT k PRIMARY KEY (CustomerId), CONSTRAINT c UNIQUE (Branch, CustomerId)")
    first, second, *others = _plan(way)
    read = [_read(way, first)]
    assert read[0]["range"]["stop"] == 2
    way.sql("UPDATE dbo.Customer SET Branch = 4, Surname = N'Moved' WHERE CustomerId IN (1, 5)")
    read.append(_read(way, second))
    way.sql("UPDATE dbo.Customer SET Branch = 1 WHERE CustomerId = 40")
    read += [_read(way, share) for share in others]
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 5")  # it was read twice, and is not in the catch-up
    _finish(way, read)
    assert _is_the_source(way)
    assert way.names()["1"] == "Moved"


@pytest.mark.parametrize("name", ["rowversion", "change_tracking"])
def test_who_vanishes_meanwhile_is_counted_once(declared: Callable[[str], Way], name: str) -> None:
    way = declared(name)
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 2")
    _finish(way, [_read(way, share) for share in _plan(way)])
    read = [_read(way, share) for share in _plan(way)]
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId IN (3, 33)")
    assert _finish(way, read)["deleted"] == 2
    assert _is_the_source(way)
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 4")
    told = _finish(way, [], full_refresh=False)
    assert (told["kind"], told["deleted"]) == ("window", 1)
    assert _is_the_source(way)


def test_what_does_not_fit_any_more_is_not_used(
    declared: Callable[[str], Way], caplog: pytest.LogCaptureFixture
) -> None:
    way = declared("rowversion")
    read = [_read(way, share) for share in _plan(way)]
    other_plan = _plan(way)

    for last, why in (
        ([], "3 of 4 ranges are there"),
        ([read[2]], "4 of 4 ranges are there"),
        ([other_plan[3]], "they belong to several plans"),
        ([_handed_on({**read[3], "parts": None})], "a range was not read"),
        ([{**read[3], "parts": [{**read[3]["parts"][0], "path": "x"}]}], "parts of them are gone"),
    ):
        caplog.clear()
        next_one = _log(way).next_number()
        told = _finish(way, [{**share, "batch": next_one} for share in (*read[:3], *last)])  # as if planned just now
        assert why in caplog.text
        assert (told["kind"], told["rows"]) == ("full", 40), "read in one picture instead"
        assert _newest(way).catch_up is None


def test_a_contract_that_changes_meanwhile_ends_the_plan(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    shares = _plan(way)
    read = [_read(way, share) for share in shares[:3]]
    way = declared("rowversion", "split_by: CustomerId\nrows_per_range: 11\n")
    read.append(_read(way, shares[3]))
    assert read[3]["parts"] is None
    assert _finish(way, read)["rows"] == 40
    assert _newest(way).catch_up is None


def test_a_table_that_is_altered_meanwhile_is_read_anew(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    shares = _plan(way)
    read = [_read(way, share) for share in shares]
    way.sql("ALTER TABLE dbo.Customer ADD Nickname nvarchar(20) NULL")
    assert _read(way, shares[3])["parts"] is None
    told = _finish(way, read)
    assert (told["rows"], _newest(way).catch_up) == (40, None)


def test_a_try_that_was_killed_after_its_commit_uses_what_it_has_committed(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    read = [_read(way, share) for share in _plan(way)]
    told = _finish(way, read)
    kept = _parts_of(way, told["batch"])
    again = _finish(way, read, full_refresh=False)
    assert (again["batch"], again["reused"]) == (told["batch"], True)
    assert _parts_of(way, told["batch"]) == kept == {part.path for part in _newest(way).named}
    assert _is_the_source(way)


def test_a_database_that_is_restored_meanwhile_gives_no_batch(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    shares = _plan(way)
    before = _log(way).numbers()
    other = [{**share, "epoch": {**share["epoch"], "recovery_fork": "another"}} for share in shares]
    with pytest.raises(EpochBroken, match="restored"):
        _read(way, other[0])
    read = [_read(way, share) for share in shares]
    with pytest.raises(EpochBroken, match="restored"):
        _finish(way, [{**share, "epoch": other[0]["epoch"]} for share in read])
    assert _log(way).numbers() == before
    assert _parts_of(way, shares[0]["batch"]) == set()


def test_ranges_wait_for_nothing_that_only_a_retry_needs(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unavailable source leaves the ranges for the next try."""
    way = declared("rowversion")
    read = [_read(way, share) for share in _plan(way)]
    with monkeypatch.context() as patched:
        patched.setattr("include.extract.capture.read", _unavailable)
        with pytest.raises(SourceUnavailable):
            _finish(way, read)
    told = _finish(way, read)
    assert _newest(way).catch_up is not None
    assert told["rows"] == 40


def _unavailable(*_: Any) -> None:
    raise SourceUnavailable("gone for a moment", where="here", remedy="wait")


def _other(way: Way) -> AbstractContextManager[Any]:
    return connect(way.world.connections.sql_server("sse"), way.database)


def test_a_refusal_leaves_no_part_of_any_range(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    _finish(way, [_read(way, share) for share in _plan(way)])
    way.sql("DELETE FROM dbo.Customer")
    way.sql(
        "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt)"
        " SELECT value, N'x', 'A', GETDATE() FROM GENERATE_SERIES(101, 140)"
    )
    shares = _plan(way)
    read = [_read(way, share) for share in shares]
    with pytest.raises(TooManyDeletions, match="40 of 40 known keys"):
        _finish(way, read)
    assert _parts_of(way, shares[0]["batch"]) == set()
    told = _finish(way, read, allow_deletions={"sse/customer": 40})
    assert told["rows"] == 40
    assert _is_the_source(way)
