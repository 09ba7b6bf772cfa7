"""In which picture of the database is a batch read, and from where to where?

The order of the steps is the rule; each has cost somebody rows (tests/include/extract/test_capture.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa

from include.contract import (
    ChangeDataCapture,
    ChangeTracking,
    DatasetContract,
    RowVersion,
    Timestamp,
)
from include.errors import EpochBroken, IntegrityError, SourceRefused, SourceUnavailable
from include.extract import query
from include.extract.cdc import CdcWay
from include.extract.change_tracking import ChangeTrackingWay
from include.extract.exact import ExactRows
from include.extract.query import Query
from include.extract.rowversion import RowVersionWay
from include.extract.timestamp import TimestampWay
from include.extract.types import arrow_type
from include.extract.way import Position, Session, Way
from include.names import DatasetName

Kind = Literal["full", "window", "cohort"]
ROWS_PER_WINDOW = 10_000_000
"""About so many at most, where the way of capture can cut a window."""


@dataclass(frozen=True)
class Bounds:
    """What will be read: everything, what changed between two positions, or some customers. `high` is where the next
    window begins; it is empty until the picture is taken, where the way of capture fixes it there. `looks`: at all
    keys, too. `note`: what holds changes back. `asked`: of a cohort, what the log says of its ids. A catch-up is what
    changed while a full was read in ranges."""

    kind: Kind | Literal["catch_up"]
    low: Position
    high: Position
    epoch: Mapping[str, Any]
    looks: bool = False
    note: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> dict[str, Any]:
        """As the log keeps it."""
        if self.kind in ("full", "cohort"):
            return dict(self.asked)
        ends = ("from", self.low), ("to", self.high)
        return {f"{name}_{end}": text for end, position in ends for name, text in position.items()}


@dataclass(frozen=True)
class Sink:
    """Where rows go: `write(batches, schema, 'rows' | 'keys')` gives something with a `rows` count per part."""

    write: Callable[[Iterable[pa.RecordBatch], pa.Schema, str], Sequence[Any]]
    log: Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """What one picture of the database held: its bounds, parts of rows, parts of keys (or None), the source's own
    count, and the columns of the parts of rows, name to BigQuery type. `is_cut`: the picture held more than a window
    takes, and the next goes on."""

    bounds: Bounds
    parts: Sequence[Any]
    keys: Sequence[Any] | None
    counted: int
    columns: Mapping[str, str]
    queries: Sequence[str]
    is_cut: bool = False


def way_of(contract: DatasetContract) -> Way:
    """How a contract's table is captured."""
    capture = contract.capture
    if isinstance(capture, RowVersion):
        return RowVersionWay(contract.table, capture.column)
    if isinstance(capture, ChangeTracking):
        return ChangeTrackingWay(contract.table, contract.key)
    if isinstance(capture, ChangeDataCapture):
        return CdcWay(capture.instance)
    if isinstance(capture, Timestamp):
        has_zone = contract.columns[capture.column].type == "TIMESTAMP"
        return TimestampWay(contract.table, capture.column, capture.overlaps_by, has_zone)
    return Way()


def bounds(
    session: Session,
    contract: DatasetContract,
    kind: Kind | Literal["catch_up"],
    previous: tuple[Position, Mapping[str, Any]] | None,
    where: str,
    *,
    looks: bool = False,
) -> Bounds:
    """Fix what must be fixed *before* the picture is taken: which database it is and, for a rowversion, the bound.

    `previous` is position and epoch of the batch before, or of the plan whose ranges have been read; a cohort keeps
    that position. Raises EpochBroken when the source was restored, SourceRefused when it does not let us see whether it
    was.
    """
    fork, created = session.rows(query.EPOCH.sql)[0]
    epoch = {"recovery_fork": fork, "created": created}
    if contract.has_position and fork is None:  # and would be None again after a restore
        raise SourceRefused(
            "the database's recovery fork is hidden from us, so that a restore would go unnoticed",
            where=where,
            remedy="have granted what `python -m include grants <system> --to <login>` prints (VIEW ANY DATABASE)",
        )
    low: Position = {}
    assert previous is not None or kind in ("full", "cohort")
    if previous is not None and kind != "full" and contract.has_position:
        low = previous[0]
        _check_epoch(epoch, previous[1], where)
    high = low if kind == "cohort" else way_of(contract).before(session)
    return Bounds(kind, low, high, epoch, looks)


