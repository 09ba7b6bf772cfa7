"""What does a client ask, and what is it answered? (batches, calls of procedures, transactions)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from include.local.sql_server_stand_in.describe import described_parameters
from include.local.sql_server_stand_in.errors import SqlError, explain, not_known
from include.local.sql_server_stand_in.output import Output, Reset
from include.local.sql_server_stand_in.run_statement import Runner
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.sql_types import SqlType
from include.local.sql_server_stand_in.t_sql.parse_statement import parse, parse_declarations
from include.local.sql_server_stand_in.t_sql.statements import Statement
from include.local.sql_server_stand_in.tds.codes import (
    BEGUN,
    COMMITTED,
    DONEPROC,
    FAILED,
    IN_TRANSACTION,
    MORE,
    OF_PROCEDURE,
    PROCEDURES,
    ROLLED_BACK,
)
from include.local.sql_server_stand_in.tds.parameters import read_value
from include.local.sql_server_stand_in.tds.reader import Reader
from include.local.sql_server_stand_in.tds.reply import Reply
from include.local.sql_server_stand_in.transaction import READ_COMMITTED, SNAPSHOT
from include.local.sql_server_stand_in.variables import Variables

_VICTIMS = (1205, 3960)
"""Errors after which the transaction is gone."""
_BY_NAME, _NEXT_CALL = 0xFFFF, (0x80, 0xFE, 0xFF)


@dataclass(frozen=True)
class Argument:
    """Of a call: its value has the type that the client says; `name` is empty where the place counts."""

    name: str
    type: SqlType
    value: Any


@dataclass(frozen=True)
class Prepared:
    parameters: Sequence[tuple[str, SqlType]]
    statements: Sequence[Statement]

    @classmethod
    def read(cls, parameters: str | None, sql: str | None) -> Prepared:
        return cls(parse_declarations(parameters or ""), parse(sql or ""))

    def variables(self, arguments: Sequence[Argument]) -> Variables:
        """By place, as the driver sends them. Where a value travels in another type than was declared, it has that."""
        if len(arguments) > len(self.parameters):
            raise SqlError(8144, "Procedure or function has too many arguments specified.", state=2)
        if any(argument.name for argument in arguments):
            raise not_known("arguments by name")
        given = {name: (kind, None) for name, kind in self.parameters}
        for (name, kind), argument in zip(self.parameters, arguments, strict=False):
            is_typed = argument.value is None or (argument.type.name == kind.name and argument.type.scale == kind.scale)
            given[name] = (kind if is_typed else argument.type, argument.value)
        return Variables(given)


class Requests:
    """Answers those of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prepared: dict[int, Prepared] = {}
        self._handle = 0

    def forget(self) -> None:
        """The session has been reset."""
        self._prepared.clear()

    def batch(self, sql: str, reply: Reply) -> None:
        self._run(Output(self._session, reply, in_procedure=False), lambda: (parse(sql), Variables()))

    def _run(self, output: Output, read: Callable[[], tuple[Sequence[Statement], Variables]]) -> bool:
        """True if all went well."""
        session = self._session
        try:
            statements, session.variables = read()
        except Exception as error:  # noqa: BLE001  whatever it is, the client is told
            output.fail(explain(error))
            return False
        runner = Runner(session, output)
        try:
            for statement in statements:
                runner.run(statement)
        except Reset:
            raise
        except Exception as error:  # noqa: BLE001
            self._fail(error, output)
            return False
        output.end()
        return True

    def _fail(self, error: Exception, output: Output) -> None:
        transaction = self._session.transaction
        if self._session.cancelled.is_set():
            transaction.failed(error, aborts=not transaction.depth)
            return output.fail(None)
        known = explain(error)
        is_victim = known.number in _VICTIMS
        if transaction.failed(error, aborts=is_victim or self._session.aborts_on_error):
            output.reply.change(ROLLED_BACK, b"", transaction.descriptor)
        return output.fail(known)

    # --- calls

    def call(self, reader: Reader, reply: Reply) -> None:
        while reader:
            name = _name(reader)
            reader.u16()
            arguments = []
            while reader and reader.data[reader.at] not in _NEXT_CALL:
                label, _ = reader.short_text(), reader.u8()
                arguments.append(Argument(label.lower(), *read_value(reader)))
            if reader:
                reader.u8()
            self._call(name, arguments, reply, is_last=not reader)

    def _call(self, name: str, arguments: Sequence[Argument], reply: Reply, *, is_last: bool) -> None:
        output = Output(self._session, reply, in_procedure=True)
        handle, values = None, [argument.value for argument in arguments]
        if name in ("sp_prepare", "sp_prepexec"):
            handle, is_well = self._prepare(name, values, arguments, output)
        elif name == "sp_execute":
            is_well = self._run(output, lambda: self._bound(values[0], arguments[1:]))
        elif name == "sp_unprepare":
            self._prepared.pop(values[0], None)
            is_well = True
        elif name == "sp_describe_undeclared_parameters":
            is_well = self._run_described(str(values[0]), output)
        else:
            output.fail(SqlError(2812, f"Could not find stored procedure '{name}': not for a call by RPC.", state=62))
            is_well = False
        self._finish_call(reply, handle, is_well=is_well, is_last=is_last)

    def _finish_call(self, reply: Reply, handle: int | None, *, is_well: bool, is_last: bool) -> None:
        reply.return_status(0 if is_well else 1)
        if handle is not None:
            reply.return_int(handle)
        status = (0 if is_last else MORE) | (0 if is_well else FAILED) | self._in_transaction()
        reply.done(status, 0, OF_PROCEDURE, DONEPROC)

    def _in_transaction(self) -> int:
        return IN_TRANSACTION if self._session.transaction.depth else 0

    def _prepare(
        self, name: str, values: Sequence[Any], arguments: Sequence[Argument], output: Output
    ) -> tuple[int | None, bool]:
        """The handle; the client gives back the one that it replaces."""
        self._prepared.pop(values[0], None)

        def read() -> tuple[Sequence[Statement], Variables]:
            prepared = Prepared.read(values[1], values[2])
            self._handle += 1
            self._prepared[self._handle] = prepared
            if name == "sp_prepare":
                return [], Variables()
            return prepared.statements, prepared.variables(arguments[3:])

        before = self._handle
        is_well = self._run(output, read)
        return (self._handle if self._handle > before else None), is_well

    def _bound(self, handle: int, arguments: Sequence[Argument]) -> tuple[Sequence[Statement], Variables]:
        prepared = self._prepared.get(handle)
        if prepared is None:
            raise SqlError(8179, f"Could not find prepared statement with handle {handle}.")
        return prepared.statements, prepared.variables(arguments)

    def _run_described(self, sql: str, output: Output) -> bool:
        try:
            output.table(*described_parameters(self._session, sql))
        except Exception as error:  # noqa: BLE001
            output.fail(explain(error))
            return False
        output.end()
        return True

    # --- transactions

    def transaction(self, reader: Reader, reply: Reply) -> None:
        """TRANSACTION MANAGER REQUEST (MS-TDS 2.2.6.9)."""
        kind, status = reader.u16(), 0
        try:
            self._manage(kind, reader, reply)
        except Exception as error:  # noqa: BLE001
            reply.error(explain(error))
            status = FAILED
        reply.done(status | self._in_transaction())

    def _manage(self, kind: int, reader: Reader, reply: Reply) -> None:
        begin, commit, rollback = 5, 7, 8
        if kind == begin:
            return self._begin(reader.u8(), reply)
        if kind not in (commit, rollback):
            raise SqlError(8525, f"The transaction manager's request {kind} is not known to the stand-in.")
        reader.short_text()  # the transaction's name
        begins_again = bool(reader and reader.u8() & 1)
        level = reader.u8() if begins_again and reader else 0
        transaction = self._session.transaction
        descriptor = transaction.descriptor
        if kind == commit:
            transaction.commit()
        else:
            transaction.rollback()
        reply.change(COMMITTED if kind == commit else ROLLED_BACK, b"", descriptor)
        return self._begin(level, reply) if begins_again else None

    def _begin(self, level: int, reply: Reply) -> None:
        as_it_is, read_committed, snapshot = 0, 2, 5
        if level not in (as_it_is, read_committed, snapshot):
            raise SqlError(8525, f"Isolation level {level} is not known to the stand-in.")
        transaction = self._session.transaction
        if level != as_it_is:
            transaction.isolation = SNAPSHOT if level == snapshot else READ_COMMITTED
        if transaction.begin():
            reply.change(BEGUN, transaction.descriptor, b"")


def _name(reader: Reader) -> str:
    length = reader.u16()
    if length == _BY_NAME:
        number = reader.u16()
        return PROCEDURES.get(number, f"procedure {number}")
    return reader.take(2 * length).decode("utf-16-le").lower().removeprefix("sys.")
