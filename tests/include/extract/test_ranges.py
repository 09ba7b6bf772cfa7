"""Ranges: each row lies in exactly one, and to plan them costs a look at an index and at the catalog."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from include.clients.sql_server import Session
from include.extract import capture, ranges
from include.extract.ranges import split
from tests.include.extract.reading import Rows, contract_of

DAY = date(1999, 12, 31)


@pytest.mark.parametrize(
    ("low", "high", "pieces", "count"),
    [(1, 40, 4, 4), (-7, 7, 3, 3), (1, 3, 8, 3), (5, 5, 4, 1), (1, 2**62, 64, 64), (DAY, DAY + timedelta(40), 4, 4)],
)
def test_every_value_lies_in_exactly_one_range(low: Any, high: Any, pieces: int, count: int) -> None:
    found = split(low, high, pieces)
    assert [(one.number, one.of) for one in found] == [(number, count) for number in range(count)]
    assert (found[0].start, found[-1].stop) == (None, None), "what is written beyond the ends belongs to them"
    assert [one.stop for one in found[:-1]] == [one.start for one in found[1:]]
    cuts = [one.start for one in found[1:]]
    assert cuts == sorted(set(cuts))
    ends = [str(low), str(high)] if isinstance(low, date) else [low, high]
    assert all(ends[0] < cut <= ends[1] for cut in cuts), "no range is sure to be empty"


def test_a_table_without_a_row_has_no_range() -> None:
    assert split(None, None, 4) == []


@pytest.fixture
def readings(session: Session) -> Session:
    session.execute("DROP TABLE IF EXISTS dbo.reading")
    session.execute(
        "CREATE TABLE dbo.reading (id int NOT NULL, v nvarchar(20) NULL, read_on date NOT NULL, rv rowversion,"
        " CONSTRAINT reading_key PRIMARY KEY (id), CONSTRAINT reading_day UNIQUE (read_on, id))"
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
    assert of_the_table == ["SELECT MIN([read_on]), MAX([read_on]) FROM [capture].[dbo].[reading]"]

    read = []
    for one in found.ranges:
        rows = Rows()
        ranges.read_range(readings, contract, columns, one, rows.sink, "here")
        assert rows.tables["rows"].num_rows > 0
        read += rows.ids()
    assert [one.start for one in found.ranges] == [None, "2026-01-12", "2026-01-22"]
    assert sorted(read) == list(range(1, 31))
