"""What do CREATE, ALTER, DROP and TRUNCATE do?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.local.sql_server_stand_in.capture import change_tracking
from include.local.sql_server_stand_in.catalogue import definitions as catalogue
from include.local.sql_server_stand_in.catalogue.tables import Database, Table
from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.output import Output
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.t_sql.statements import (
    AddColumn,
    AlterDatabase,
    CreateDatabase,
    CreateSchema,
    CreateTable,
    DropDatabase,
    DropTable,
    Statement,
    TrackChanges,
    TruncateTable,
)

_OPTIONS = {"ALLOW_SNAPSHOT_ISOLATION": "allows_snapshot", "CHANGE_TRACKING": "tracks_changes"}


def definitions(session: Session, output: Output) -> dict[type[Statement], Callable[[Any], None]]:
    """What runs each of them."""
    runners: dict[type[Statement], Callable[[Session, Any], None]] = {
        CreateDatabase: _create_database,
        DropDatabase: _drop_database,
        AlterDatabase: _alter_database,
        CreateSchema: _create_schema,
        CreateTable: _create_table,
        DropTable: _drop_tables,
        AddColumn: _add_column,
        TrackChanges: _track_changes,
        TruncateTable: _truncate,
    }

    def run(statement: Statement) -> None:
        runners[type(statement)](session, statement)
        output.done()

    return dict.fromkeys(runners, run)


# --- databases: outside of any transaction, as at a real server


def _create_database(session: Session, statement: CreateDatabase) -> None:
    session.transaction.forbid("CREATE DATABASE")
    session.engine.create_database(statement.name)


def _drop_database(session: Session, statement: DropDatabase) -> None:
    session.transaction.forbid("DROP DATABASE")
    if not (statement.if_exists and statement.name.lower() not in session.engine.databases):
        session.engine.drop_database(statement.name)


def _alter_database(session: Session, statement: AlterDatabase) -> None:
    session.transaction.forbid("ALTER DATABASE")
    database = session.engine.database(statement.database or session.database)
    session.engine.change(database, _OPTIONS[statement.option], statement.is_on)


# --- tables: within the transaction


def change_table(session: Session, table: Table, change: Callable[[Any, Database, Table], Table | None]) -> None:
    """Puts what `change` makes of it into the transaction; None: it is dropped."""
    database = session.engine.database(table.database)
    with database.lock:
        session.transaction.before_write(database)
        session.transaction.drafts[table.place] = change(session.connection, database, table)
        session.transaction.settle()


def _create_schema(session: Session, statement: CreateSchema) -> None:
    database = session.engine.database(session.database)
    session.transaction.before_write(database)
    catalogue.create_schema(session.connection, database, statement.name)
    session.transaction.settle()


def _create_table(session: Session, statement: CreateTable) -> None:
    if session.table(statement.table):
        raise SqlError(2714, f"There is already an object named '{statement.table[-1]}' in the database.", state=6)
    name, schema, _ = ("", "", *statement.table)[-3:]
    database = session.engine.database(name or session.database)
    with database.lock:
        session.transaction.before_write(database)
        table = catalogue.create_table(session.connection, database, schema or "dbo", statement)
        session.transaction.drafts[table.place] = table
        session.transaction.settle()


def _drop_tables(session: Session, statement: DropTable) -> None:
    for parts in statement.tables:
        table = session.table(parts)
        if table is None and not statement.if_exists:
            raise SqlError(
                3701,
                f"Cannot drop the table '{parts[-1]}', because it does not exist or you do not have permission.",
                11,
                state=5,
            )
        if table is not None:
            change_table(session, table, catalogue.drop_table)


def _add_column(session: Session, statement: AddColumn) -> None:
    table = session.need_table(statement.table)
    change_table(session, table, lambda connection, database, table: catalogue.add_column(connection, table, statement))


def _track_changes(session: Session, statement: TrackChanges) -> None:
    change = change_tracking.enable if statement.is_on else change_tracking.disable
    change_table(session, session.need_table(statement.table), change)


def _truncate(session: Session, statement: TruncateTable) -> None:
    if session.transaction.depth:
        raise not_known("TRUNCATE TABLE within a transaction")
    change_table(session, session.need_table(statement.table), _without_rows)


def _without_rows(connection: Any, database: Database, table: Table) -> Table:
    if table.instances:
        why = "it is published for replication or enabled for Change Data Capture"
        raise SqlError(4711, f"Cannot truncate table '{table.name}' because {why}.")
    connection.execute(f"DELETE FROM {table.sql}")
    if table.is_tracked:
        change_tracking.truncate(connection, database, table)
    return table
