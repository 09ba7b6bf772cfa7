"""How is a database made to record the changes of its tables? (change tracking, change data capture)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.clients.sql_server import Session
from include.local.estates.tables import Table

_TRACKED = "SELECT t.name FROM sys.change_tracking_tables AS c JOIN sys.tables AS t ON t.object_id = c.object_id"
_CAPTURED = "SELECT name FROM sys.tables WHERE is_tracked_by_cdc = 1"
_CAPTURES = "SELECT is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()"


def record_changes(session: Session, database: str, tables: Sequence[Table]) -> Iterator[str]:
    """The statements that are left to say: a seed that was killed may have said some of them."""
    yield from _track(session, database, [table for table in tables if table.is_tracked])
    yield from _capture(session, [table for table in tables if table.instance])


def _track(session: Session, database: str, tables: Sequence[Table]) -> Iterator[str]:
    if tables and session.scalar("SELECT CHANGE_TRACKING_CURRENT_VERSION()") is None:
        yield f"ALTER DATABASE {database} SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)"
    for table in _without(session, _TRACKED, tables):
        yield f"ALTER TABLE {table.local_name} ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)"


def _capture(session: Session, tables: Sequence[Table]) -> Iterator[str]:
    if tables and not session.scalar(_CAPTURES):
        yield "EXEC sys.sp_cdc_enable_db"
    for table in _without(session, _CAPTURED, tables):
        schema, name = table.bare_name
        yield (
            f"EXEC sys.sp_cdc_enable_table @source_schema = N'{schema}', @source_name = N'{name}', "
            f"@role_name = NULL, @capture_instance = N'{table.instance}', @supports_net_changes = 1"
        )


def _without(session: Session, having: str, tables: Sequence[Table]) -> list[Table]:
    there = {str(name) for (name,) in session.rows(having)} if tables else set()
    return [table for table in tables if table.bare_name[1] not in there]
