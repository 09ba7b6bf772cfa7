"""What is a query of T-SQL in DuckDB's SQL, and which columns does it give?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.local.sql_server_stand_in.catalogue.tables import Column, Table, quoted
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import BIGINT, NULL
from include.local.sql_server_stand_in.t_sql.tree import (
    Expression,
    Item,
    Name,
    Number,
    Ordering,
    Query,
)
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.expression import ExpressionTranslator, ordered
from include.local.sql_server_stand_in.translate.scope import Names, Reads, Scope
from include.local.sql_server_stand_in.translate.source import SourceTranslator
from include.local.sql_server_stand_in.translate.value import Value, cast, has_own_key, key


@dataclass(frozen=True)
class Translated:
    """DuckDB's SQL, whose columns are `_0`, `_1` …, and what the client is told of them."""

    sql: str
    columns: tuple[Column, ...]


def translate_query(names: Names, query: Query, reads: Reads) -> Translated:
    return QueryTranslator(names, reads, Scope()).query(query)


def row_translator(names: Names, reads: Reads, alias: str, table: Table) -> QueryTranslator:
    """For what an UPDATE or DELETE says of its table's rows."""
    translator = QueryTranslator(names, reads, Scope())
    translator.add_table(table, alias)
    return translator


class QueryTranslator(ExpressionTranslator, SourceTranslator):
    """One query; those within it have translators of their own, whose scopes lie within this one's."""

    def query(self, query: Query, outer: Scope | None = None) -> Translated:
        return QueryTranslator(self.names, self.reads, Scope(outer)).translate(query)

    def translate(self, query: Query) -> Translated:
        source = f" FROM {self.source(query.source)}" if query.source else ""
        where = f" WHERE {self.condition(query.where)}" if query.where else ""
        group = self._group(query)
        items = [item for each in query.items for item in self._items(each)]
        columns = tuple(column for column, _ in items)
        values = [value for _, value in items]
        having = f" HAVING {self.condition(query.having)}" if query.having else ""
        order = self._order(query, columns, values)
        listed = ", ".join(f"{_with_type(value)} AS {quoted(f'_{at}')}" for at, value in enumerate(values))
        sql = f"SELECT {_distinct(query, values)}{listed}{source}{where}{group}{having}{order}{self._page(query)}"
        return Translated(sql, columns)

    def _group(self, query: Query) -> str:
        if not query.group:
            return ""
        values = self.values(query.group)
        self.scope.grouped = frozenset(value.sql for value in values if has_own_key(value.type))
        return f" GROUP BY {', '.join(key(value) for value in values)}"

    def _items(self, item: Item) -> list[tuple[Column, Value]]:
        if item.expression is not None:
            value = self.value(item.expression)
            return [(Column(item.alias or _own_name(item.expression), value.type), value)]
        every = [self.scope.of(item.star_of)] if item.star_of else self.scope.rows
        if not every:
            raise SqlError(263, "Must specify table to select from.")
        for rows in every:
            if rows.table:
                self.reads.of(rows.table, [column.name for column in rows.columns])
        return [(column, rows.value(column)) for rows in every for column in rows.columns]

    # --- order and pages

    def _order(self, query: Query, columns: Sequence[Column], values: Sequence[Value]) -> str:
        if not query.order:
            return ""
        found = [self._ordered(item, columns, values) for item in query.order]
        if query.is_distinct and not {sql for sql, _ in found} <= {key(value) for value in values}:
            raise SqlError(145, "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.", 15)
        return f" ORDER BY {', '.join(ordered(*each) for each in found)}"

    def _ordered(self, item: Ordering, columns: Sequence[Column], values: Sequence[Value]) -> tuple[str, bool]:
        """By the place in the list, by a name that the list gives, or by any expression; is it descending?"""
        node = item.expression
        if isinstance(node, Number):
            if not node.text.isdigit() or not 1 <= int(node.text) <= len(values):
                raise SqlError(108, f"The ORDER BY position number {node.text} is out of range.", 15)
            return key(values[int(node.text) - 1]), item.is_descending
        if isinstance(node, Name) and len(node.parts) == 1:
            for column, value in zip(columns, values, strict=True):
                if column.name.lower() == node.parts[0].lower():
                    return key(value), item.is_descending
        return key(self.value(node)), item.is_descending

    def _page(self, query: Query) -> str:
        limit = query.top if query.top is not None else query.fetch
        sql = f" LIMIT {self._count(limit)}" if limit is not None else ""
        return f"{sql} OFFSET {self._count(query.offset)}" if query.offset is not None else sql

    def _count(self, node: Expression) -> str:
        return f"({convert(self.value(node), BIGINT).sql})"


def _distinct(query: Query, values: Sequence[Value]) -> str:
    if not query.is_distinct:
        return ""
    if any(has_own_key(value.type) for value in values):
        return f"DISTINCT ON ({', '.join(key(value) for value in values)}) "
    return "DISTINCT "


def _with_type(value: Value) -> str:
    return cast("NULL", "INTEGER") if value.type == NULL else value.sql


def _own_name(node: Expression) -> str:
    """A column keeps its name; anything else has none."""
    return node.parts[-1] if isinstance(node, Name) else ""
