"""Where in a batch is the reading, and what stands there?"""

from __future__ import annotations

from collections.abc import Callable

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import SqlType, type_of
from include.local.sql_server_stand_in.t_sql.lexer import END, Token, tokens
from include.local.sql_server_stand_in.t_sql.tree import Parts

_RESERVED = """
    ALTER AND AS ASC BEGIN BETWEEN BY CASE COMMIT CREATE CROSS DECLARE DEFAULT DELETE DESC DISTINCT DROP ELSE
    END EXCEPT EXEC EXECUTE EXISTS FETCH FOR FROM FULL GROUP HAVING IF IN INNER INSERT INTERSECT INTO IS JOIN
    LEFT LIKE MERGE NOT NULL ON OPTION OR ORDER OUTER OVER PERCENT PIVOT PRIMARY RIGHT ROLLBACK SAVE SELECT SET
    TABLE TABLESAMPLE THEN TOP TRUNCATE UNION UNIQUE UNPIVOT UPDATE USE USING VALUES WAITFOR WHEN WHERE WHILE
    WITH
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that are no name unless they stand in brackets; those of SQL Server's list that the grammar has to know."""


class Cursor:
    """The reading of one batch, word by word. Whatever is not expected here is refused."""

    def __init__(self, sql: str) -> None:
        self._tokens = tokens(sql)
        self._at = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def ahead(self, by: int) -> Token:
        at = self._at + by
        return self._tokens[at] if at < len(self._tokens) else END

    def advance(self) -> Token:
        token = self._tokens[self._at]
        if token is not END:
            self._at += 1
        return token

    def is_at(self, *words: str) -> bool:
        return self.token.word in words

    def take(self, *words: str) -> bool:
        """Goes past these words if exactly they stand here, one after the other."""
        for place, word in enumerate(words):
            if self.ahead(place).word != word:
                return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                raise self.refused()

    def refused(self) -> SqlError:
        """The error for what stands here."""
        near = " ".join(token.text for token in self._tokens[self._at : self._at + 4] if token is not END)
        return SqlError(102, f"Incorrect syntax near '{near or END.text}': the stand-in does not know it.", 15)

    def one_of(self, *words: str) -> str:
        if not self.is_at(*words):
            raise self.refused()
        return self.advance().word

    def is_name(self) -> bool:
        token = self.token
        return token.kind == "name" or (token.kind == "word" and token.word not in RESERVED)

    def name(self) -> str:
        if not self.is_name():
            raise self.refused()
        return self.advance().text

    def parts(self) -> Parts:
        """A name with what qualifies it; an omitted part is empty, as in `database..table`."""
        found = [self.name()]
        while self.take("."):
            found.append("" if self.is_at(".") else self.name())
        return tuple(found)

    def bracketed_names(self) -> tuple[str, ...]:
        self.expect("(")
        found = self.listed(self.name)
        self.expect(")")
        return found

    def listed[Found](self, read: Callable[[], Found]) -> tuple[Found, ...]:
        """One or more, with commas between."""
        found = [read()]
        while self.take(","):
            found.append(read())
        return tuple(found)

    def variable(self) -> str:
        if self.token.kind != "variable" or self.token.text.startswith("@@"):
            raise self.refused()
        return self.advance().text.lower()

    def whole_number(self) -> int:
        if self.token.kind != "number" or not self.token.text.isdigit():
            raise self.refused()
        return int(self.advance().text)

    def text(self) -> str:
        if self.token.kind not in ("text", "wide"):
            raise self.refused()
        return self.advance().text

    def type(self, *, default_length: int = 1) -> SqlType:
        name = self.name()
        arguments: tuple[str, ...] = ()
        if self.take("("):
            arguments = self.listed(lambda: self.advance().text)
            self.expect(")")
        return type_of(name, arguments, default_length=default_length)