def read(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    sink: Sink,
    where: str,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> Reading:
    """Read rows, and where the bounds say so all keys, in one picture of the database.

    Raises IntegrityError when fewer or more rows came than the source counted in the same picture, EpochBroken when the
    position is worth nothing any more.
    """
    way = way_of(contract)
    with picture(session, contract, columns, bounds, where) as whole:
        seen, is_cut = _cut(session, way, whole)
        q, kinds = rows_of(contract, columns, seen, converted), columns_of(contract, columns, seen)
        counted, parts = transfer(session, contract, q, kinds, sink, "rows", where)
        keys, keys_query = None, keys_of(contract, seen, converted)
        if keys_query is not None:
            key = declared(contract, contract.key)
            _, keys = transfer(session, contract, keys_query, key, sink, "keys", where)
        high = {**seen.high, **(way.after_picture(session) if seen.kind == "full" else {})}
    queries = [sql.sql for sql in (q, keys_query) if sql is not None]
    return Reading(replace(seen, high=high), parts, keys, counted, kinds, queries, is_cut)


def _cut(session: Session, way: Way, seen: Bounds) -> tuple[Bounds, bool]:
    """A burst is taken in several windows, each a batch, so that a try that is killed has not read it all in vain. Only
    the last looks at all keys."""
    high = way.cut(session, seen.low, seen.high, ROWS_PER_WINDOW) if seen.kind == "window" else seen.high
    return (replace(seen, high=high, looks=False), True) if high != seen.high else (seen, False)


@contextmanager
def picture(
    session: Session, contract: DatasetContract, columns: Sequence[str], bounds: Bounds, where: str
) -> Iterator[Bounds]:
    """One picture of the database, and the bounds as they are in it."""
    way, low = way_of(contract), bounds.low if bounds.kind != "full" else None
    with session.snapshot():
        high = bounds.high or way.inside(session, low)
        if lacks := way.missing(session, high, contract.in_table(list(columns))):
            raise SourceRefused(
                f"the source has no {lacks}, or hides it from us",
                where=where,
                remedy="have its owner run what `python -m include grants <system>` prints, or change the contract's "
                "`capture`",
            )
        if low is not None and (problem := way.check(session, low, high)):
            raise _lost(f"the database has {problem}", where)
        if (behind := way.behind(session, low, high)) and behind.is_stopped:
            raise SourceUnavailable(behind.problem, where=where, remedy=behind.remedy)
        yield replace(bounds, high=high, note=f"{behind.problem}: {behind.remedy}" if behind else "")


def rows_of(
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> Query | None:
    """The query of a batch's rows; None when there can be none."""
    if bounds.kind == "full":
        return query.everything(contract.table, columns, converted)
    way = way_of(contract)
    of = way.catch_up if bounds.kind == "catch_up" else way.window
    return of(columns, bounds.low, bounds.high, converted)


def columns_of(contract: DatasetContract, columns: Sequence[str], bounds: Bounds) -> dict[str, str]:
    """What the parts of rows hold, name to BigQuery type."""
    own = declared(contract, columns)
    return own if bounds.kind == "full" else {**own, **way_of(contract).marks}


def declared(contract: DatasetContract, columns: Sequence[str]) -> dict[str, str]:
    """Columns as the contract has them, name to BigQuery type."""
    return {name: contract.column_type(name) for name in columns}


def keys_of(contract: DatasetContract, bounds: Bounds, converted: Mapping[str, str] = query.AS_IT_IS) -> Query | None:
    """The query of a batch's key set; a full has it in its rows."""
    if bounds.kind != "full" and bounds.looks:
        return query.everything(contract.table, contract.key, converted)
    return None


def schema(columns: Mapping[str, str]) -> pa.Schema:
    """What parts hold, by BigQuery types."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def transfer(
    session: Session,
    contract: DatasetContract,
    q: Query | None,
    columns: Mapping[str, str],
    sink: Sink,
    what: str,
    where: str,
) -> tuple[int, Sequence[Any]]:
    """What a query gives, as parts of `what` (rows or keys); the source's count in this picture, and the parts.

    Raises IntegrityError when fewer or more came than were counted.
    """
    sink.log(f"{what}: {q.told if q else 'none, there is nothing newer'}")
    counted = count_of(session, contract, q)
    exact = ExactRows(schema(columns), where)
    parts = sink.write(exact.of(session.batches(q.sql, q.params) if q else ()), exact.schema, what)
    if q is not None:
        exact.check_marks(session, q)
    check_count(sum(part.rows for part in parts), counted, what, where)
    return counted, parts


def check_count(got: int, counted: int, what: str, where: str) -> None:
    """Raises IntegrityError when fewer or more came than the source counted."""
    if got != counted:
        raise IntegrityError(
            f"{got} {what} came, the source counted {counted} in the same picture",
            where=where,
            remedy="nothing was committed; run again, and if it lasts ask the source's owner for DBCC CHECKTABLE",
        )


def count_of(session: Session, contract: DatasetContract, q: Query | None) -> int:
    """How many rows a query has, by the source's own count; none where there is no query."""
    if q is None:
        return 0
    counting = query.count(q, contract.key[0])
    return int(session.scalar(counting.sql, counting.params))


def _check_epoch(now: Mapping[str, Any], before: Mapping[str, Any], where: str) -> None:
    changed = [name for name in now if now[name] != before.get(name)]
    if changed:
        what = " and ".join(changed).replace("_", " ")
        raise _lost(
            f"the database has another {what}: it was restored, and its positions mean something else now", where
        )


def _lost(problem: str, where: str) -> EpochBroken:
    return EpochBroken(
        problem,
        where=where,
        remedy="nothing was read. If the database was restored, ask its owner to which moment; then trigger the use "
        "case with `full_refresh`",
    )


def database_of(table: str) -> str:
    """The database of `database.schema.table`."""
    return table.partition(".")[0]


def place(name: DatasetName, contract: DatasetContract) -> str:
    """A dataset in an error's `where`."""
    return f"{contract.table} (dataset {name})"
