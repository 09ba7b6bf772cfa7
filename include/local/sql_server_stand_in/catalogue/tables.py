"""What does the server know of a table and of a database, beside what DuckDB keeps of them?"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from include.local.sql_server_stand_in.sql_types import SqlType


def quoted(name: str) -> str:
    """An identifier as DuckDB takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as DuckDB takes it."""
    return "'" + text.replace("'", "''") + "'"


def of_type(kind: SqlType) -> tuple[str, int | None, int | None, int | None]:
    """The columns in which the catalogue keeps a type."""
    return kind.name, kind.length, kind.precision, kind.scale


@dataclass(frozen=True)
class Column:
    name: str
    type: SqlType
    is_nullable: bool = True


@dataclass(frozen=True)
class Key:
    """A primary or a unique key."""

    name: str
    is_primary: bool
    is_clustered: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class CaptureInstance:
    """A CDC capture of a table: its columns as they were when it was enabled."""

    name: str
    columns: tuple[Column, ...]
    supports_net: bool


@dataclass(frozen=True)
class Table:
    """A table as declared. A change of it is another `Table`, put in its place when the transaction commits."""

    database: str
    schema: str
    name: str
    object_id: int
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    is_tracked: bool = False
    instances: tuple[CaptureInstance, ...] = ()

    @property
    def sql(self) -> str:
        return f"{quoted(self.database)}.{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def place(self) -> TableKey:
        return table_key(self.database, self.schema, self.name)

    @property
    def primary_key(self) -> tuple[str, ...]:
        return next((key.columns for key in self.keys if key.is_primary), ())

    @property
    def is_captured(self) -> bool:
        return self.is_tracked or bool(self.instances)

    @property
    def rowversion(self) -> str | None:
        return next((column.name for column in self.columns if column.type.name == "rowversion"), None)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


TableKey = tuple[str, str, str]
"""Database, schema and table in lower case: names differ in more than their case."""


def table_key(database: str, schema: str, name: str) -> TableKey:
    return database.lower(), schema.lower(), name.lower()


@dataclass
class Database:
    """A database of the server: one of DuckDB's, attached under its name, and what all sessions share of it.

    Everything but the name changes under `lock`; rowversions are given and commits ordered under it too.
    """

    name: str
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    tables: dict[TableKey, Table] = field(default_factory=dict)
    allows_snapshot: bool = False
    tracks_changes: bool = False
    captures_changes: bool = False
    change_version: int = 0
    lsn: int = 0x10
    open_rowversions: dict[int, int] = field(default_factory=dict)
    """For each session that writes: a value not above the first rowversion that its open transaction may hold."""

    def put(self, tables: Iterable[tuple[TableKey, Table | None]]) -> None:
        """Take over what a transaction made of some tables; None: it dropped the table."""
        with self.lock:
            for place, table in tables:
                if table is None:
                    self.tables.pop(place, None)
                else:
                    self.tables[place] = table

    def instance(self, name: str) -> tuple[Table, CaptureInstance] | None:
        for table in self.tables.values():
            for instance in table.instances:
                if instance.name.lower() == name.lower():
                    return table, instance
        return None


def next_rowversion(database: str) -> str:
    """DuckDB's SQL for it. The macro names its argument once: twice would be two rowversions."""
    return f"memory.main.version2bin(nextval({literal(quoted(database) + '._s.rowversion')}))"
