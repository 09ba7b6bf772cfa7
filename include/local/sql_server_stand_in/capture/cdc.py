"""What does change data capture keep, and what do its functions give of it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from include.local.sql_server_stand_in.capture.append import append
from include.local.sql_server_stand_in.capture.operations import BEFORE
from include.local.sql_server_stand_in.catalogue.tables import (
    CaptureInstance,
    Column,
    Database,
    Table,
    of_type,
    quoted,
)
from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.sql_types import INT, SqlType, storage

LSN = SqlType("binary", 10)
_LENGTH = 10
_HEAD = (
    Column("__$start_lsn", LSN),
    Column("__$seqval", LSN),
    Column("__$operation", INT),
    Column("__$update_mask", SqlType("varbinary", 128)),
)
_OBJECTS_OF_TABLES_END = 1_000_000
"""A capture's object id is its table's and this."""


@dataclass(frozen=True)
class Captured:
    """Rows of one statement; `other` are those of the same keys before (after) an update."""

    table: Table
    operation: int
    rows: pa.Table
    other: pa.Table | None


def lsn_bytes(number: int) -> bytes:
    return number.to_bytes(_LENGTH)


def _place(database: str, instance: str) -> str:
    return f"{quoted(database)}.cdc.{quoted(instance + '_CT')}"


# --- enabling


def enable(connection: Any, database: Database, table: Table, name: str, columns: Sequence[Column], net: bool) -> Table:
    """The table as it is then."""
    if not database.captures_changes:
        raise SqlError(22901, f"The database '{database.name}' is not enabled for Change Data Capture.")
    if database.instance(name):
        raise SqlError(22926, f"The capture instance name '{name}' already exists in the current database.")
    if net and not table.primary_key:
        raise SqlError(22939, "The parameter @supports_net_changes is set to 1, but the table has no primary key.")
    instance = CaptureInstance(name, tuple(Column(column.name, _plain(column.type)) for column in columns), net)
    kept = ", ".join(f"{quoted(column.name)} {storage(column.type)}" for column in instance.columns)
    head = '"__$start_lsn" BLOB, "__$seqval" BLOB, "__$operation" INTEGER, "__$update_mask" BLOB'
    connection.execute(f"CREATE TABLE {_place(database.name, name)} ({head}, {kept})")
    _register(connection, database, table, instance)
    return replace(table, instances=(*table.instances, instance))


def _plain(kind: SqlType) -> SqlType:
    """A captured rowversion is a binary(8) of another time."""
    return SqlType("binary", 8) if kind.name == "rowversion" else kind


def _register(connection: Any, database: Database, table: Table, instance: CaptureInstance) -> None:
    database.lsn += 1
    lsn, own = lsn_bytes(database.lsn), quoted(database.name)
    connection.execute(
        f"INSERT INTO {own}.cdc.change_tables VALUES (nextval('{own}._s.object_id'), ?, ?, ?, ?, now()::TIMESTAMP)",
        [table.object_id, instance.name, lsn, instance.supports_net],
    )
    connection.executemany(
        f"INSERT INTO {own}._s.captured_columns VALUES (?, ?, ?, ?, ?, ?, ?)",
        [[instance.name, at, column.name, *of_type(column.type)] for at, column in enumerate(instance.columns, 1)],
    )
    mapping = f"INSERT INTO {own}.cdc.lsn_time_mapping VALUES (?, now()::TIMESTAMP, now()::TIMESTAMP)"
    connection.execute(mapping, [lsn])


def disable(connection: Any, database: Database, table: Table, name: str) -> Table:
    """The table as it is then."""
    connection.execute(f"DROP TABLE {_place(database.name, name)}")
    for side in ("cdc.change_tables", "_s.captured_columns"):
        connection.execute(f"DELETE FROM {quoted(database.name)}.{side} WHERE capture_instance = ?", [name])
    return replace(table, instances=tuple(instance for instance in table.instances if instance.name != name))


def clean(connection: Any, database: Database, name: str, low: bytes) -> None:
    """Forgets what is older than `low`."""
    connection.execute(f'DELETE FROM {_place(database.name, name)} WHERE "__$start_lsn" < ?', [low])
    tables = f"UPDATE {quoted(database.name)}.cdc.change_tables SET start_lsn = ? WHERE capture_instance = ?"
    connection.execute(tables, [low, name])


# --- recording


def write(connection: Any, database: Database, changes: Sequence[Captured], now: dt.datetime) -> None:
    """All changes of a transaction have the same LSN; the two halves of an update the same sequence value."""
    database.lsn += 1
    sequence = 0
    for change in changes:
        for instance in change.table.instances:
            append(connection, _place(database.name, instance.name), _rows(database.lsn, sequence, change, instance))
        sequence += 0 if change.operation == BEFORE else change.rows.num_rows
    mapping = f"INSERT INTO {quoted(database.name)}.cdc.lsn_time_mapping VALUES (?, ?, ?)"
    connection.execute(mapping, [lsn_bytes(database.lsn), now, now])


def _rows(lsn: int, sequence: int, change: Captured, instance: CaptureInstance) -> pa.Table:
    size = change.rows.num_rows
    head = {
        "__$start_lsn": pa.array([lsn_bytes(lsn)] * size, pa.binary()),
        "__$seqval": pa.array([lsn_bytes((lsn << 24) + sequence + at) for at in range(size)], pa.binary()),
        "__$operation": pa.array([change.operation] * size, pa.int32()),
        "__$update_mask": pa.array(_masks(change, instance), pa.binary()),
    }
    return pa.table(head | {column.name: change.rows.column(column.name) for column in instance.columns})


def _masks(change: Captured, instance: CaptureInstance) -> list[bytes]:
    """A bit for each column that an update changed; of an insert and a delete all are set."""
    width, size = (len(instance.columns) + 7) // 8, change.rows.num_rows
    if change.other is None:
        return [((1 << len(instance.columns)) - 1).to_bytes(width)] * size
    masks = [0] * size
    for bit, column in enumerate(instance.columns):
        ours, theirs = (rows.column(column.name).to_pylist() for rows in (change.rows, change.other))
        for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            masks[at] |= (a != b) << bit
    return [mask.to_bytes(width) for mask in masks]


# --- reading


def all_changes(
    table: Table, instance: CaptureInstance, low: str, high: str, option: str | None
) -> tuple[str, tuple[Column, ...]]:
    """DuckDB's SQL for fn_cdc_get_all_changes_…, and its columns."""
    if option not in ("all", "all update old"):
        raise not_known(f"row filter option {option}")
    columns = (*_HEAD, *instance.columns)
    before = "" if option == "all update old" else ' AND "__$operation" <> 3'
    listed = ", ".join(quoted(column.name) for column in columns)
    return f"SELECT {listed} FROM {_between(table, instance, low, high)}{before}", columns


