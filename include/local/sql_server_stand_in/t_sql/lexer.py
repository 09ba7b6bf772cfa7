"""What are the words of a batch of T-SQL?"""

from __future__ import annotations

import re
from typing import NamedTuple

from include.local.sql_server_stand_in.errors import SqlError, not_known


class Token(NamedTuple):
    """`kind` is word, name (in brackets or double quotes), text, wide, number, binary, variable, symbol or end.

    `text` is without quotes and brackets; `word` is the upper case of a bare word or symbol, else empty.
    """

    kind: str
    text: str
    word: str


END = Token("end", "end of the batch", "")

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<wide>[Nn]'(?:[^']|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
    | (?P<binary>0[xX][0-9A-Fa-f]*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<variable>@@?[\w#$]+)
    | (?P<word>[^\W\d][\w#$]*|\#[\w#$]+)
    | (?P<symbol><>|<=|>=|!=|[-+*/%(),.;=<>])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> list[Token]:
    """All words but the last, which is END. Raises SqlError where no word begins."""
    found, at = [], 0
    for match in _TOKEN.finditer(sql):
        if match.start() != at:
            break
        at = match.end()
        kind = match.lastgroup or ""
        if kind != "blank":
            found.append(_token(kind, match.group()))
    if at != len(sql):
        if sql[at] in "'\"[":
            raise SqlError(105, f"Unclosed quotation mark before the character string '{sql[at : at + 40]}'.", 15)
        raise not_known(sql[at : at + 40])
    found.append(END)
    return found


def _token(kind: str, text: str) -> Token:
    if kind in ("word", "symbol"):
        return Token(kind, text, text.upper())
    if kind == "text":
        return Token(kind, text[1:-1].replace("''", "'"), "")
    if kind == "wide":
        return Token(kind, text[2:-1].replace("''", "'"), "")
    if kind == "name":
        close = text[-1]
        return Token(kind, text[1:-1].replace(close * 2, close), "")
    return Token(kind, text, "")
