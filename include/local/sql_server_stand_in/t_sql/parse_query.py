"""How are queries of T-SQL read?"""

from __future__ import annotations

from dataclasses import replace

from include.local.sql_server_stand_in.t_sql.parse_expression import ExpressionParser
from include.local.sql_server_stand_in.t_sql.tree import (
    ChangeTable,
    Derived,
    Expression,
    Item,
    Join,
    Query,
    Source,
    TableFunction,
    TableName,
    ValueRows,
)

_JOINS = {
    ("INNER", "JOIN"): "INNER",
    ("LEFT", "JOIN"): "LEFT",
    ("LEFT", "OUTER", "JOIN"): "LEFT",
    ("RIGHT", "JOIN"): "RIGHT",
    ("RIGHT", "OUTER", "JOIN"): "RIGHT",
    ("FULL", "JOIN"): "FULL",
    ("FULL", "OUTER", "JOIN"): "FULL",
    ("JOIN",): "INNER",
}


class QueryParser(ExpressionParser):
    """One SELECT, with what may stand in it; no UNION, no WITH, no INTO, no hints."""

    def query(self) -> Query:
        self.expect("SELECT")
        is_distinct = self.take("DISTINCT")
        top = self._top() if self.take("TOP") else None
        items = self.listed(self._item)
        source = self._sources() if self.take("FROM") else None
        query = Query(items, source, is_distinct=is_distinct, top=top)
        return self._paged(self._restricted(query))

    def _restricted(self, query: Query) -> Query:
        where = self.condition() if self.take("WHERE") else None
        group = self.listed(self.expression) if self.take("GROUP", "BY") else ()
        having = self.condition() if self.take("HAVING") else None
        return replace(query, where=where, group=group, having=having)

    def _paged(self, query: Query) -> Query:
        if not self.take("ORDER", "BY"):
            return query
        query = replace(query, order=self.orderings())
        if query.top is not None or not self.take("OFFSET"):  # SQL Server takes no OFFSET beside a TOP
            return query
        offset = self.expression()
        self.one_of("ROW", "ROWS")
        return replace(query, offset=offset, fetch=self._fetch() if self.take("FETCH") else None)

    def _fetch(self) -> Expression:
        self.one_of("FIRST", "NEXT")
        fetch = self.expression()
        self.one_of("ROW", "ROWS")
        self.expect("ONLY")
        return fetch

    def _top(self) -> Expression:
        found = self._bracketed() if self.is_at("(") else self._primary()
        if self.is_at("PERCENT", "WITH"):
            raise self.refused()
        return found

    def _item(self) -> Item:
        if self.take("*"):
            return Item(None)
        if self.is_name() and self.ahead(1).word == "." and self.ahead(2).word == "*":
            owner = self.name()
            self.expect(".", "*")
            return Item(None, star_of=owner)
        if self.token.kind == "variable" and self.ahead(1).word == "=":
            variable = self.variable()
            self.expect("=")
            return Item(self.expression(), variable=variable)
        return Item(self.expression(), alias=self._alias())

    def _alias(self) -> str:
        if self.take("AS") or self.is_name():
            return self.name()
        return ""

    # --- sources

    def _sources(self) -> Source:
        found = self._source()
        while True:
            if self.take("CROSS", "JOIN"):
                found = Join("CROSS", found, self._source(), None)
            elif kind := self._join_kind():
                right = self._source()
                self.expect("ON")
                found = Join(kind, found, right, self.condition())
            else:
                return found

    def _join_kind(self) -> str:
        return next((kind for words, kind in _JOINS.items() if self.take(*words)), "")

    def _source(self) -> Source:
        if self.is_at("("):
            return self._derived()
        parts = self.parts()
        if not self.take("("):
            return TableName(parts, self._alias() or parts[-1])
        if parts[-1].lower() == "changetable":
            return self._change_table()
        arguments = () if self.is_at(")") else self.listed(self.expression)
        self.expect(")")
        return TableFunction(tuple(part.lower() for part in parts), arguments, self._alias() or parts[-1])

    def _derived(self) -> Source:
        self.expect("(")
        if not self.take("VALUES"):
            query = self.query()
            self.expect(")")
            self.take("AS")
            return Derived(query, self.name())
        rows = self.listed(self._bracketed_list)
        self.expect(")")
        self.take("AS")
        return ValueRows(rows, self.name(), self.bracketed_names())

    def _change_table(self) -> ChangeTable:
        self.expect("CHANGES")
        table = self.parts()
        self.expect(",")
        since = self.expression()
        self.expect(")")
        self.take("AS")
        return ChangeTable(table, since, self.name())
