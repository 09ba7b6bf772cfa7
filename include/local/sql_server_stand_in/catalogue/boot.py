"""How does a database come to be, and how does the server find it again?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.local.sql_server_stand_in.catalogue.tables import (
    CaptureInstance,
    Column,
    Database,
    Key,
    Table,
    literal,
    quoted,
)
from include.local.sql_server_stand_in.sql_types import INT, SYSTEM_TYPES, SqlType

LAYOUT = 5
"""Of what a database's file holds beside its tables; one of another layout is refused."""
MASTER = "master"
_FOLDER = Path(__file__).parent


class OtherLayout(Exception):
    """The file was written by another version of the stand-in."""


def boot(connection: Any, name: str) -> None:
    """Makes what every database has, in one transaction: a kill leaves an empty file or a whole catalogue.

    Raises OtherLayout for a database that cannot be read.
    """
    if _is_booted(connection, name):
        return
    connection.execute(f"USE {quoted(name)}")
    connection.execute("BEGIN")
    for file in ("views.sql", "views_of_master.sql") if name == MASTER else ("views.sql",):
        connection.execute((_FOLDER / file).read_text(encoding="utf-8").replace("{database}", literal(name)))
    rows = [
        ["timestamp" if type_ == "rowversion" else type_, type_, row.system_id, row.length, row.precision, row.scale]
        for type_, row in SYSTEM_TYPES.items()
    ]
    connection.executemany("INSERT INTO _s.types VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("INSERT INTO _s.layout VALUES (?)", [LAYOUT])
    connection.execute("COMMIT")
    connection.execute("USE memory.main")


def _is_booted(connection: Any, name: str) -> bool:
    tables = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = '_s'"
    found = {row[0] for row in connection.execute(tables, [name]).fetchall()}
    if not found:
        return False
    layout = connection.execute(f"SELECT version FROM {quoted(name)}._s.layout").fetchall() if "layout" in found else []
    if layout != [(LAYOUT,)]:
        raise OtherLayout(
            f"the database {name} was written by another version of the stand-in: end the platform with `make erase`, "
            "and let it be made anew"
        )
    return True


def register(connection: Any, name: str) -> None:
    """Into the list of databases, if it is not there."""
    known = connection.execute("SELECT 1 FROM master._s.databases WHERE name = ?", [name]).fetchall()
    if not known:
        connection.execute(
            "INSERT INTO master._s.databases SELECT ?, coalesce(max(database_id), 0) + 1, now()::TIMESTAMP, uuid(), "
            "?, false, false FROM master._s.databases",
            [name, name == MASTER],
        )


def load(connection: Any, name: str) -> Database:
    """What the server keeps in memory of a database, from its file."""
    options = "SELECT allows_snapshot, tracks_changes, captures_changes FROM master._s.databases WHERE name = ?"
    snapshot, tracks, captures = connection.execute(options, [name]).fetchall()[0]
    database = Database(name, allows_snapshot=snapshot, tracks_changes=tracks, captures_changes=captures)
    own = quoted(name)
    database.change_version = _one(connection, f"SELECT max(version) FROM {own}._s.change_commits")
    last = _one(connection, f"SELECT max(start_lsn) FROM {own}.cdc.lsn_time_mapping")
    database.lsn = int.from_bytes(last) if last else database.lsn
    objects = connection.execute(f"SELECT schema_name, name, object_id FROM {own}._s.objects").fetchall()
    database.put((table.place, table) for table in (_table(connection, database, *row) for row in objects))
    return database


def _one(connection: Any, sql: str) -> Any:
    return connection.execute(sql).fetchall()[0][0]


def _table(connection: Any, database: Database, schema: str, name: str, object_id: int) -> Table:
    own = quoted(database.name)
    columns = connection.execute(
        f"SELECT name, type_name, length, precision, scale, is_nullable FROM {own}._s.columns "
        "WHERE object_id = ? ORDER BY column_id",
        [object_id],
    ).fetchall()
    tracked = f"SELECT 1 FROM {own}._s.tracked_tables WHERE object_id = ?"
    return Table(
        *(database.name, schema, name, object_id),
        columns=tuple(Column(column, SqlType(*of), nullable) for column, *of, nullable in columns),
        keys=_keys(connection, own, object_id),
        is_tracked=bool(connection.execute(tracked, [object_id]).fetchall()),
        instances=_instances(connection, own, object_id),
    )


def _keys(connection: Any, own: str, object_id: int) -> tuple[Key, ...]:
    rows = connection.execute(
        f"SELECT name, is_primary, is_clustered, list(column_name ORDER BY ordinal) FROM {own}._s.keys "
        "WHERE object_id = ? GROUP BY ALL",
        [object_id],
    ).fetchall()
    return tuple(Key(name, primary, clustered, tuple(columns)) for name, primary, clustered, columns in rows)


def _instances(connection: Any, own: str, object_id: int) -> tuple[CaptureInstance, ...]:
    rows = connection.execute(
        f"SELECT capture_instance, supports_net_changes FROM {own}.cdc.change_tables WHERE source_object_id = ?",
        [object_id],
    ).fetchall()
    return tuple(CaptureInstance(name, _captured(connection, own, name), net) for name, net in rows)


def _captured(connection: Any, own: str, instance: str) -> tuple[Column, ...]:
    rows = connection.execute(
        f"SELECT column_name, type_name, length, precision, scale FROM {own}._s.captured_columns "
        "WHERE capture_instance = ? ORDER BY column_ordinal",
        [instance],
    ).fetchall()
    return tuple(Column(name, SqlType(*of)) for name, *of in rows)


_SEEN_AS = {
    "VARCHAR": SqlType("nvarchar", 128),
    "INTEGER": INT,
    "SMALLINT": SqlType("smallint"),
    "UTINYINT": SqlType("tinyint"),
    "BIGINT": SqlType("bigint"),
    "BOOLEAN": SqlType("bit"),
    "TIMESTAMP": SqlType("datetime"),
    "UUID": SqlType("uniqueidentifier"),
    "BLOB": SqlType("binary", 10),
}

Views = dict[tuple[str, str], tuple[Column, ...]]
"""Schema and name in lower case; the columns of what a client can read beside tables."""


def views(connection: Any) -> Views:
    rows = connection.execute(
        "SELECT CASE schema_name WHEN 'infoschema' THEN 'information_schema' ELSE schema_name END, table_name, "
        "column_name, data_type FROM duckdb_columns() WHERE database_name = 'master' "
        "AND schema_name IN ('sys', 'infoschema', 'cdc') ORDER BY table_name, column_index"
    ).fetchall()
    found: Views = {}
    for schema, name, column, kind in rows:
        found[schema, name] = (*found.get((schema, name), ()), Column(column, _SEEN_AS[kind]))
    return found
