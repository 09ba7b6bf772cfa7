"""Into which key ranges is a large table split, and how is one of them read?

The ends come from the index and the number of rows from the catalog: nothing is scanned to plan. Each range is a
picture of another moment; what changes meanwhile is read once more at the end (`Way.catch_up`), and wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from include.contract import DatasetContract
from include.extract import query
from include.extract.capture import Bounds, Sink, declared, picture, transfer, way_of
from include.extract.catalog import is_indexed
from include.extract.query import Query, quoted, select, table
from include.extract.way import Position, Session

MOST = 64
"""Ranges of one batch: each is a task."""
_ROWS = (
    "SELECT SUM(p.rows) FROM sys.partitions AS p JOIN sys.tables AS t ON t.object_id = p.object_id "
    "JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE p.index_id < 2 AND s.name = ? AND t.name = ?"
)


@dataclass(frozen=True)
class Range:
    """Rows whose split column lies in [start, stop); None is open: the first and the last range of a table. Dates are
    ISO texts. `number` begins at 0, `of` is how many ranges there are."""

    number: int
    of: int
    start: int | str | None
    stop: int | str | None

    def __str__(self) -> str:
        start, stop = ("…" if end is None else end for end in (self.start, self.stop))
        return f"range {self.number + 1} of {self.of}, [{start}, {stop})"


@dataclass(frozen=True)
class Split:
    """The ranges, and the bounds from which the catch-up goes on; `why_not`: why there are none."""

    bounds: Bounds
    ranges: Sequence[Range]
    why_not: str = ""


@dataclass(frozen=True)
class RangeReading:
    """What one range held: parts of rows, the source's own count in the same picture, the T-SQL, and where the picture
    ended (`Way.after_picture`)."""

    parts: Sequence[Any]
    counted: int
    query: str
    ended: Position


def plan(session: Session, contract: DatasetContract, columns: Sequence[str], bounds: Bounds, where: str) -> Split:
    """The ranges of a full, and its bounds with the position from which the catch-up goes on. No range where the table
    is small, or where each range would be a scan of all.

    Raises as `capture.read` does before it reads.
    """
    column = contract.split_by
    assert column is not None
    _, schema, name = contract.table.split(".")
    with picture(session, contract, columns, bounds, where) as seen:
        if not is_indexed(session, contract.table, column):
            return Split(seen, (), f"no index begins with {column}, so that each range would read the whole table")
        rows = int(session.scalar(_ROWS, (schema, name)) or 0)
        pieces = min(rows // contract.range_rows, MOST)
        if pieces < 2:
            return Split(seen, (), f"about {rows} rows are too few to be split ({contract.range_rows} in a range)")
        low, high = session.rows(f"SELECT MIN({quoted(column)}), MAX({quoted(column)}) FROM {table(contract.table)}")[0]
    return Split(seen, split(low, high, pieces))


def split(low: Any, high: Any, pieces: int) -> list[Range]:
    """Ranges of equal width between two values of the split column, whole numbers or dates; none when there is no row.
    The first and the last are open: what is written beyond the ends belongs to them."""
    if low is None:
        return []
    first, last = (value.toordinal() if isinstance(value, date) else int(value) for value in (low, high))
    cuts = sorted({first + (last - first + 1) * piece // pieces for piece in range(1, pieces)} - {first})
    told = [date.fromordinal(cut).isoformat() if isinstance(low, date) else cut for cut in cuts]
    ends = [None, *told, None]
    return [Range(number, len(ends) - 1, ends[number], ends[number + 1]) for number in range(len(ends) - 1)]


def rows_in(contract: DatasetContract, columns: Sequence[str], one: Range, converted: Mapping[str, str]) -> Query:
    """The rows of a range."""
    assert contract.split_by is not None
    kind = {"INT64": "bigint", "DATE": "date"}[contract.columns[contract.split_by].type]
    ends = [(sign, end) for sign, end in ((">=", one.start), ("<", one.stop)) if end is not None]
    where = " AND ".join(f"{quoted(contract.split_by)} {sign} CAST(? AS {kind})" for sign, _ in ends)
    source = f"FROM {table(contract.table)}{' WHERE ' if where else ''}{where}"
    return select(columns, source, tuple(end for _, end in ends), converted=converted)


def read_range(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    one: Range,
    sink: Sink,
    where: str,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> RangeReading:
    """Read one range in a picture of its own. Raises IntegrityError when fewer or more rows came than were counted."""
    with session.snapshot():
        q = rows_in(contract, columns, one, converted)
        counted, parts = transfer(session, contract, q, declared(contract, columns), sink, "rows", where)
        return RangeReading(parts, counted, q.sql, way_of(contract).after_picture(session))
