"""What do CREATE TABLE, ALTER TABLE … ADD and DROP TABLE change?

Everything within the session's transaction of DuckDB, and in the session's own picture of the tables, which the
others take over when the transaction commits (transaction.py). So a rollback, or a kill, leaves no trace of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from include.local.sql_server_stand_in.capture import cdc, change_tracking
from include.local.sql_server_stand_in.catalogue.tables import (
    Column,
    Database,
    Key,
    Table,
    next_rowversion,
    of_type,
    quoted,
)
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import storage
from include.local.sql_server_stand_in.t_sql.statements import AddColumn, ColumnDefinition, CreateTable, KeyDefinition
from include.local.sql_server_stand_in.translate.value import Value, key


def create_table(connection: Any, database: Database, schema: str, node: CreateTable) -> Table:
    own = quoted(database.name)
    object_id = connection.execute(f"SELECT nextval('{own}._s.object_id')").fetchall()[0][0]
    table = _declared(database.name, schema, object_id, node)
    if not connection.execute(f"SELECT 1 FROM {own}._s.schemas WHERE lower(name) = lower(?)", [schema]).fetchall():
        raise SqlError(2760, f'The specified schema name "{schema}" either does not exist or you cannot use it.')
    connection.execute(f"CREATE TABLE {table.sql} ({', '.join(_column(table, column) for column in table.columns)})")
    connection.execute(
        f"INSERT INTO {own}._s.objects VALUES (?, ?, ?, now()::TIMESTAMP)", [object_id, schema, table.name]
    )
    _note_columns(connection, table, 1, table.columns)
    for each in table.keys:
        _note_key(connection, table, each)
    return table


def _declared(database: str, schema: str, object_id: int, node: CreateTable) -> Table:
    columns = tuple(_column_of(definition) for definition in node.columns)
    names = [column.name.lower() for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise SqlError(2705, f"Column names in each table must be unique. '{name}' is specified more than once.")
    if sum(definition.is_primary for definition in node.keys) > 1:
        raise SqlError(8110, f"Cannot add multiple PRIMARY KEY constraints to table '{node.table[-1]}'.")
    table = Table(database, schema, node.table[-1], object_id, columns)
    table = replace(table, keys=tuple(_key(table, definition) for definition in node.keys))
    return replace(table, columns=tuple(_in_key(table, column) for column in columns))


def _column_of(definition: ColumnDefinition) -> Column:
    is_nullable = definition.is_nullable and definition.type.name != "rowversion"
    return Column(definition.name, definition.type, is_nullable)


def _in_key(table: Table, column: Column) -> Column:
    """No column of a primary key is ever NULL."""
    return replace(column, is_nullable=False) if column.name in table.primary_key else column


def _key(table: Table, definition: KeyDefinition) -> Key:
    columns = []
    for name in definition.columns:
        column = table.column(name)
        if column is None:
            raise SqlError(1911, f"Column name '{name}' does not exist in the target table or view.")
        if column.is_nullable and not definition.is_primary:
            raise SqlError(
                102, f"Incorrect syntax near 'UNIQUE': the stand-in knows none on '{name}', which may be NULL."
            )
        columns.append(column.name)
    return Key(definition.name, definition.is_primary, definition.is_clustered, tuple(columns))


def _column(table: Table, column: Column) -> str:
    default = f" DEFAULT ({next_rowversion(table.database)})" if column.type.name == "rowversion" else ""
    return f"{quoted(column.name)} {storage(column.type)}{'' if column.is_nullable else ' NOT NULL'}{default}"


def _unique(table: Table, each: Key) -> str:
    """Unique is what the collation takes for the same: an index of expressions, which no constraint of DuckDB's is."""
    columns = [column for name in each.columns if (column := table.column(name))]
    keys = ", ".join(f"({key(Value(quoted(column.name), column.type))})" for column in columns)
    return f"CREATE UNIQUE INDEX {quoted(f'{each.name}_{table.object_id}')} ON {table.sql} ({keys})"


def _note_columns(connection: Any, table: Table, first: int, columns: Sequence[Column]) -> None:
    rows = [
        [table.object_id, at, column.name, *of_type(column.type), column.is_nullable]
        for at, column in enumerate(columns, first)
    ]
    _note(connection, f"{quoted(table.database)}._s.columns", rows)


def _note(connection: Any, target: str, rows: Sequence[Sequence[Any]]) -> None:
    """All at once: a statement for each would take most of the time of a CREATE TABLE."""
    marks = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
    connection.execute(f"INSERT INTO {target} VALUES {marks}", [value for row in rows for value in row])


def _note_key(connection: Any, table: Table, each: Key) -> None:
    connection.execute(_unique(table, each))
    kind = each.is_primary, each.is_clustered
    rows = [[table.object_id, each.name, *kind, name, at] for at, name in enumerate(each.columns, 1)]
    _note(connection, f"{quoted(table.database)}._s.keys", rows)


def add_column(connection: Any, table: Table, node: AddColumn) -> Table:
    column = _column_of(node.column)
    if table.column(column.name):
        raise SqlError(2705, f"Column name '{column.name}' in table '{table.name}' is specified more than once.")
    if not column.is_nullable:
        raise SqlError(4901, "ALTER TABLE only allows columns to be added that can contain nulls.")
    connection.execute(f"ALTER TABLE {table.sql} ADD COLUMN {_column(table, column)}")
    _note_columns(connection, table, len(table.columns) + 1, [column])
    return replace(table, columns=(*table.columns, column))


def drop_table(connection: Any, database: Database, table: Table) -> None:
    """With all that is captured of it."""
    for instance in table.instances:
        cdc.disable(connection, database, table, instance.name)
    if table.is_tracked:
        change_tracking.disable(connection, database, table)
    connection.execute(f"DROP TABLE {table.sql}")
    for side in ("objects", "columns", "keys"):
        connection.execute(f"DELETE FROM {quoted(table.database)}._s.{side} WHERE object_id = ?", [table.object_id])


def create_schema(connection: Any, database: Database, name: str) -> None:
    own = quoted(database.name)
    if connection.execute(f"SELECT 1 FROM {own}._s.schemas WHERE lower(name) = lower(?)", [name]).fetchall():
        raise SqlError(2714, f"There is already an object named '{name}' in the database.", state=6)
    connection.execute(f"CREATE SCHEMA {own}.{quoted(name)}")
    connection.execute(f"INSERT INTO {own}._s.schemas SELECT ?, max(schema_id) + 1 FROM {own}._s.schemas", [name])
