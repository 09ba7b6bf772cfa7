"""Into which key ranges is a large table split, and how is one of them read?

The ends come from the index and the number of rows from the catalog: nothing is scanned to plan. Each range is a
picture of another moment; what changes meanwhile is read once more at the end (`Way.catch_up`), and wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from include.contract import DatasetContract
from include.extract import query
from include.extract.capture import Bounds, Sink, declared, picture, transfer, way_of
from include.extract.catalog import is_split_by
from include.extract.query import Query, quoted, select, table
from include.extract.way import Position, Session

MOST = 64
"""Ranges of one batch: each is a task."""
ROWS = 1_000_000
"""About so many in a range, where the contract does not say how many."""
_LOOKS = 4
"""For gaps: each costs as many seeks as there are ranges."""
_KINDS = {"INT64": "bigint", "DATE": "date"}
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


def plan(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    where: str,
    is_partitioned: bool = False,
) -> Split:
    """The ranges of a full, and its bounds with the position from which the catch-up goes on. No range where the table
    is small, or where each range would be a scan of all.

    Raises as `capture.read` does before it reads.
    """
    column = contract.split_by
    assert column is not None
    _, schema, name = contract.table.split(".")
    with picture(session, contract, columns, bounds, where) as seen:
        if not is_split_by(session, contract.table, column, is_partitioned=is_partitioned):
            return Split(
                seen, (), f"its rows do not lie in the order of {column}: each range would read the whole table"
            )
        rows = int(session.scalar(_ROWS, (schema, name)) or 0)
        size = contract.rows_per_range or ROWS
        pieces = min(rows // size, MOST)
        if pieces < 2:
            return Split(seen, (), f"about {rows} rows are too few to be split ({size} in a range)")
        values = Values(session, contract)
        return Split(seen, split(values, pieces))


@dataclass(frozen=True)
class Values:
    """The values of the split column, found by its index: whole numbers, days by their ordinal; None where there is
    none."""

    session: Session
    contract: DatasetContract

    def ends(self) -> tuple[int, int] | None:
        column = quoted(self.contract.split_by or "")
        low, high = self.session.rows(f"SELECT MIN({column}), MAX({column}) FROM {table(self.contract.table)}")[0]
        return None if low is None else (_number(low), _number(high))

    def first_from(self, number: int) -> int | None:
        return self._found("MIN", ">=", number)

    def last_below(self, number: int) -> int | None:
        return self._found("MAX", "<", number)

    def end(self, number: int) -> int | str:
        """As a range says it."""
        return date.fromordinal(number).isoformat() if self._kind == "date" else number

    @property
    def _kind(self) -> str:
        return _KINDS[self.contract.columns[self.contract.split_by or ""].type]

    def _found(self, which: str, sign: str, number: int) -> int | None:
        column = quoted(self.contract.split_by or "")
        sql = (
            f"SELECT {which}({column}) FROM {table(self.contract.table)} WHERE {column} {sign} CAST(? AS {self._kind})"
        )
        found = self.session.scalar(sql, (self.end(number),))
        return None if found is None else _number(found)


def _number(value: Any) -> int:
    return value.toordinal() if isinstance(value, date) else int(value)


def split(values: Values, pieces: int) -> list[Range]:
    """Ranges of equal width, none of which is empty now; none at all when there is no row. The first and the last are
    open: what is written beyond the ends belongs to them.

    Width says how many rows there are only where values lie close: 9999-12-31 among birthdays would leave all of these
    in one range. So where several cuts fall into one gap, it is taken out, and the rest cut anew.
    """
    ends = values.ends()
    if ends is None:
        return []
    spans, cuts = [ends], list[int]()
    for _ in range(_LOOKS):
        cuts = [found for cut in _equal(spans, pieces) if (found := values.first_from(cut)) is not None]
        gaps = {cut for cut in cuts if cuts.count(cut) > 1}
        if not gaps:
            break
        spans = [part for span in spans for part in _without_gaps(span, sorted(gaps), values)]
    told = [None, *(values.end(cut) for cut in sorted(set(cuts) - {ends[0]})), None]
    return [Range(number, len(told) - 1, told[number], told[number + 1]) for number in range(len(told) - 1)]


def _equal(spans: Sequence[tuple[int, int]], pieces: int) -> list[int]:
    """Where to cut spans, their ends included, so that each piece has as many values of theirs."""
    width, cuts = sum(high - low + 1 for low, high in spans), []
    for piece in range(1, pieces):
        place = width * piece // pieces
        for low, high in spans:
            if place <= high - low:
                cuts.append(low + place)
                break
            place -= high - low + 1
    return cuts


def _without_gaps(span: tuple[int, int], gaps: Sequence[int], values: Values) -> Iterator[tuple[int, int]]:
    """A span without the gaps that end before these values."""
    low, high = span
    for end in gaps:
        before = values.last_below(end) if low < end <= high else None
        if before is not None and before >= low:
            yield low, before
            low = end
    yield low, high


def rows_in(contract: DatasetContract, columns: Sequence[str], one: Range, converted: Mapping[str, str]) -> Query:
    """The rows of a range."""
    assert contract.split_by is not None
    kind = _KINDS[contract.columns[contract.split_by].type]
    ends = [(sign, end) for sign, end in ((">=", one.start), ("<", one.stop)) if end is not None]
    where = " AND ".join(f"{quoted(contract.split_by)} {sign} CAST(? AS {kind})" for sign, _ in ends)
    source = f"FROM {table(contract.table)}{' WHERE ' if where else ''}{where}"
    return select(columns, source, tuple(end for _, end in ends), converted=converted)


def read_range(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    one: Range,
    sink: Sink,
    where: str,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> RangeReading:
    """Read one range in a picture of its own. `bounds`: of the catch-up, as far as they are known.

    Raises IntegrityError when fewer or more rows came than were counted, and as `capture.read` does before it reads:
    so a picture that is older than the plan is refused.
    """
    with picture(session, contract, columns, bounds, where):
        q = rows_in(contract, columns, one, converted)
        counted, parts = transfer(session, contract, q, declared(contract, columns), sink, "rows", where)
        return RangeReading(parts, counted, q.sql, way_of(contract).after_picture(session))
