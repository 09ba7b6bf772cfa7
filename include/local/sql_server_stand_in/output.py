"""How do the results of a batch reach the client?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from include.local.sql_server_stand_in.catalogue.tables import Column
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.faults import Fault, Meeting, deadlock
from include.local.sql_server_stand_in.tds.codes import (
    COUNTED,
    DONE,
    DONEINPROC,
    FAILED,
    IN_TRANSACTION,
    MORE,
    OF_SELECT,
)
from include.local.sql_server_stand_in.tds.rows import rows as encoded_rows
from include.local.sql_server_stand_in.tds.type_info import described

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.session import Session
    from include.local.sql_server_stand_in.tds.reply import Reply

_ROWS_AT_ONCE = 20_480


class Reset(Exception):
    """The connection is to break here, as a fault wants it."""


class Output:
    """The last DONE is held back until it is known whether more comes: it says so itself.

    Within a procedure (`in_procedure`) the last one is the procedure's own, which the caller writes.
    """

    def __init__(self, session: Session, reply: Reply, *, in_procedure: bool) -> None:
        self.session, self.reply, self._in_procedure = session, reply, in_procedure
        self._token = DONEINPROC if in_procedure else DONE
        self._held: tuple[int, int, int] | None = None

    def done(self, count: int | None = None, command: int = 0) -> None:
        self._push()
        is_counted = count is not None and not self.session.is_count_hidden
        self._held = (self._status() | (COUNTED if is_counted else 0), count or 0, command)

    def _status(self) -> int:
        return IN_TRANSACTION if self.session.transaction.depth else 0

    def _push(self) -> None:
        if self._held:
            status, count, command = self._held
            self.reply.done(status | MORE, count, command, self._token)
            self._held = None

    def end(self) -> None:
        if self._in_procedure or not self._held:
            self._push()
            if not self._in_procedure:
                self.reply.done(self._status())
        else:
            self.reply.done(*self._held, self._token)
            self._held = None

    def fail(self, error: SqlError | None) -> None:
        """None: it was cancelled, which has its own answer."""
        self._push()
        if error:
            self.reply.error(error)
        more = MORE if self._in_procedure else 0
        self.reply.done(FAILED | more | self._status(), 0, 0, self._token)

    # --- rows

    def table(self, columns: Sequence[Column], arrays: Sequence[pa.Array], count: int) -> None:
        """A result that is there already."""
        self._push()
        self.reply.add(described(columns))
        self.reply.add(encoded_rows([column.type for column in columns], arrays, count))
        self.done(count, OF_SELECT)

    def result(self, sql: str, values: Mapping[str, Any], columns: Sequence[Column], fault: Fault | None) -> None:
        """Runs a query of DuckDB's and sends its rows as they come."""
        # by sql(), because execute() would have the whole result before it gives the first row
        reader = self.session.connection.sql(sql, params=values or None).to_arrow_reader(_ROWS_AT_ONCE)
        self._push()
        self.reply.add(described(columns))
        kinds, sent = [column.type for column in columns], 0
        try:
            for batch in self._broken(reader, fault):
                self.check_cancelled()
                self.reply.add(encoded_rows(kinds, batch.columns, batch.num_rows))
                sent += batch.num_rows
        finally:
            reader.close()  # while it is open, DuckDB does not roll back
        self.done(sent, OF_SELECT)

    def _broken(self, batches: Iterable[pa.RecordBatch], fault: Fault | None) -> Iterator[pa.RecordBatch]:
        """The batches until the fault strikes; a result that has not so many rows passes."""
        sent = 0
        for batch in batches:
            left = fault.after_rows - sent if fault else batch.num_rows + 1
            if fault and left <= batch.num_rows:
                yield batch.slice(0, left)
                if self.strike(fault):
                    return
                yield batch.slice(left)  # it was lifted meanwhile
                fault = None
            else:
                yield batch
            sent += batch.num_rows

    def check_cancelled(self) -> None:
        if self.session.cancelled.is_set():
            raise duckdb.InterruptException("cancelled")

    def meet(self, meeting: Meeting) -> Fault | None:
        """The fault that waits for some row of this statement's result; one that waits for none strikes here."""
        fault = self.session.engine.faults.event(meeting)
        if fault and not fault.after_rows and fault.kind != "short":
            self.strike(fault)
            return None
        return fault

    def strike(self, fault: Fault) -> bool:
        """Does the result end here, as if it were whole? It does not, where the fault has been lifted meanwhile."""
        if not self.session.engine.faults.take(fault):
            return False
        if fault.kind == "short":
            return True
        self.reply.flush()
        if fault.kind == "reset":
            raise Reset
        if fault.kind == "hang":
            self.session.cancelled.wait()
            raise duckdb.InterruptException("cancelled")
        raise deadlock(self.session.spid)
