"""In which picture of the database is a batch read, and from where to where?

The order of the steps is the rule; each has cost somebody rows (tests/include/extract/test_capture.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from include.contract import DatasetContract
from include.errors import EpochBroken, IntegrityError, SourceRefused
from include.extract import query
from include.extract.drift import Catalog
from include.extract.exact import ExactRows
from include.extract.query import Query
from include.extract.types import SourceColumn, Trait, arrow_type
from include.names import DatasetName

Kind = Literal["full", "window"]


class Session(Protocol):
    """What we need of a SQL Server connection: `include.clients.sql_server.Session`."""

    def scalar(self, sql: str, params: Sequence[Any] = ()) -> Any: ...
    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...
    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]: ...
    def snapshot(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Bounds:
    """What will be read: everything, or rowversions in [low, high). `high` is where the next window begins."""

    kind: Kind
    low: bytes | None
    high: bytes | None
    epoch: Mapping[str, Any]

    @property
    def position(self) -> dict[str, str]:
        return {"rowversion": self.high.hex()} if self.high is not None else {}

    @property
    def window(self) -> dict[str, str]:
        if self.low is None or self.high is None:
            return {}
        return {"low": self.low.hex(), "high": self.high.hex()}


@dataclass(frozen=True)
class Sink:
    """Where rows go: `write(batches, schema, 'rows' | 'keys')` gives something with a `rows` count per part."""

    write: Callable[[Iterable[pa.RecordBatch], pa.Schema, str], Sequence[Any]]
    log: Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """What one picture of the database held: parts of rows, parts of keys (or None), the source's own count."""

    parts: Sequence[Any]
    keys: Sequence[Any] | None
    counted: int
    queries: Sequence[str]


def read_catalog(session: Session, table: str) -> Catalog:
    """What SQL Server says of `table`: no column when it is missing or hidden from us."""
    columns, key, traits = query.columns_of(table), query.primary_key_of(table), query.traits_of(table)
    found = {name: _trait(*said) for name, *said in session.rows(traits.sql, traits.params)}
    return Catalog(
        [
            SourceColumn(name, kind, p, s, f, nullable == "YES", collation, length, found.get(name, ""))
            for name, kind, length, p, s, f, nullable, collation in session.rows(columns.sql, columns.params)
        ],
        [row[0] for row in session.rows(key.sql, key.params)],
    )


def _trait(computed: Any, masked: Any, encrypted: Any, deterministic: Any, reads_others: Any, unmask: Any) -> Trait:
    if encrypted is not None:
        return "encrypted"
    if masked and unmask != 1:
        return "masked"
    if not computed:
        return ""
    return "computed" if deterministic == 1 and reads_others != 1 else "volatile"


def read_unique_indexes(session: Session, table: str) -> list[list[str]]:
    """The columns of each unique index of `table`, that of the primary key included."""
    found: dict[str, list[str]] = {}
    asked = query.unique_indexes_of(table)
    for index, column in session.rows(asked.sql, asked.params):
        found.setdefault(index, []).append(column)
    return list(found.values())


def bounds(
    session: Session,
    contract: DatasetContract,
    kind: Kind,
    previous: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
    where: str,
) -> Bounds:
    """Fix the upper bound, *before* the picture is taken: the other way round, what commits in between is lost.

    `previous` is position and epoch of the batch before. Raises EpochBroken when the source was restored or its
    counter fell, SourceRefused when it does not let us see whether it was.
    """
    fork, created = session.rows(query.EPOCH.sql)[0]
    epoch = {"recovery_fork": fork, "created": created}
    if contract.position_column is None:
        return Bounds("full", None, None, epoch)
    if fork is None:  # and would be None again after a restore
        raise SourceRefused(
            "the database's recovery fork is hidden from us, so that a restore would go unnoticed",
            where=where,
            remedy="have granted what `python -m include grants <system> --to <login>` prints (VIEW ANY DATABASE)",
        )
    high = bytes(session.scalar(query.MIN_ACTIVE_ROWVERSION.sql))
    low = None
    if kind == "window":
        assert previous is not None
        low = bytes.fromhex(previous[0]["rowversion"])
        _check_epoch(epoch, dict(previous[1]), low, high, where)
    return Bounds(kind, low, high, epoch)


