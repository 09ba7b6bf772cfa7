"""How is a batch of T-SQL read?

All of it is read before any of it runs, as SQL Server does: a batch with a syntax error has done nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from include.local.sql_server_stand_in.accepted import SET_OPTIONS
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import SqlType
from include.local.sql_server_stand_in.t_sql.parse_definition import DefinitionParser
from include.local.sql_server_stand_in.t_sql.statements import (
    Assign,
    Begin,
    Block,
    Commit,
    CreateSchema,
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
from include.local.sql_server_stand_in.t_sql.tree import Expression, Null, Number, Text

_NULL = Null()
ISOLATION_LEVELS = ("READ COMMITTED", "SNAPSHOT")


def parse(sql: str) -> list[Statement]:
    """The statements of a batch. Raises SqlError for whatever is not known."""
    return StatementParser(sql).batch()


def parse_declarations(text: str) -> list[tuple[str, SqlType]]:
    """'@P1 int, @P2 varchar(5)' of sp_prepexec, in order."""
    parser = StatementParser(text)
    return [] if parser.token.kind == "end" else parser.declarations()


class StatementParser(DefinitionParser):
    """Statements begin with a word of `_readers`; a semicolon between them may be left out."""

    def __init__(self, sql: str) -> None:
        super().__init__(sql)
        self._readers: dict[str, Callable[[], Statement | list[Statement]]] = {
            "SELECT": lambda: Select(self.query()),
            "INSERT": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "DECLARE": self._declare,
            "SET": self._set,
            "IF": self._if,
            "BEGIN": self._begin,
            "COMMIT": lambda: self._end_of_transaction(Commit()),
            "ROLLBACK": lambda: self._end_of_transaction(Rollback()),
            "USE": self._use,
            "WAITFOR": self._wait,
            "EXEC": self._execute,
            "EXECUTE": self._execute,
            "CREATE": self.create,
            "ALTER": self.alter,
            "DROP": self.drop,
            "TRUNCATE": self.truncate,
        }

    def batch(self) -> list[Statement]:
        found: list[Statement] = []
        while self._goes_on("end"):
            found += self._statements()
        if len(found) > 1 and any(isinstance(statement, CreateSchema) for statement in found):
            raise SqlError(111, "'CREATE SCHEMA' must be the only statement in a query batch.", 15)
        return found

    def declarations(self) -> list[tuple[str, SqlType]]:
        found = self.listed(lambda: (self.variable(), self.type()))
        if self.token.kind != "end":
            raise self.refused()
        return list(found)

    def _goes_on(self, end: str) -> bool:
        while self.take(";"):
            pass
        return end not in (self.token.kind, self.token.word)

    def _statements(self) -> list[Statement]:
        """One, but for a DECLARE of several variables."""
        reader = self._readers.get(self.token.word)
        if reader is None:
            raise self.refused()
        found = reader()
        return found if isinstance(found, list) else [found]

    def _statement(self) -> Statement:
        found = self._statements()
        return found[0] if len(found) == 1 else Block(tuple(found))

    # --- data

    def _insert(self) -> Insert:
        self.expect("INSERT", "INTO")
        table = self.parts()
        columns = self.bracketed_names() if self.is_at("(") else ()
        if self.take("VALUES"):
            return Insert(table, columns, self.listed(self._row))
        return Insert(table, columns, self.query())

    def _row(self) -> Sequence[Expression]:
        self.expect("(")
        cells = [self._cell()]
        while self._tokens[self._at].word == ",":
            self._at += 1
            cells.append(self._cell())
        self.expect(")")
        return cells

    def _cell(self) -> Expression:
        """Mostly a literal by itself: many rows of literals are read at once, so that way is the short one."""
        kind, text, word = self._tokens[self._at]
        if kind != "end" and self._tokens[self._at + 1].word in (",", ")"):
            self._at += 1
            if kind in ("text", "wide"):
                return Text(text, kind == "wide")
            if kind == "number":
                return Number(text)
            if word == "NULL":
                return _NULL
            self._at -= 1
        return self.expression()

    def _update(self) -> Update:
        self.expect("UPDATE")
        table = self.parts()
        self.expect("SET")
        changes = self.listed(self._change)
        return Update(table, changes, self.condition() if self.take("WHERE") else None)

    def _change(self) -> tuple[str, Expression]:
        column = self.name()
        self.expect("=")
        return column, self.expression()

    def _delete(self) -> Delete:
        self.expect("DELETE", "FROM")
        return Delete(self.parts(), self.condition() if self.take("WHERE") else None)

    # --- the course of a batch

    def _declare(self) -> list[Statement]:
        self.expect("DECLARE")
        return list(self.listed(self._declaration))

    def _declaration(self) -> Statement:
        name = self.variable()
        self.take("AS")
        return Declare(name, self.type(), self.expression() if self.take("=") else None)

    def _set(self) -> Statement:
        self.expect("SET")
        if self.token.kind == "variable":
            name = self.variable()
            self.expect("=")
            return Assign(name, self.expression())
        if self.take("TRANSACTION", "ISOLATION", "LEVEL"):
            words = self.advance().word
            if words == "READ":
                words += " " + self.advance().word
            if words not in ISOLATION_LEVELS:
                raise SqlError(102, f"Incorrect syntax near '{words}': the stand-in does not know this level.", 15)
            return SetIsolation(words)
        return self._option()

    def _option(self) -> SetOption:
        option = self.one_of(*SET_OPTIONS)
        known = SET_OPTIONS[option].values
        if self.token.text.upper() not in known:
            raise self.refused()
        return SetOption(option, self.advance().text.upper())

    def _if(self) -> If:
        self.expect("IF")
        condition, then = self.condition(), self._statement()
        if self.is_at(";") and self.ahead(1).word == "ELSE":
            self.expect(";")
        return If(condition, then, self._statement() if self.take("ELSE") else None)

    def _begin(self) -> Statement:
        self.expect("BEGIN")
        if self.is_at("TRAN", "TRANSACTION"):
            self.advance()
            return Begin()
        found: list[Statement] = []
        while self._goes_on("END"):
            found += self._statements()
        self.expect("END")
        return Block(tuple(found))

    def _end_of_transaction(self, statement: Statement) -> Statement:
        self.advance()
        if self.is_at("TRAN", "TRANSACTION"):
            self.advance()
        return statement

    def _use(self) -> Use:
        self.expect("USE")
        return Use(self.name())

    def _wait(self) -> Wait:
        self.expect("WAITFOR", "DELAY")
        text = self.text()
        found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
        if not found:
            raise SqlError(148, f"Incorrect time syntax in time string '{text}' used with WAITFOR.", 15)
        return Wait(int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]))

    def _execute(self) -> Execute:
        self.advance()
        procedure = ".".join(self.parts()).lower()
        arguments = self.listed(self._argument) if self.token.kind == "variable" else ()
        return Execute(procedure, arguments)

    def _argument(self) -> tuple[str, Expression]:
        name = self.variable()
        self.expect("=")
        return name, self.expression()
