"""A full that is read in key ranges while the table changes is the table as it is at the end: nothing lost, nothing
twice. The tests of this file share a world; each makes its table and its log's next full anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from include.clients.sql_server import Session
from include.errors import NotNow
from include.extract import capture
from tests.include.steps.in_ranges import (
    WAYS,
    finish,
    is_the_source,
    newest,
    other_session,
    parts_of,
    plan,
    read_one,
    source,
)
from tests.include.steps.way import Way
from tests.waiting import wait_until

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


@pytest.mark.parametrize("name", WAYS)
def test_what_moves_between_ranges_is_neither_lost_nor_twice(declared: Callable[[str], Way], name: str) -> None:
    way = declared(name)
    shares = plan(way)
    assert [(share["range"]["start"], share["range"]["stop"]) for share in shares] == [
        (None, 11),
        (11, 21),
        (21, 31),
        (31, None),
    ]
    read = []
    for share, changes in zip(shares, MEANWHILE, strict=True):
        read.append(read_one(way, share))
        way.sql("WAITFOR DELAY '00:00:00.010'")
        for change in changes:
            way.sql(change)
    rows = sum(share["counted"] for share in read)
    told = finish(way, [read[2], read[0], read[3], read[1]])
    assert (told["kind"], told["rows"], told["counted"]) == ("full", told["counted"], told["rows"])
    assert told["rows"] > rows, "what changed meanwhile is in it, too"
    late = newest(way).catch_up
    assert late is not None
    assert late.window, "from where to where the log does not say"
    assert is_the_source(way)
    assert "Last" in way.names().values()
    assert way.names()["31"] == "Ahead"

    way.sql("UPDATE dbo.Customer SET Surname = N'Next' WHERE CustomerId = 1; WAITFOR DELAY '00:00:00.010'")
    told = way.extract()
    assert told["kind"] == "window"
    assert is_the_source(way)


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
        read = list(readers.map(lambda share: read_one(way, share), plan(way)))
        with monkeypatch.context() as patched:
            patched.setattr(capture, "count_of", count_of)
            finish(way, read)
    assert len(done) > 10
    way.load()
    way.merge()
    assert way.names() == pictures[-1] != source(way)
    finish(way, [], full_refresh=False)
    assert is_the_source(way)


@contextmanager
def _writing(way: Way, seed: int) -> Iterator[list[str]]:
    """What is done to the table meanwhile, by a session of its own."""
    chance, done, over = random.Random(seed), list[str](), Event()

    def write() -> None:
        with other_session(way) as session:
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
    with other_session(way) as other:
        other.execute("BEGIN TRANSACTION; UPDATE dbo.Customer SET Surname = N'Open' WHERE CustomerId = 40")
        shares = plan(way)
        read = [read_one(way, shares[0])]
        way.sql("UPDATE dbo.Customer SET CustomerId = 0 WHERE CustomerId = 25")
        read += [read_one(way, share) for share in shares[1:]]
        finish(way, read)
        assert newest(way).position == shares[0]["position"], "the transaction is still open"
        assert is_the_source(way)
        other.execute("COMMIT TRANSACTION")
    way.extract()
    assert is_the_source(way)
    assert way.names()["40"] == "Open"


def test_a_catch_up_waits_until_the_capture_has_passed_the_last_range(declared: Callable[[str], Way]) -> None:
    """Else it would bring rows that are older than those of the ranges."""
    way = declared("cdc")
    shares = plan(way)
    way.sql("UPDATE dbo.Customer SET Surname = N'Newer' WHERE CustomerId = 40")
    read = [read_one(way, share) for share in shares]
    with pytest.raises(NotNow, match="not captured yet"):
        finish(way, read)
    assert {part["path"] for share in read for part in share["parts"]} <= parts_of(way, shares[0]["batch"])
    way.sql("WAITFOR DELAY '00:00:00.010'; UPDATE dbo.Customer SET Surname = N'Later' WHERE CustomerId = 1")
    assert finish(way, read)["batch"] == shares[0]["batch"]
    assert is_the_source(way)


def test_a_table_that_is_small_or_has_no_such_index_is_read_in_one_picture(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion", "split_by: CustomerId\nrows_per_range: 21\n")
    assert plan(way) == []
    way = declared("rowversion")
    _customers_of_branches(way, "CONSTRAINT c UNIQUE (Branch, CustomerId)")
    assert plan(way) == [], "no index begins with CustomerId"
    _customers_of_branches(way, "CONSTRAINT k PRIMARY KEY NONCLUSTERED (CustomerId)")
    assert plan(way) == [], "each row of a range would be looked up by itself"


def test_a_row_that_is_in_two_ranges_is_one_and_in_its_newest_form(declared: Callable[[str], Way]) -> None:
    """What splits the table need not be its key: a row that goes to another branch is read there once more."""
    way = declared("rowversion", "  Branch: {type: INT64, required: true}\nsplit_by: Branch\nrows_per_range: 10\n")
    _customers_of_branches(
        way, "CONSTRAINT k PRIMARY KEY NONCLUSTERED (CustomerId), CONSTRAINT c UNIQUE CLUSTERED (Branch, CustomerId)"
    )
    first, second, *others = plan(way)
    read = [read_one(way, first)]
    assert read[0]["range"]["stop"] == 2
    way.sql("UPDATE dbo.Customer SET Branch = 4, Surname = N'Moved' WHERE CustomerId IN (1, 5)")
    read.append(read_one(way, second))
    way.sql("UPDATE dbo.Customer SET Branch = 1 WHERE CustomerId = 40")
    read += [read_one(way, share) for share in others]
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 5")  # it was read twice, and is not in the catch-up
    finish(way, read)
    assert is_the_source(way)
    assert way.names()["1"] == "Moved"


def test_who_vanishes_meanwhile_is_counted_once(declared: Callable[[str], Way]) -> None:
    way = declared("change_tracking")
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 2")
    finish(way, [read_one(way, share) for share in plan(way)])
    read = [read_one(way, share) for share in plan(way)]
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId IN (3, 33)")
    assert finish(way, read)["deleted"] == 2
    assert is_the_source(way)
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 4")
    told = finish(way, [], full_refresh=False)
    assert (told["kind"], told["deleted"]) == ("window", 1)
    assert is_the_source(way)
