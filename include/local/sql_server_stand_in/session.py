"""What does the server know of one login, and how does a statement's name become a table or a variable?"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import duckdb

from include.local.sql_server_stand_in.capture import cdc
from include.local.sql_server_stand_in.catalogue.tables import (
    CaptureInstance,
    Column,
    Table,
    quoted,
    table_key,
)
from include.local.sql_server_stand_in.errors import not_an_object, not_known
from include.local.sql_server_stand_in.faults import Meeting
from include.local.sql_server_stand_in.sql_types import SqlType
from include.local.sql_server_stand_in.t_sql.tree import Parts
from include.local.sql_server_stand_in.transaction import READ_COMMITTED, Transaction
from include.local.sql_server_stand_in.translate.scope import Reads
from include.local.sql_server_stand_in.values import values_in
from include.local.sql_server_stand_in.variables import Variables

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.engine import Engine


class Session:
    """One connection of a client, with a connection to DuckDB of its own."""

    def __init__(self, engine: Engine, spid: int, login: str, database: str) -> None:
        self.engine, self.spid, self.login, self._home = engine, spid, login, database
        self.connection = engine.root.cursor()
        self.cancelled = threading.Event()
        self.is_gone = False
        self.transaction = Transaction(self.connection, spid, engine.database)
        self._become_new()

    def _become_new(self) -> None:
        self.variables = Variables()
        self.is_count_hidden = self.aborts_on_error = False
        self.transaction.isolation = READ_COMMITTED
        self.use(self._home)

    def reset(self, *, keep_transaction: bool) -> None:
        """A connection from the client's pool becomes as new."""
        if not keep_transaction:
            self.transaction.rollback()
        self.engine.faults.lift(self.spid)
        self._become_new()

    def close(self) -> None:
        self.engine.faults.lift(self.spid)
        self.transaction.rollback()
        self.connection.close()

    def cancel(self) -> None:
        """By another thread: what runs ends as soon as it can."""
        self.cancelled.set()
        with suppress(Exception):  # it may be closed already
            self.connection.interrupt()

    def use(self, database: str) -> None:
        self.database = self.engine.database(database).name
        self.connection.execute(f"USE {quoted(self.database)}.dbo")

    # --- names (translate.scope.Names)

    def table(self, parts: Parts) -> Table | None:
        if len(parts) > 3:
            raise not_known(".".join(parts))
        database, schema, name = ("", "", *parts)[-3:]
        if name.startswith("#"):
            raise not_known(f"temporary table {name}")
        key = table_key(database or self.database, schema or "dbo", name)
        if key in self.transaction.drafts:
            return self.transaction.drafts[key]
        found = self.engine.databases.get(key[0])
        return found.tables.get(key) if found else None

    def need_table(self, parts: Parts) -> Table:
        table = self.table(parts)
        if table is None:
            raise not_an_object(*parts)
        return table

    def instance(self, database: str, name: str) -> tuple[Table, CaptureInstance]:
        found = self.engine.database(database).instance(name)
        if found is None:
            raise not_an_object("cdc", f"fn_cdc_get_all_changes_{name}")
        return found

    def view(self, schema: str, name: str) -> tuple[Column, ...] | None:
        return self.engine.views.get((schema.lower(), name.lower()))

    def variable(self, name: str) -> SqlType:
        return self.variables.type_of(name)

    # --- what a statement reads

    def before_read(self, reads: Reads) -> None:
        """Raises SqlError where isolation level, rights, or what is still captured forbid it."""
        self.transaction.before_read({self.engine.database(table.database).name for table in reads.columns})
        self.engine.faults.check_rights(self.meeting(reads))
        for bounds in reads.ranges:
            pair = f"{bounds.low}, {bounds.high}"
            cdc.check_range(self.connection, bounds.database, bounds.instance, pair, values_in(self, pair, reads))

    def meeting(self, reads: Reads, writes: Table | None = None) -> Meeting:
        return Meeting(self.spid, self.login, self.database, reads.columns, writes)

    # --- rowversions

    def last_rowversion(self) -> int:
        return self.last_rowversion_of(self.database)

    def last_rowversion_of(self, database: str) -> int:
        """The last that any session was given there."""
        connection, own = self.engine.root.cursor(), quoted(database)
        try:  # duckdb_sequences() takes ten times as long
            return int(connection.execute(f"SELECT currval('{own}._s.rowversion')").fetchall()[0][0])
        except duckdb.Error:  # none was given since the server began
            rows = connection.execute(
                "SELECT coalesce(last_value, start_value - 1) FROM duckdb_sequences() "
                "WHERE database_name = ? AND schema_name = '_s' AND sequence_name = 'rowversion'",
                [database],
            ).fetchall()
            return int(rows[0][0])

    def lowest_open_rowversion(self) -> int:
        """MIN_ACTIVE_ROWVERSION()."""
        database = self.engine.database(self.database)
        with database.lock:
            return min(database.open_rowversions.values(), default=self.last_rowversion() + 1)
