"""Ranges: each row lies in exactly one, and to plan them costs a look at an index and at the catalog."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from include.clients.sql_server import Session
from include.extract import capture, ranges
from include.extract.ranges import Range, split
from tests.include.extract.reading import Rows, contract_of


@dataclass(frozen=True)
class Numbers:
    """Values of a split column, as an index would find them."""

    there: Sequence[int]

    def ends(self) -> tuple[int, int] | None:
        return (self.there[0], self.there[-1]) if self.there else None

    def first_from(self, number: int) -> int | None:
        at = bisect_left(self.there, number)
        return self.there[at] if at < len(self.there) else None

    def last_below(self, number: int) -> int | None:
        at = bisect_left(self.there, number)
        return self.there[at - 1] if at else None

    def end(self, number: int) -> int:
        return number


def _shares(there: Sequence[int], found: Sequence[Range]) -> list[int]:
    """How many of the values lie in each range; each lies in one."""
    ends = [(-math.inf if a.start is None else a.start, math.inf if a.stop is None else a.stop) for a in found]
    counts = [sum(low <= value < high for value in there) for low, high in ends]
    assert sum(counts) == len(there)
    return counts


@pytest.mark.parametrize(
    ("there", "pieces", "count"),
    [(range(1, 41), 4, 4), (range(-7, 8), 3, 3), (range(1, 4), 8, 3), ([5], 4, 1), ([1, 2**62], 64, 2)],
)
def test_every_value_lies_in_exactly_one_range_and_none_is_empty(there: Sequence[int], pieces: int, count: int) -> None:
    found = split(Numbers(there), pieces)
    assert [(one.number, one.of) for one in found] == [(number, count) for number in range(count)]
    assert (found[0].start, found[-1].stop) == (None, None), "what is written beyond the ends belongs to them"
    assert [one.stop for one in found[:-1]] == [one.start for one in found[1:]]
    assert min(_shares(there, found)) > 0


@pytest.mark.parametrize(
    "there",
    [
        [*range(1_000, 2_000), 9_999_999],  # no end: 9999-12-31
        [-1, 0, *range(10_000_000, 10_001_000)],  # unknown, and none
        [0, *range(5_000, 5_500), *range(90_000_000, 90_000_500), 2**62],  # two systems' numbers
    ],
)
def test_values_that_lie_far_from_all_others_do_not_leave_these_in_one_range(there: Sequence[int]) -> None:
    found = split(Numbers(there), 5)
    assert len(found) >= 5
    assert max(_shares(there, found)) <= len(there) / 3


def test_a_table_without_a_row_has_no_range() -> None:
    assert split(Numbers([]), 4) == []


@pytest.fixture
def readings(session: Session) -> Session:
    session.execute("DROP TABLE IF EXISTS dbo.reading")
    session.execute(
        "CREATE TABLE dbo.reading (id int NOT NULL, v nvarchar(20) NULL, read_on date NOT NULL, rv rowversion,"
        " CONSTRAINT reading_key PRIMARY KEY NONCLUSTERED (id), CONSTRAINT reading_day UNIQUE CLUSTERED (read_on, id))"
    )
    session.execute(
        "INSERT INTO dbo.reading (id, v, read_on)"
        " SELECT value, N'v', DATEADD(day, value, CAST('2026-01-01' AS date)) FROM GENERATE_SERIES(1, 30)"
    )
    return session


def test_a_table_is_split_by_days_without_a_scan(readings: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = contract_of(
        "reading",
        {"method": "rowversion", "column": "rv"},
        "never",
        split_by="read_on",
        rows_per_range=10,
        columns={
            "id": {"type": "INT64", "required": True},
            "v": {"type": "STRING"},
            "read_on": {"type": "DATE", "required": True},
        },
    )
    asked, shipped = [], Session.rows
    monkeypatch.setattr(Session, "rows", lambda self, sql, params=(): asked.append(sql) or shipped(self, sql, params))
    columns = contract.read_columns(["v"])
    bounds = capture.bounds(readings, contract, "full", None, "here")
    found = ranges.plan(readings, contract, columns, bounds, "here")
    of_the_table = [sql for sql in asked if "[reading]" in sql]
    assert {re.sub(r"\(\[read_on\]\)", "", sql.partition(" FROM ")[0]) for sql in of_the_table} == {
        "SELECT MIN, MAX",
        "SELECT MIN",
    }, "what an index that begins with the column answers without reading it"
    behind = capture.bounds(readings, contract, "catch_up", (found.bounds.high, found.bounds.epoch), "here")

    read = []
    for one in found.ranges:
        rows = Rows()
        ranges.read_range(readings, contract, columns, behind, one, rows.sink, "here")
        assert rows.tables["rows"].num_rows > 0
        read += rows.ids()
    assert [one.start for one in found.ranges] == [None, "2026-01-12", "2026-01-22"]
    assert sorted(read) == list(range(1, 31))
