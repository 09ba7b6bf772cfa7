"""What holds together, what do others see of it, and when?

DuckDB gives a transaction one picture of the database from its first statement on, which is SNAPSHOT. For READ
COMMITTED its transaction begins with the first write only: until then each read sees what has been committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Any

import duckdb

from include.local.sql_server_stand_in.capture import recording
from include.local.sql_server_stand_in.capture.recording import Change
from include.local.sql_server_stand_in.catalogue.tables import Database, Table, TableKey
from include.local.sql_server_stand_in.errors import SqlError, doomed

READ_COMMITTED, SNAPSHOT = "READ COMMITTED", "SNAPSHOT"


class Transaction:
    """That of one session, over and over. `depth` is @@TRANCOUNT: 0 where each statement is committed by itself."""

    def __init__(self, connection: Any, spid: int, database: Callable[[str], Database]) -> None:
        self._connection, self._spid, self._database = connection, spid, database
        self.isolation = self._began_as = READ_COMMITTED
        self.depth = 0
        self.descriptor = b""
        self.is_in_duckdb = False
        self._is_doomed = False
        self._forget()

    def _forget(self) -> None:
        self.depth, self._is_doomed, self.is_in_duckdb = 0, False, False
        self.changes: list[Change] = []
        self.drafts: dict[TableKey, Table | None] = {}
        self._written: dict[str, Database] = {}

    # --- what statements ask for

    def begin(self) -> bool:
        """Is it a new one, and none within another?"""
        self.depth += 1
        if self.depth > 1:
            return False
        self._began_as = self.isolation
        self.descriptor = self._spid.to_bytes(4) + (time.time_ns() & 0xFFFFFFFF).to_bytes(4)
        return True

    def before_read(self, databases: Iterable[str]) -> None:
        """Raises SqlError where the isolation level does not allow it, or the transaction is doomed: its own rows are
        gone already. What reads no table, as a look at @@TRANCOUNT, is always allowed."""
        databases = list(databases)
        if self._is_doomed and databases:
            raise doomed()
        if self.isolation == SNAPSHOT:
            for database in databases:
                self._check_snapshot(self._database(database))
            if self.depth:
                self._begin_in_duckdb()

    def _check_snapshot(self, database: Database) -> None:
        if self.depth and self._began_as != SNAPSHOT:
            raise SqlError(
                3951,
                f"Transaction failed in database '{database.name}' because the statement was run under snapshot "
                "isolation but the transaction did not start in snapshot isolation. You cannot change the isolation "
                "level of the transaction to snapshot after the transaction has started unless the transaction was "
                "originally started under snapshot isolation level.",
            )
        if not database.allows_snapshot:
            raise SqlError(
                3952,
                f"Snapshot isolation transaction failed accessing database '{database.name}' because snapshot "
                "isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.",
            )

    def before_write(self, database: Database, first_rowversion: int | None = None) -> None:
        """`first_rowversion` is not above the first one that will be given, asked for under the database's lock."""
        if self._is_doomed:
            raise doomed()
        self._begin_in_duckdb()
        self._written[database.name] = database
        if first_rowversion is not None:
            database.open_rowversions.setdefault(self._spid, first_rowversion)

    def _begin_in_duckdb(self) -> None:
        if not self.is_in_duckdb:
            self._connection.execute("BEGIN")
            self.is_in_duckdb = True

    def forbid(self, what: str) -> None:
        """For what no transaction of SQL Server may hold."""
        if self.depth:
            raise SqlError(226, f"{what} statement not allowed within multi-statement transaction.", state=6)

    # --- how it ends

    def settle(self) -> None:
        """A statement outside of a transaction is one of its own."""
        if not self.depth:
            self._commit()

    def commit(self) -> bool:
        """Is it the outermost, so that it is committed?"""
        if not self.depth:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        if self.depth > 1:
            self.depth -= 1
            return False
        self._commit()
        return True

    def _commit(self) -> None:
        """What is captured gets its versions here, in the order of commits; then rowversions become visible."""
        if self._is_doomed:
            self.rollback()
            raise doomed()
        try:
            with ExitStack() as locks:
                for name in sorted(self._written):
                    locks.enter_context(self._written[name].lock)
                self._write_down()
        except duckdb.Error:
            self.rollback()
            raise
        self._end()

    def _write_down(self) -> None:
        if self.changes:
            recording.write(self._connection, self._database(self.changes[0].table.database), self.changes)
        if self.is_in_duckdb:
            self._connection.execute("COMMIT")
        self.is_in_duckdb = False
        for place, table in self.drafts.items():
            self._database(place[0]).put([(place, table)])

    def rollback(self) -> None:
        if self.is_in_duckdb:
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
        self._end()

    def _end(self) -> None:
        for database in self._written.values():
            with database.lock:
                database.open_rowversions.pop(self._spid, None)
        self._forget()

    def failed(self, error: Exception, *, aborts: bool) -> bool:
        """After an error within it; True if it has been rolled back.

        DuckDB ends the whole transaction at any error of its own. Where SQL Server would go on, it can only be rolled
        back here: it is doomed.
        """
        was_open = self.depth > 0
        if aborts or not was_open:
            self.rollback()
            return was_open
        if self.is_in_duckdb and isinstance(error, duckdb.Error):
            self._connection.execute("ROLLBACK")
            self.is_in_duckdb, self._is_doomed = False, True
        return False
