"""What does each statement of a batch do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from include.local.sql_server_stand_in.accepted import SET_OPTIONS
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.output import Output
from include.local.sql_server_stand_in.run_definition import definitions
from include.local.sql_server_stand_in.run_procedure import run_procedure
from include.local.sql_server_stand_in.run_write import run_write
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.sql_types import SqlType, storage
from include.local.sql_server_stand_in.t_sql.statements import (
    Assign,
    Begin,
    Block,
    Commit,
    Declare,
    Delete,
    Execute,
    If,
    Insert,
    Rollback,
    Select,
    SetIsolation,
    SetOption,
    Statement,
    Update,
    Use,
    Wait,
)
from include.local.sql_server_stand_in.t_sql.tree import Expression, Query
from include.local.sql_server_stand_in.tds.codes import BEGUN, COMMITTED, NEW_DATABASE, ROLLED_BACK
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.query import QueryTranslator, translate_query
from include.local.sql_server_stand_in.translate.scope import Reads, Scope
from include.local.sql_server_stand_in.translate.value import Value, cast
from include.local.sql_server_stand_in.values import values_in


class Runner:
    """Runs the statements of one batch, one after the other."""

    def __init__(self, session: Session, output: Output) -> None:
        self._session, self._output = session, output
        self._runners: dict[type[Statement], Callable[[Any], None]] = {
            Select: lambda statement: self._select(statement.query),
            **dict.fromkeys((Insert, Update, Delete), lambda statement: run_write(session, output, statement)),
            Declare: self._declare,
            Assign: self._assign,
            SetOption: self._set_option,
            SetIsolation: self._set_isolation,
            If: self._if,
            Block: self._block,
            Begin: self._begin,
            Commit: self._commit,
            Rollback: self._rollback,
            Use: self._use,
            Wait: self._wait,
            Execute: self._execute,
            **definitions(session, output),
        }

    def run(self, statement: Statement) -> None:
        self._output.check_cancelled()
        self._runners[type(statement)](statement)

    # --- queries

    def _select(self, query: Query) -> None:
        assigned = [item.variable for item in query.items]
        reads = Reads()
        translated = translate_query(self._session, query, reads)
        self._session.before_read(reads)
        values = values_in(self._session, translated.sql, reads)
        if any(assigned):
            self._assign_row(assigned, translated.sql, values, [column.type for column in translated.columns])
        else:
            fault = self._output.meet(self._session.meeting(reads))
            self._output.result(translated.sql, values, translated.columns, fault)

    def _assign_row(self, names: list[str], sql: str, values: Mapping[str, Any], kinds: list[SqlType]) -> None:
        """SELECT @a = …: the last row counts, and no row leaves the variables as they are."""
        if not all(names):
            raise SqlError(141, "A SELECT statement that assigns a value to a variable must not retrieve data.", 15)
        rows = self._session.connection.execute(sql, values).fetchall()
        for name, kind, value in zip(names, kinds, rows[-1], strict=True) if rows else ():
            self._session.variables.assign(name, self._converted(value, kind, self._session.variable(name)))
        self._output.done()

    def _converted(self, value: Any, kind: SqlType, to: SqlType) -> Any:
        """A value that was read, as its variable's type has it."""
        sql = convert(Value(cast("$value", storage(kind)), kind), to).sql
        return self._session.connection.execute(f"SELECT {sql}", {"value": value}).fetchall()[0][0]

    def _value(self, node: Expression, to: SqlType | None = None) -> Any:
        reads = Reads()
        value = QueryTranslator(self._session, reads, Scope()).value(node)
        sql = convert(value, to).sql if to else value.sql
        return self._fetched(sql, reads)

    def _fetched(self, sql: str, reads: Reads) -> Any:
        self._session.before_read(reads)
        values = values_in(self._session, sql, reads)
        return self._session.connection.execute(f"SELECT {sql}", values).fetchall()[0][0]

    # --- variables and options

    def _declare(self, statement: Declare) -> None:
        self._session.variables.declare(statement.name, statement.type)
        if statement.value is not None:
            self._session.variables.assign(statement.name, self._value(statement.value, statement.type))

    def _assign(self, statement: Assign) -> None:
        kind = self._session.variable(statement.name)
        self._session.variables.assign(statement.name, self._value(statement.value, kind))
        self._output.done()

    def _set_option(self, statement: SetOption) -> None:
        is_on = statement.value == "ON"
        if statement.name == "NOCOUNT":
            self._session.is_count_hidden = is_on
        elif statement.name == "XACT_ABORT":
            self._session.aborts_on_error = is_on
        else:
            assert SET_OPTIONS[statement.name].why
        self._output.done()

    def _set_isolation(self, statement: SetIsolation) -> None:
        self._session.transaction.isolation = statement.level
        self._output.done()

    # --- the course of a batch

    def _if(self, statement: If) -> None:
        reads = Reads()
        condition = QueryTranslator(self._session, reads, Scope()).condition(statement.condition)
        if self._fetched(condition, reads):
            self.run(statement.then)
        elif statement.otherwise:
            self.run(statement.otherwise)

    def _block(self, statement: Block) -> None:
        for each in statement.statements:
            self.run(each)

    def _begin(self, statement: Begin) -> None:
        if self._session.transaction.begin():
            self._output.reply.change(BEGUN, self._session.transaction.descriptor, b"")
        self._output.done()

    def _commit(self, statement: Commit) -> None:
        descriptor = self._session.transaction.descriptor
        if self._session.transaction.commit():
            self._output.reply.change(COMMITTED, b"", descriptor)
        self._output.done()

    def _rollback(self, statement: Rollback) -> None:
        transaction = self._session.transaction
        if not transaction.depth:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        transaction.rollback()
        self._output.reply.change(ROLLED_BACK, b"", transaction.descriptor)
        self._output.done()

    def _use(self, statement: Use) -> None:
        before = self._session.database
        self._session.use(statement.database)
        self._output.reply.change(NEW_DATABASE, self._session.database, before)
        self._output.reply.message(5701, f"Changed database context to '{self._session.database}'.", 0, 2)
        self._output.done()

    def _wait(self, statement: Wait) -> None:
        self._session.cancelled.wait(statement.seconds)
        self._output.check_cancelled()
        self._output.done()

    def _execute(self, statement: Execute) -> None:
        arguments = {name: self._value(value) for name, value in statement.arguments}
        run_procedure(self._session, statement.procedure, arguments)
        self._output.done()
