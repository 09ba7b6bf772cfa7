"""What T-SQL do we send? (one place; a column that nobody claims is never named)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """T-SQL and its parameters, in order. `source` is all from FROM on, where the rows can be counted by `counted`, a
    column of the key, never NULL: unlike `*` it is sure to be allowed where columns are granted one by one.
    `columns`: the T-SQL that gives each column."""

    sql: str
    params: tuple[Any, ...] = ()
    source: str = ""
    counted: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

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


AS_IT_IS: Mapping[str, str] = {}
"""No column is converted. Else: column to the T-SQL that gives it (`drift.conversions`)."""


def everything(name: str, columns: Sequence[str], converted: Mapping[str, str] = AS_IT_IS) -> Query:
    """Every row. It is never filtered by an upper bound: a full must not lose what changed meanwhile."""
    return select(columns, f"FROM {table(name)}", converted=converted)


def count(query: Query, key: str) -> Query:
    """How many rows a query has, asked in the same picture of the database. `key`: a column of the key, by which it is
    counted where the query does not say by what."""
    return Query(f"SELECT COUNT_BIG({query.counted or quoted(key)}) {query.source}", query.params, query.source)


def replacement_marks(query: Query, column: str) -> Query:
    """How many U+FFFD a query's rows hold at the source in a column.

    Compared by code units: other collations have no weight for this character, and would find none.
    """
    whole = f"CAST({query.columns[column]} AS nvarchar(max))"
    without = f"REPLACE({whole} COLLATE Latin1_General_BIN2, NCHAR(65533), N'')"
    return Query(
        f"SELECT SUM(CAST(DATALENGTH({whole}) - DATALENGTH({without}) AS bigint)) / 2 {query.source}",
        query.params,
        query.source,
    )


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
TRAITS = (
    "SELECT c.name, c.is_computed, c.is_masked, c.encryption_type, "
    "COLUMNPROPERTY(c.object_id, c.name, 'IsDeterministic'), COLUMNPROPERTY(c.object_id, c.name, 'UserDataAccess'), "
    "HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UNMASK') FROM sys.columns AS c "
    "JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "WHERE s.name = ? AND t.name = ? AND (c.is_computed = 1 OR c.is_masked = 1 OR c.encryption_type IS NOT NULL)"
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

INDEXED = (
    "SELECT COUNT(*) FROM sys.indexes AS i JOIN sys.tables AS t ON t.object_id = i.object_id "
    "JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
    "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
    "WHERE i.is_disabled = 0 AND i.has_filter = 0 AND k.key_ordinal = 1 AND s.name = ? AND t.name = ? AND c.name = ?"
)
PARTITIONS = (
    "SELECT TOP 1 p.partition_number FROM sys.partitions AS p JOIN sys.tables AS t ON t.object_id = p.object_id "
    "JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "WHERE p.index_id IN (0, 1) AND p.partition_number > 1 AND s.name = ? AND t.name = ?"
)
CLUSTERED = (
    "SELECT c.name, k.key_ordinal, k.partition_ordinal FROM sys.index_columns AS k "
    "JOIN sys.tables AS t ON t.object_id = k.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
    "WHERE k.index_id = 1 AND s.name = ? AND t.name = ?"
)
CAPTURES = (
    "SELECT k.object_id, t.is_tracked_by_cdc FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
    "LEFT JOIN sys.change_tracking_tables AS k ON k.object_id = t.object_id WHERE s.name = ? AND t.name = ?"
)


def captures_of(name: str) -> Query:
    """Whether change tracking (an object id, else NULL) and CDC are on for a table; no row when it is no table."""
    _, schema, bare = name.split(".")
    return Query(CAPTURES, (schema, bare))


def indexes_that_begin_with(name: str, column: str) -> Query:
    """How many indexes of a table have a column as their first, and all its rows."""
    _, schema, bare = name.split(".")
    return Query(INDEXED, (schema, bare, column))


def clustered_by(name: str) -> Query:
    """The columns of a table's clustered index, each with its place in the key and in the partitioning (from 1)."""
    _, schema, bare = name.split(".")
    return Query(CLUSTERED, (schema, bare))


def object_id(name: str) -> str:
    """The T-SQL of a table's id: another when it was made anew."""
    text = table(name).replace("'", "''")
    return f"OBJECT_ID(N'{text}')"


def partitions_of(name: str) -> Query:
    """A row when the table has more than one partition."""
    _, schema, bare = name.split(".")
    return Query(PARTITIONS, (schema, bare))


def columns_of(name: str) -> Query:
    """The catalog's columns of a table."""
    _, schema, bare = name.split(".")
    return Query(COLUMNS, (schema, bare))


def traits_of(name: str) -> Query:
    """The table's columns that are computed, masked or encrypted, and whether our login sees through masks."""
    _, schema, bare = name.split(".")
    return Query(TRAITS, (schema, bare))


def primary_key_of(name: str) -> Query:
    """The catalog's primary key of a table, in order; no row when it has none."""
    _, schema, bare = name.split(".")
    return Query(PRIMARY_KEY, (schema, bare))


def unique_indexes_of(name: str) -> Query:
    """The catalog's unique indexes of a table that hold for all its rows: a row per index and column, in order."""
    _, schema, bare = name.split(".")
    return Query(UNIQUE_INDEXES, (schema, bare))


def select(
    columns: Sequence[str],
    source: str,
    params: tuple[Any, ...] = (),
    *,
    converted: Mapping[str, str] = AS_IT_IS,
    aliases: Mapping[str, str] = AS_IT_IS,
    also: Mapping[str, str] = AS_IT_IS,
    counted: str = "",
) -> Query:
    """A SELECT of columns of `source`, as `converted` has them. `aliases`: column to the alias that it must be read by;
    `also`: what is no column of the table, name to T-SQL."""
    own = {name: _by_alias(name, converted.get(name, quoted(name)), aliases) for name in columns}
    listed = [sql if name not in converted else f"{sql} AS {quoted(name)}" for name, sql in own.items()]
    listed += [f"{sql} AS {quoted(name)}" for name, sql in also.items()]
    return Query(f"SELECT {', '.join(listed)} {source}", params, source, counted, own)


def _by_alias(name: str, sql: str, aliases: Mapping[str, str]) -> str:
    return sql.replace(quoted(name), f"{aliases[name]}.{quoted(name)}") if name in aliases else sql
