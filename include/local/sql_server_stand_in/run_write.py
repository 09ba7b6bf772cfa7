"""How do INSERT, UPDATE and DELETE change a table, and what do its captures get of it?"""

from __future__ import annotations

import pyarrow as pa

from include.local.sql_server_stand_in.capture import recording
from include.local.sql_server_stand_in.capture.operations import AFTER, DELETED, INSERTED
from include.local.sql_server_stand_in.catalogue.tables import quoted
from include.local.sql_server_stand_in.output import Output
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.t_sql.statements import Delete, Insert, Update
from include.local.sql_server_stand_in.tds.codes import OF_DELETE, OF_INSERT, OF_UPDATE
from include.local.sql_server_stand_in.translate.scope import Reads
from include.local.sql_server_stand_in.translate.write import (
    Write,
    translate_delete,
    translate_insert,
    translate_update,
)
from include.local.sql_server_stand_in.values import values_in

_COMMANDS = {INSERTED: OF_INSERT, AFTER: OF_UPDATE, DELETED: OF_DELETE}


def run_write(session: Session, output: Output, statement: Insert | Update | Delete) -> None:
    reads = Reads()
    write = _translated(session, statement, reads)
    session.before_read(reads)
    output.meet(session.meeting(reads, write.table))
    database = session.engine.database(write.table.database)
    with database.lock:
        first = session.last_rowversion_of(database.name) + 1 if write.table.rowversion else None
        session.transaction.before_write(database, first)
        count = _executed(session, write, reads)
    session.transaction.settle()
    output.done(count, _COMMANDS[write.operation])


def _translated(session: Session, statement: Insert | Update | Delete, reads: Reads) -> Write:
    if isinstance(statement, Insert):
        return translate_insert(session, statement, reads)
    if isinstance(statement, Update):
        return translate_update(session, statement, reads)
    return translate_delete(session, statement, reads)


def _executed(session: Session, write: Write, reads: Reads) -> int:
    """The number of rows that it touched."""
    if write.rows is not None:
        session.connection.register("literal_rows", write.rows)
    try:
        return _captured(session, write, reads) if write.table.is_captured else _plainly(session, write, reads)
    finally:
        if write.rows is not None:
            session.connection.unregister("literal_rows")


def _plainly(session: Session, write: Write, reads: Reads) -> int:
    rows = session.connection.execute(write.sql, values_in(session, write.sql, reads)).fetchall()
    return int(rows[0][0])


def _captured(session: Session, write: Write, reads: Reads) -> int:
    old = None
    if write.before:
        old = _arrow(session, write.before, reads)
    columns = ", ".join(quoted(column.name) for column in write.table.columns)
    new = _arrow(session, f"{write.sql} RETURNING {columns}", reads)
    if old is None:
        session.transaction.changes.append(recording.Change(write.table, write.operation, new))
    else:
        session.transaction.changes += recording.of_update(write.table, old, new)
    return int(new.num_rows)


def _arrow(session: Session, sql: str, reads: Reads) -> pa.Table:
    return session.connection.execute(sql, values_in(session, sql, reads)).to_arrow_table()
