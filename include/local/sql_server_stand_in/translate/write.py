"""What are INSERT, UPDATE and DELETE in DuckDB's SQL?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.local.sql_server_stand_in.capture.operations import AFTER, DELETED, INSERTED
from include.local.sql_server_stand_in.catalogue.tables import Column, Table, next_rowversion, quoted
from include.local.sql_server_stand_in.errors import SqlError, not_a_column
from include.local.sql_server_stand_in.t_sql.statements import Delete, Insert, Update
from include.local.sql_server_stand_in.t_sql.tree import Condition, Expression, Query
from include.local.sql_server_stand_in.translate import literal_rows
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.query import QueryTranslator, row_translator
from include.local.sql_server_stand_in.translate.scope import Names, Reads, Scope
from include.local.sql_server_stand_in.translate.value import Value


@dataclass(frozen=True)
class Write:
    """`before` gives the rows that will be touched, as they were. `rows` are to be known as `literal_rows`."""

    table: Table
    operation: int
    sql: str
    before: str = ""
    rows: pa.Table | None = None


def translate_insert(names: Names, node: Insert, reads: Reads) -> Write:
    table = names.need_table(node.table)
    columns = _given(table, node.columns)
    into = f"INSERT INTO {table.sql} ({', '.join(quoted(column.name) for column in columns)})"
    translator = QueryTranslator(names, reads, Scope())
    if isinstance(node.rows, Query):
        return Write(table, INSERTED, f"{into} {_from_query(translator, node.rows, columns)}")
    if any(len(row) != len(columns) for row in node.rows):
        raise _another_number_of_columns()
    if made := literal_rows.read(node.rows, columns):
        return Write(table, INSERTED, f"{into} {made.sql}", rows=made.rows)
    return Write(table, INSERTED, f"{into} VALUES {_values(translator, node.rows, columns)}")


def _given(table: Table, names: Sequence[str]) -> list[Column]:
    """The columns that the statement gives; a rowversion is the server's own."""
    if not names:
        return [column for column in table.columns if column.type.name != "rowversion"]
    found = [_column(table, name) for name in names]
    if any(column.type.name == "rowversion" for column in found):
        raise SqlError(273, "Cannot insert an explicit value into a timestamp column.")
    return found


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise not_a_column(name)
    return column


def _another_number_of_columns() -> SqlError:
    return SqlError(213, "Column name or number of supplied values does not match table definition.")


def _from_query(translator: QueryTranslator, query: Query, columns: Sequence[Column]) -> str:
    translated = translator.query(query)
    if len(translated.columns) != len(columns):
        raise _another_number_of_columns()
    values = (Value(f"_in.{quoted(f'_{at}')}", given.type) for at, given in enumerate(translated.columns))
    return f"SELECT {_written(values, columns)} FROM ({translated.sql}) AS _in"


def _values(translator: QueryTranslator, rows: Sequence[Sequence[Expression]], columns: Sequence[Column]) -> str:
    return ", ".join(f"({_written(translator.values(row), columns)})" for row in rows)


def _written(values: Iterable[Value], columns: Sequence[Column]) -> str:
    return ", ".join(
        convert(value, column.type, is_written=True).sql for value, column in zip(values, columns, strict=True)
    )


def translate_update(names: Names, node: Update, reads: Reads) -> Write:
    table = names.need_table(node.table)
    translator = row_translator(names, reads, table.name, table)
    changes = [_change(translator, table, name, value) for name, value in node.changes]
    if table.rowversion:
        changes.append(f"{quoted(table.rowversion)} = {next_rowversion(table.database)}")
    of_rows = f"{table.sql} AS {quoted(table.name)}"
    where = _where(translator, node.where)
    return Write(
        table, AFTER, f"UPDATE {of_rows} SET {', '.join(changes)}{where}", before=f"SELECT * FROM {of_rows}{where}"
    )


def _change(translator: QueryTranslator, table: Table, name: str, node: Expression) -> str:
    column = _column(table, name)
    if column.type.name == "rowversion":
        raise SqlError(272, "Cannot update a timestamp column.")
    return f"{quoted(column.name)} = {convert(translator.value(node), column.type, is_written=True).sql}"


def translate_delete(names: Names, node: Delete, reads: Reads) -> Write:
    table = names.need_table(node.table)
    translator = row_translator(names, reads, table.name, table)
    return Write(table, DELETED, f"DELETE FROM {table.sql} AS {quoted(table.name)}{_where(translator, node.where)}")


def _where(translator: QueryTranslator, condition: Condition | None) -> str:
    return f" WHERE {translator.condition(condition)}" if condition else ""