def net_changes(
    table: Table, instance: CaptureInstance, low: str, high: str, option: str | None
) -> tuple[str, tuple[Column, ...]]:
    """DuckDB's SQL for fn_cdc_get_net_changes_…: one row a key; with merge, inserts and updates are both 5."""
    if option not in ("all", "all with merge"):
        raise not_known(f"row filter option {option}")
    keys = ", ".join(quoted(name) for name in table.primary_key)
    listed = ", ".join(quoted(column.name) for column in instance.columns)
    order = '"__$start_lsn", "__$seqval", "__$operation"'
    newest = order.replace(",", " DESC,") + " DESC"
    merged = "WHEN op <> 1 THEN 5" if option == "all with merge" else ""
    sql = f"""
        SELECT "__$start_lsn",
            CASE {merged} WHEN op = 4 AND first = 2 THEN 2 WHEN op = 2 AND first <> 2 THEN 4 ELSE op END,
            CAST(NULL AS BLOB), {listed}
        FROM (
            SELECT *, "__$operation" AS op, row_number() OVER (PARTITION BY {keys} ORDER BY {newest}) AS place,
                first_value("__$operation") OVER (PARTITION BY {keys} ORDER BY {order}) AS first
            FROM {_between(table, instance, low, high)} AND "__$operation" <> 3
        )
        WHERE place = 1 AND NOT (op = 1 AND first = 2)"""
    return sql, (*(column for column in _HEAD if column.name != "__$seqval"), *instance.columns)


def _between(table: Table, instance: CaptureInstance, low: str, high: str) -> str:
    place = _place(table.database, instance.name)
    return f'{place} WHERE "__$start_lsn" >= ({low}) AND "__$start_lsn" <= ({high})'


def check_range(connection: Any, database: str, instance: str, bounds: str, values: Mapping[str, Any]) -> None:
    """Raises SQL Server's misleading 313 when the bounds (DuckDB's SQL) are not within what is still captured."""
    low, high = connection.execute(f"SELECT {bounds}", values).fetchall()[0]
    tables = f"SELECT start_lsn FROM {quoted(database)}.cdc.change_tables WHERE capture_instance = ?"
    first = connection.execute(tables, [instance]).fetchall()[0][0]
    last = connection.execute(f"SELECT max(start_lsn) FROM {quoted(database)}.cdc.lsn_time_mapping").fetchall()[0][0]
    if low is None or high is None or not first <= low <= high <= last:
        raise SqlError(
            313,
            "An insufficient number of arguments were supplied for the procedure or function "
            "cdc.fn_cdc_get_all_changes_ ... .",
            state=3,
        )
