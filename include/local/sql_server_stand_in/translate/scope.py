"""Which columns can be named at a place of a query, and what does a statement read?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from include.local.sql_server_stand_in.catalogue.tables import CaptureInstance, Column, Table, quoted
from include.local.sql_server_stand_in.errors import SqlError, not_a_column
from include.local.sql_server_stand_in.sql_types import SqlType
from include.local.sql_server_stand_in.t_sql.tree import Parts
from include.local.sql_server_stand_in.translate.value import Value


class Names(Protocol):
    """What a session knows: tables as its own transaction sees them, and variables."""

    @property
    def database(self) -> str: ...
    def table(self, parts: Parts) -> Table | None: ...
    def need_table(self, parts: Parts) -> Table: ...
    def instance(self, database: str, name: str) -> tuple[Table, CaptureInstance]: ...
    def view(self, schema: str, name: str) -> tuple[Column, ...] | None: ...
    def variable(self, name: str) -> SqlType: ...


@dataclass(frozen=True)
class LsnRange:
    """The bounds of a CDC function's call, in DuckDB's SQL: SQL Server checks them before it reads a row."""

    database: str
    instance: str
    low: str
    high: str


@dataclass
class Reads:
    """What a statement turned out to use while it was translated."""

    columns: dict[Table, set[str]] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    ranges: list[LsnRange] = field(default_factory=list)

    def of(self, table: Table, columns: Sequence[str] = ()) -> None:
        self.columns.setdefault(table, set()).update(columns)


@dataclass(frozen=True)
class Rows:
    """One source of a query: its alias, its columns, and the table that it is, if it is one."""

    alias: str
    columns: tuple[Column, ...]
    table: Table | None = None

    def value(self, column: Column) -> Value:
        return Value(f"{quoted(self.alias)}.{quoted(column.name)}", column.type)


@dataclass
class Scope:
    """The sources of one query; those of the queries around it come after them.

    `grouped` holds the SQL of what a GROUP BY made one of many; None within an aggregate, and where nothing is grouped.
    """

    outer: Scope | None = None
    rows: list[Rows] = field(default_factory=list)
    grouped: frozenset[str] | None = None

    def add(self, rows: Rows) -> None:
        if any(other.alias.lower() == rows.alias.lower() for other in self.rows):
            raise SqlError(1011, f"The correlation name '{rows.alias}' is specified multiple times in a FROM clause.")
        self.rows.append(rows)

    def find(self, parts: Parts) -> tuple[Rows, Column]:
        """Raises SqlError for a column that is not there (207), or twice (209)."""
        owner, name = (parts[-2] if len(parts) > 1 else "").lower(), parts[-1].lower()
        found = [
            (rows, column)
            for rows in self.rows
            if owner in ("", rows.alias.lower())
            for column in rows.columns
            if column.name.lower() == name
        ]
        if len(found) > 1:
            raise SqlError(209, f"Ambiguous column name '{parts[-1]}'.")
        if found:
            return found[0]
        if self.outer is None:
            raise not_a_column(parts[-1])
        return self.outer.find(parts)

    def of(self, alias: str) -> Rows:
        for rows in self.rows:
            if rows.alias.lower() == alias.lower():
                return rows
        raise SqlError(107, f"The column prefix '{alias}' does not match with a table name or alias name.", 15)
