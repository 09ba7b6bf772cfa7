"""What do all sessions of the server share?"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from include.local.sql_server_stand_in.catalogue import boot
from include.local.sql_server_stand_in.catalogue.tables import Database, literal, quoted
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.faults import Faults
from include.local.sql_server_stand_in.translate.macros import macros

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.session import Session

_CONFIG = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_SECONDS_TO_END = 2.0


class Engine:
    """One DuckDB, in which each database of the server is attached: a file of `folder`, or memory without one."""

    def __init__(self, folder: Path | None, logins: dict[str, str]) -> None:
        self._folder, self.logins = folder, logins
        self.root = duckdb.connect(":memory:", config=_CONFIG)
        for macro in macros():
            self.root.execute(macro)
        self.databases: dict[str, Database] = {}
        self.faults = Faults()
        self.sessions: set[Session] = set()
        self.spids = itertools.count(51)
        self._lock = threading.RLock()
        self._open(boot.MASTER)
        self.views = boot.views(self.root)
        for file in sorted(folder.glob("*.duckdb")) if folder else ():
            if file.stem != boot.MASTER:
                self._open(file.stem)

    def database(self, name: str) -> Database:
        database = self.databases.get(name.lower())
        if database is None:
            raise SqlError(
                911, f"Database '{name}' does not exist. Make sure that the name is entered correctly.", state=1
            )
        return database

    # --- databases come and go

    def _path(self, name: str) -> str:
        return str(self._folder / f"{name}.duckdb") if self._folder else ":memory:"

    def _open(self, name: str) -> None:
        """One that is new, or was made before, or was about to be made when the server was killed."""
        self.root.execute(f"ATTACH {literal(self._path(name))} AS {quoted(name)}")
        boot.boot(self.root, name)
        boot.register(self.root, name)
        self.databases[name.lower()] = boot.load(self.root, name)

    def create_database(self, name: str) -> None:
        with self._lock:
            if name.lower() in self.databases:
                raise SqlError(1801, f"Database '{name}' already exists. Choose a different database name.", state=3)
            if not name.replace("_", "").isalnum():
                raise SqlError(102, f"Incorrect syntax near '{name}': the stand-in wants letters, digits and _.", 15)
            self._open(name)

    def drop_database(self, name: str) -> None:
        """The log goes before the file: a file that is still there after a kill is a whole database."""
        with self._lock:
            database = self.database(name)
            self.root.execute(f"DETACH {quoted(database.name)}")
            del self.databases[name.lower()]
            self.root.execute("DELETE FROM master._s.databases WHERE name = ?", [database.name])
            if self._folder:
                Path(self._path(database.name) + ".wal").unlink(missing_ok=True)
                Path(self._path(database.name)).unlink(missing_ok=True)

    def write(self, sql: str, values: Sequence[Any]) -> None:
        """To master, outside of any session's transaction: DuckDB lets one transaction write one database only."""
        with self._lock:
            self.root.execute(sql, list(values))

    def change(self, database: Database, column: str, value: bool) -> None:
        """An option of a database: allows_snapshot, tracks_changes or captures_changes."""
        with database.lock:
            self.write(f"UPDATE master._s.databases SET {column} = ? WHERE name = ?", [value, database.name])
            setattr(database, column, value)

    # --- the end

    def close(self) -> None:
        """Ends what runs, and folds each database's log into its file; a kill without this loses no commit."""
        for session in list(self.sessions):
            session.is_gone = True
            session.cancel()
        end = time.monotonic() + _SECONDS_TO_END
        while any(session.transaction.is_in_duckdb for session in list(self.sessions)) and time.monotonic() < end:
            time.sleep(0.02)
        for database in self.databases.values():
            with suppress(duckdb.Error):  # a transaction is still open: the log is replayed at the next start
                self.root.execute(f"CHECKPOINT {quoted(database.name)}")
        self.root.close()
