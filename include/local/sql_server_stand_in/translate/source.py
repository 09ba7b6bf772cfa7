"""Where do the rows of a query come from? (tables, views of the catalogue, derived tables, captured changes)"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from include.local.sql_server_stand_in.capture import cdc, change_tracking
from include.local.sql_server_stand_in.catalogue.tables import Column, Table, quoted
from include.local.sql_server_stand_in.errors import SqlError, not_an_object
from include.local.sql_server_stand_in.sql_types import BIGINT, NULL
from include.local.sql_server_stand_in.t_sql.tree import (
    ChangeTable,
    Condition,
    Derived,
    Expression,
    Join,
    Query,
    Source,
    TableFunction,
    TableName,
    ValueRows,
)
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.expression import common_type
from include.local.sql_server_stand_in.translate.scope import LsnRange, Names, Reads, Rows, Scope
from include.local.sql_server_stand_in.translate.value import Value

_CAPTURED = re.compile(r"fn_cdc_get_(all|net)_changes_(.+)")


class SourceTranslator:
    """Adds to `scope` what a FROM names."""

    names: Names
    reads: Reads
    scope: Scope

    def value(self, node: Expression) -> Value:
        raise NotImplementedError

    def condition(self, node: Condition) -> str:
        raise NotImplementedError

    def query(self, query: Query, outer: Scope | None = None) -> Any:
        raise NotImplementedError

    def source(self, node: Source) -> str:
        makers: dict[type[Source], Callable[[Any], str]] = {
            TableName: self._table_name,
            Derived: self._derived,
            ValueRows: self._value_rows,
            TableFunction: self._function,
            ChangeTable: self._change_table,
            Join: self._join,
        }
        return makers[type(node)](node)

    def _join(self, node: Join) -> str:
        left, right = self.source(node.left), self.source(node.right)
        on = f" ON {self.condition(node.on)}" if node.on else ""
        return f"{left} {node.kind} JOIN {right}{on}"

    def _table_name(self, node: TableName) -> str:
        database, schema = ("", "", *node.parts[:-1])[-2:]
        if schema.lower() in ("sys", "information_schema", "cdc"):
            return self._view(database or self.names.database, schema, node.parts[-1], node.alias)
        return self.add_table(self.names.need_table(node.parts), node.alias)

    def add_table(self, table: Table, alias: str) -> str:
        self.reads.of(table)
        self.scope.add(Rows(alias, table.columns, table))
        return f"{table.sql} AS {quoted(alias)}"

    def _view(self, database: str, schema: str, name: str, alias: str) -> str:
        columns = self.names.view(schema, name)
        if columns is None:
            raise not_an_object(schema, name)
        self.scope.add(Rows(alias, columns))
        in_duckdb = "infoschema" if schema.lower() == "information_schema" else schema.lower()
        is_of_server = name.lower() in ("databases", "database_recovery_status")
        return f"{quoted('master' if is_of_server else database)}.{in_duckdb}.{quoted(name)} AS {quoted(alias)}"

    def _derived(self, node: Derived) -> str:
        translated = self.query(node.query)
        names = [column.name for column in translated.columns]
        if "" in names:
            raise SqlError(8155, f"No column name was specified for column {names.index('') + 1} of '{node.alias}'.")
        if len({name.lower() for name in names}) < len(names):
            raise SqlError(8156, f"A column was specified multiple times for '{node.alias}'.")
        return self._named(f"({translated.sql})", node.alias, translated.columns)

    def _named(self, sql: str, alias: str, columns: tuple[Column, ...]) -> str:
        self.scope.add(Rows(alias, columns))
        return f"{sql} AS {quoted(alias)}({', '.join(quoted(column.name) for column in columns)})"

    def _value_rows(self, node: ValueRows) -> str:
        rows = [[self.value(cell) for cell in row] for row in node.rows]
        if any(len(row) != len(node.columns) for row in rows):
            raise SqlError(8158, f"'{node.alias}' has more or fewer columns than were specified in the column list.")
        kinds = [common_type([row[at] for row in rows]) for at in range(len(node.columns))]
        cells = (", ".join(convert(v, kind).sql for v, kind in zip(row, kinds, strict=True)) for row in rows)
        columns = tuple(Column(name, kind) for name, kind in zip(node.columns, kinds, strict=True))
        return self._named(f"(VALUES ({'), ('.join(cells)}))", node.alias, columns)

    # --- functions

    def _function(self, node: TableFunction) -> str:
        arguments = [self.value(argument) for argument in node.arguments]
        if node.parts == ("generate_series",) and len(arguments) == 2:
            low, high = (convert(argument, BIGINT).sql for argument in arguments)
            column = Column("value", common_type(arguments))
            return self._named(f"generate_series({low}, {high})", node.alias, (column,))
        if node.parts[-2:-1] == ("cdc",) and (found := _CAPTURED.fullmatch(node.parts[-1])) and len(arguments) == 3:
            return self._captured(node, found[2], found[1] == "net", arguments)
        raise not_an_object(*node.parts)

    def _captured(self, node: TableFunction, name: str, is_net: bool, arguments: list[Value]) -> str:
        database = node.parts[-3] if len(node.parts) == 3 else self.names.database
        table, instance = self.names.instance(database, name)
        if is_net and not instance.supports_net:
            raise not_an_object(*node.parts)
        self.reads.of(table)
        low, high = (convert(argument, cdc.LSN).sql for argument in arguments[:2])
        self.reads.ranges.append(LsnRange(table.database, instance.name, low, high))
        make = cdc.net_changes if is_net else cdc.all_changes
        sql, columns = make(table, instance, low, high, arguments[2].text)
        return self._named(f"({sql})", node.alias, columns)

    def _change_table(self, node: ChangeTable) -> str:
        table, since = self.names.need_table(node.table), self.value(node.since)
        self.reads.of(table, table.primary_key)
        since_sql = "CAST(NULL AS BIGINT)" if since.type == NULL else convert(since, BIGINT).sql
        sql, columns = change_tracking.changes(table, since_sql)
        return self._named(f"({sql})", node.alias, columns)
