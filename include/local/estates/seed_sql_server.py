"""How do made tables get into a database of a SQL Server?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from include.clients.sql_server import Session, connect
from include.connections import SqlServerSettings
from include.local.estates import t_sql
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.record_changes import record_changes
from include.local.estates.seeded import SeededBy, is_done
from include.local.estates.tables import BUSINESS_DAY, Table, TableData

MARKER = "dbo.SeededBy"


@contextmanager
def writing(settings: SqlServerSettings, database: str) -> Iterator[Session]:
    """A session for `t_sql.transaction`: any error rolls back and is raised."""
    with connect(settings, database) as session:
        session.execute(t_sql.WRITING)
        yield session


def marker_of(session: Session) -> SeededBy | None:
    """Which seed filled this database; None when none did."""
    if not _exists(session, "SeededBy"):
        return None
    rows = session.rows(f"SELECT Seed, Customers, IsDone FROM {MARKER}")
    return SeededBy(rows[0][0], rows[0][1], bool(rows[0][2])) if rows else SeededBy(0, 0, False)


@dataclass(frozen=True)
class Database:
    """One database of a legacy server, and the tables that a seed makes there."""

    settings: SqlServerSettings
    name: str
    tables: tuple[Table, ...]

    @classmethod
    def of_estates(cls, settings: SqlServerSettings, name: str) -> Database:
        """CRM, Billing or OldDB."""
        return cls(
            settings, name, tuple(table for table in (*SQL_SERVER_TABLES, BUSINESS_DAY) if table.database == name)
        )

    def __str__(self) -> str:
        return f"{self.name} on connection {self.settings.system}"

    def holds(self, table: Table) -> bool:
        return table in self.tables

    def marker(self) -> SeededBy | None:
        """Which seed filled it, if one did."""
        if not self.is_there():
            return None
        with connect(self.settings, self.name) as session:
            return marker_of(session)

    def is_done(self, seed: int, customers: int) -> bool:
        """Raises RequestError when the database holds another seed's tables, or any table that no seed made."""
        if not self.is_there():
            return False
        with connect(self.settings, self.name) as session:
            marker, present = marker_of(session), _all_tables(session)
        return is_done(str(self), marker, present, seed, customers)

    def begin(self, seed: int, customers: int) -> None:
        """Empty tables, whatever a killed seed left."""
        if not self.is_there():
            with connect(self.settings, "master") as session:
                session.execute(f"CREATE DATABASE {self.name}")
        with connect(self.settings, "master") as session:
            session.execute(f"ALTER DATABASE {self.name} SET ALLOW_SNAPSHOT_ISOLATION ON")
        with writing(self.settings, self.name) as session:
            self._mark_as_ours(session, seed, customers)
            for table in self._present(session):
                session.execute(f"DROP TABLE {table.local_name}")
            self._create_tables(session)

    def write(self, data: TableData) -> None:
        """Rows that were made again are inserted as they were, deleted, and inserted as they are."""
        with writing(self.settings, self.name) as session:
            for statement in t_sql.inserts(data.table, data.earlier):
                session.execute(statement)
            if data.earlier:
                session.execute(t_sql.delete(data.table, [row[0] for row in data.earlier]))
            for statement in t_sql.inserts(data.table, data.rows):
                session.execute(statement)

    def finish(self, seed: int, customers: int) -> None:
        """Changes are recorded from here on, as where that was switched on long after the first row."""
        with writing(self.settings, self.name) as session:
            for statement in record_changes(session, self.name, self.tables):
                session.execute(statement)
            session.execute(f"UPDATE {MARKER} SET IsDone = 1 WHERE Seed = {seed} AND Customers = {customers}")

    def is_there(self) -> bool:
        with connect(self.settings, "master") as session:
            names = [str(name) for (name,) in session.rows("SELECT name FROM sys.databases")]
        return self.name.lower() in (name.lower() for name in names)

    def _present(self, session: Session) -> list[Table]:
        found = {name.lower() for name in _all_tables(session)}
        return [table for table in self.tables if table.local_name.replace("[", "").replace("]", "").lower() in found]

    def _mark_as_ours(self, session: Session, seed: int, customers: int) -> None:
        """Before the first table: from here on, what is in this database may be dropped by a seed."""
        if not _exists(session, "SeededBy"):
            session.execute(
                f"CREATE TABLE {MARKER} (Seed bigint NOT NULL, Customers int NOT NULL, IsDone bit NOT NULL)"
            )
        session.execute(f"DELETE FROM {MARKER}")
        session.execute(f"INSERT INTO {MARKER} (Seed, Customers, IsDone) VALUES ({seed}, {customers}, 0)")

    def _create_tables(self, session: Session) -> None:
        there = {str(name).lower() for (name,) in session.rows("SELECT name FROM sys.schemas")}
        wanted = {table.local_name.split(".", 1)[0] for table in self.tables}
        for schema in sorted(name for name in wanted if name.lower() not in there):
            session.execute(f"CREATE SCHEMA {schema}")  # must be alone in its batch
        for table in self.tables:
            session.execute(t_sql.create_table(table))


def _all_tables(session: Session) -> list[str]:
    rows = session.rows("SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")
    return [f"{schema}.{name}" for schema, name in rows]


def _exists(session: Session, table: str) -> bool:
    found = session.rows("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'dbo'")
    return table.lower() in (str(name).lower() for (name,) in found)
