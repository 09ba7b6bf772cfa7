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
    (?:\s|--[^\n]*|/\*.*?\*/)*
    (?: (?P<wide>[Nn]'(?:[^']|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
    | (?P<binary>0[xX][0-9A-Fa-f]*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<variable>@@?[\w#$]+)
    | (?P<word>[^\W\d][\w#$]*|\#[\w#$]+)
    | (?P<symbol><>|<=|>=|!=|[-+*/%(),.;=<>])
    | (?P<end>\Z)
    )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> list[Token]:
    """All words but the last, which is END. Raises SqlError where no word begins."""
    found: list[Token] = []
    at, match = 0, _TOKEN.match
    while here := match(sql, at):
        kind, at = str(here.lastgroup), here.end()
        if kind == "end":
            found.append(END)
            return found
        text = here[kind]
        found.append(_SYMBOLS[text] if kind == "symbol" else _token(kind, text))
    rest = sql[at : at + 40].strip()
    if rest[:1] in ("'", '"', "["):
        raise SqlError(105, f"Unclosed quotation mark before the character string '{rest}'.", 15)
    raise not_known(rest)


def _token(kind: str, text: str) -> Token:
    if kind == "word":
        return Token(kind, text, text.upper())
    if kind in ("text", "wide"):
        inside = text[1:-1] if kind == "text" else text[2:-1]
        return Token(kind, inside.replace("''", "'") if "''" in inside else inside, "")
    if kind == "name":
        close = text[-1]
        return Token(kind, text[1:-1].replace(close * 2, close), "")
    return Token(kind, text, "")


_SYMBOLS = {text: Token("symbol", text, text) for text in ("<>", "<=", ">=", "!=", *"-+*/%(),.;=<>")}