def read(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    sink: Sink,
    where: str,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> Reading:
    """Read rows, and where the contract asks for it all keys, in one picture of the database.

    Raises IntegrityError when fewer or more rows came than the source counted in the same picture.
    """
    rows_query = rows_of(contract, columns, bounds, converted)
    keys_query = keys_of(contract, bounds, converted)
    with session.snapshot():
        counted, parts = _transfer(session, contract, columns, rows_query, sink, "rows", where, converted)
        keys = None
        if keys_query is not None:
            _, keys = _transfer(session, contract, contract.key, keys_query, sink, "keys", where, converted)
    return Reading(parts, keys, counted, [q.sql for q in (rows_query, keys_query) if q is not None])


def rows_of(
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> Query:
    """The query of a batch's rows."""
    if bounds.kind == "full":
        return query.everything(contract.table, columns, converted)
    position, low, high = contract.position_column, bounds.low, bounds.high
    if position is None or low is None or high is None:
        raise AssertionError("a window has a position and both its bounds")
    return query.window(contract.table, columns, position, low, high, converted)


def keys_of(contract: DatasetContract, bounds: Bounds, converted: Mapping[str, str] = query.AS_IT_IS) -> Query | None:
    """The query of a batch's key set; a full has it in its rows."""
    if bounds.kind == "window" and contract.deletes == "key_scan":
        return query.everything(contract.table, contract.key, converted)
    return None


def keys_now(
    session: Session, contract: DatasetContract, bounds: Bounds, converted: Mapping[str, str] = query.AS_IT_IS
) -> pa.Table | None:
    """Every key that the source has now, for a dry run; None when a batch of these bounds would not look at all."""
    if bounds.kind != "full" and keys_of(contract, bounds) is None:
        return None
    wanted = schema(contract, contract.key)
    q = query.everything(contract.table, contract.key, converted)
    return pa.Table.from_batches([batch.cast(wanted) for batch in session.batches(q.sql)], wanted)


def schema(contract: DatasetContract, columns: Sequence[str]) -> pa.Schema:
    """What the parts hold."""
    return pa.schema([(name, arrow_type(contract.column_type(name))) for name in columns])


def _transfer(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    q: Query,
    sink: Sink,
    what: str,
    where: str,
    converted: Mapping[str, str],
) -> tuple[int, Sequence[Any]]:
    sink.log(f"{what}: {q.told}")
    counting = query.count(q, contract.key[0])
    counted = int(session.scalar(counting.sql, counting.params))
    exact = ExactRows(schema(contract, columns), where)
    parts = sink.write(exact.of(session.batches(q.sql, q.params)), exact.schema, what)
    exact.check_marks(session, q, converted)
    got = sum(part.rows for part in parts)
    if got != counted:
        raise IntegrityError(
            f"{got} {what} came, the source counted {counted} in the same picture",
            where=where,
            remedy="nothing was committed; run again, and if it lasts ask the source's owner for DBCC CHECKTABLE",
        )
    return counted, parts


def _check_epoch(now: Mapping[str, Any], before: Mapping[str, Any], low: bytes, high: bytes, where: str) -> None:
    """rowversions compare as unsigned big-endian binary(8), which is how Python compares bytes of one length."""
    changed = [name for name in now if now[name] != before.get(name)]
    if not changed and high >= low:
        return
    what = f"another {' and '.join(changed).replace('_', ' ')}" if changed else "a counter that fell"
    raise EpochBroken(
        f"the database has {what}: it was restored, and its rowversions mean something else now",
        where=where,
        remedy="ask the owner to which moment it was restored, then trigger the use case with `full_refresh`",
    )


def database_of(table: str) -> str:
    """The database of `database.schema.table`."""
    return table.partition(".")[0]


def place(name: DatasetName, contract: DatasetContract) -> str:
    """A dataset in an error's `where`."""
    return f"{contract.table} (dataset {name})"
