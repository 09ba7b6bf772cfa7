"""What T-SQL do we send? (one place; a column that nobody claims is never named)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Query:
    """T-SQL and its parameters, in order. `source` is all from FROM on, where the rows can be counted by `counted`, a
    column of the key, never NULL: unlike `*` it is sure to be allowed where columns are granted one by one."""

    sql: str
    params: tuple[Any, ...] = ()
    source: str = ""
    counted: str = ""

    @property
    def told(self) -> str:
        """The T-SQL and its parameters, for a log: these are positions, never anybody's data."""
        values = ", ".join(f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in self.params)
        return f"{self.sql} -- {values}" if values else self.sql


def quoted(name: str) -> str:
    """An identifier in brackets."""
    return "[" + name.replace("]", "]]") + "]"


def table(name: str) -> str:
    """`database.schema.table` with each part in brackets."""
    return ".".join(quoted(part) for part in name.split("."))


def everything(name: str, columns: Sequence[str]) -> Query:
    """Every row. It is never filtered by an upper bound: a full must not lose what changed meanwhile."""
    return select(columns, f"FROM {table(name)}")


def count(query: Query, key: str) -> Query:
    """How many rows a query has, asked in the same picture of the database. `key`: a column of the key, by which it is
    counted where the query does not say by what."""
    return Query(f"SELECT COUNT_BIG({query.counted or quoted(key)}) {query.source}", query.params, query.source)


MIN_ACTIVE_ROWVERSION = Query("SELECT MIN_ACTIVE_ROWVERSION()")
"""The lowest rowversion that an open transaction may still commit; read before the picture is taken, never in it."""

EPOCH = Query(
    "SELECT CONVERT(varchar(36), r.recovery_fork_guid), CONVERT(varchar(23), d.create_date, 126) "
    "FROM sys.databases AS d LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id "
    "WHERE d.name = DB_NAME()"
)
"""What a position is worth: another recovery fork or creation date means a restore."""

COLUMNS = (
    "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, "
    "IS_NULLABLE, COLLATION_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? "
    "ORDER BY ORDINAL_POSITION"
)
PRIMARY_KEY = (
    "SELECT k.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c "
    "JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k "
    "ON k.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME "
    "WHERE c.CONSTRAINT_TYPE = 'PRIMARY KEY' AND c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? ORDER BY k.ORDINAL_POSITION"
)

UNIQUE_INDEXES = (
    "SELECT i.name, c.name FROM sys.indexes AS i JOIN sys.tables AS t ON t.object_id = i.object_id "
    "JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
    "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
    "WHERE i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0 AND k.key_ordinal > 0 "
    "AND s.name = ? AND t.name = ? ORDER BY i.name, k.key_ordinal"
)


def columns_of(name: str) -> Query:
    """The catalog's columns of a table."""
    _, schema, bare = name.split(".")
    return Query(COLUMNS, (schema, bare))


def primary_key_of(name: str) -> Query:
    """The catalog's primary key of a table, in order; no row when it has none."""
    _, schema, bare = name.split(".")
    return Query(PRIMARY_KEY, (schema, bare))


def unique_indexes_of(name: str) -> Query:
    """The catalog's unique indexes of a table that hold for all its rows: a row per index and column, in order."""
    _, schema, bare = name.split(".")
    return Query(UNIQUE_INDEXES, (schema, bare))


def select(columns: Sequence[str], source: str, params: tuple[Any, ...] = ()) -> Query:
    return Query(f"SELECT {column_list(columns)} {source}", params, source)


def column_list(columns: Sequence[str], named: Mapping[str, str] | None = None, default: str = "") -> str:
    """The columns as a SELECT lists them: as `named` has them, the others behind `default` (an alias and a dot)."""
    return ", ".join((named or {}).get(name, default + quoted(name)) for name in columns)
