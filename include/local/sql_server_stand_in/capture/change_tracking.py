"""What does change tracking keep, and what does CHANGETABLE give of it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from include.local.sql_server_stand_in.capture.append import append
from include.local.sql_server_stand_in.capture.operations import AFTER, DELETED, INSERTED
from include.local.sql_server_stand_in.catalogue.tables import Column, Database, Table, quoted
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import BIGINT, SqlType, storage

_LETTERS = {DELETED: "D", INSERTED: "I", AFTER: "U"}


def enable(connection: Any, database: Database, table: Table) -> Table:
    """The table as it is then."""
    if not database.tracks_changes:
        raise SqlError(4902, "Change tracking is not enabled on the database.")
    if not table.primary_key:
        raise SqlError(
            4997,
            f"Cannot enable change tracking on table '{table.name}'. "
            "Change tracking requires a primary key on the table.",
        )
    if table.is_tracked:
        raise SqlError(4996, f"Change tracking is already enabled for table '{table.name}'.")
    keys = ", ".join(f"{quoted(name)} {storage(_type(table, name))}" for name in table.primary_key)
    connection.execute(f"CREATE TABLE {_place(table)} ({keys}, _version BIGINT, _order BIGINT, _operation VARCHAR)")
    tracked = f"INSERT INTO {quoted(database.name)}._s.tracked_tables VALUES (?, ?, ?)"
    connection.execute(tracked, [table.object_id, database.change_version, database.change_version])
    return replace(table, is_tracked=True)


def disable(connection: Any, database: Database, table: Table) -> Table:
    if not table.is_tracked:
        raise SqlError(4998, f"Change tracking is not enabled on table '{table.name}'.")
    connection.execute(f"DROP TABLE {_place(table)}")
    tracked = f"DELETE FROM {quoted(database.name)}._s.tracked_tables WHERE object_id = ?"
    connection.execute(tracked, [table.object_id])
    return replace(table, is_tracked=False)


def clean(connection: Any, table: Table, version: int) -> None:
    """What the end of the retention does: versions up to this one are forgotten."""
    if not table.is_tracked:
        raise SqlError(4998, f"Change tracking is not enabled on table '{table.name}'.")
    connection.execute(f"DELETE FROM {_place(table)} WHERE _version <= ?", [version])
    tracked = f"UPDATE {quoted(table.database)}._s.tracked_tables SET min_valid_version = ? WHERE object_id = ?"
    connection.execute(tracked, [version, table.object_id])


def truncate(connection: Any, database: Database, table: Table) -> None:
    """All that is tracked of the table is forgotten, and its tracking begins anew. It is no version of its own."""
    connection.execute(f"DELETE FROM {_place(table)}")
    tracked = f"UPDATE {quoted(database.name)}._s.tracked_tables SET begin_version = $now, min_valid_version = $now"
    values = {"now": database.change_version, "table": table.object_id}
    connection.execute(f"{tracked} WHERE object_id = $table", values)


def _place(table: Table) -> str:
    return f"{quoted(table.database)}._s.{quoted(f'tracked_{table.object_id}')}"


def _type(table: Table, name: str) -> SqlType:
    return next(column.type for column in table.columns if column.name == name)


def write(
    connection: Any, database: Database, changes: Sequence[tuple[Table, int, pa.Table]], now: dt.datetime
) -> None:
    """All changes of a transaction have the same version."""
    database.change_version += 1
    for order, (table, operation, rows) in enumerate(changes):
        if size := rows.num_rows:
            keys = rows.select(list(table.primary_key))
            keys = keys.append_column("_version", pa.array([database.change_version] * size, pa.int64()))
            keys = keys.append_column("_order", pa.array([order] * size, pa.int64()))
            append(connection, _place(table), keys.append_column("_operation", pa.array([_LETTERS[operation]] * size)))
    commits = f"INSERT INTO {quoted(database.name)}._s.change_commits VALUES (?, ?)"
    connection.execute(commits, [database.change_version, now])


def changes(table: Table, since: str) -> tuple[str, tuple[Column, ...]]:
    """The net change of each key after version `since` (DuckDB's SQL), and the columns that it has."""
    if not table.is_tracked:
        raise SqlError(22105, f"Change tracking is not enabled on table '{table.name}'.")
    keys = ", ".join(quoted(name) for name in table.primary_key)
    sql = f"""
        SELECT version, created,
            CASE WHEN last = 'D' THEN 'D' WHEN created IS NOT NULL THEN 'I' ELSE 'U' END,
            CAST(NULL AS BLOB), CAST(NULL AS BLOB), {keys}
        FROM (
            SELECT {keys}, max(_version) AS version, arg_max(_operation, (_version, _order)) AS last,
                max(CASE WHEN _operation = 'I' THEN _version END) AS created
            FROM {_place(table)} WHERE ({since}) IS NULL OR _version > ({since}) GROUP BY {keys}
        )"""
    return sql, (*_COLUMNS, *(Column(name, _type(table, name)) for name in table.primary_key))


_COLUMNS = (
    Column("SYS_CHANGE_VERSION", BIGINT),
    Column("SYS_CHANGE_CREATION_VERSION", BIGINT),
    Column("SYS_CHANGE_OPERATION", SqlType("nchar", 1)),
    Column("SYS_CHANGE_COLUMNS", SqlType("varbinary", 4100)),
    Column("SYS_CHANGE_CONTEXT", SqlType("varbinary", 128)),
)
