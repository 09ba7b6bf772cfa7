"""INSERT … VALUES with many rows of plain literals, without a syntax tree.

A parsed row costs 1 ms (a sqlglot node per cell, then a bound expression per cell in DuckDB); this costs 0.03 ms.
Whatever is not exactly such a statement is left to the parser.
"""
from __future__ import annotations

import re

import pyarrow as pa
from sqlglot import exp

from .dialect import Table, convert, quote, to_sql, unbracket
from .types import T

LEAST = 4_000  # characters: shorter statements take the parser's way, so that it stays the one that tests know
HEAD = re.compile(r"\s*INSERT\s+INTO\s+((?:\[[^\]]+\]|\w+)(?:\.(?:\[[^\]]+\]|\w+)){0,2})\s*\(([\w\s,\[\]]+)\)\s*VALUES\s*", re.I)
CELL = re.compile(r"\s*(?:(NULL)|([+-]?\d+(?:\.\d+)?)|N?'((?:[^']|'')*)')\s*([,)])", re.I)
NEXT = re.compile(r"\s*,\s*\(|\s*;?\s*\Z")


def read(sql: str) -> tuple[list[str], list[str], list[list[str | None]], list[bool | None]] | None:
    """Table, columns, values by column, and whether a column's literals are numbers (None: all NULL). None: not such a statement."""
    head = HEAD.match(sql)
    if len(sql) < LEAST or not head or sql[head.end():head.end() + 1] != "(":
        return None
    names = [unbracket(name.strip())[0] for name in head[2].split(",")]
    values: list[list[str | None]] = [[] for _ in names]
    numeric: list[bool | None] = [None] * len(names)
    cell, pos, last = CELL.match, head.end() + 1, len(names) - 1
    while True:
        for i, column in enumerate(values):
            m = cell(sql, pos)
            if m is None or (m[4] == ")") != (i == last):
                return None
            pos = m.end()
            if m[1]:
                column.append(None)
                continue
            is_number = m[2] is not None
            if numeric[i] is None:
                numeric[i] = is_number
            elif numeric[i] != is_number:
                return None
            column.append(m[2] if is_number else m[3].replace("''", "'") if "''" in m[3] else m[3])
        m = NEXT.match(sql, pos)
        if m is None:
            return None
        if "(" not in m[0]:
            return unbracket(head[1]), names, values, numeric
        pos = m.end()


def plan(t: Table, names: list[str], values: list[list[str | None]], numeric: list[bool | None]) -> tuple[pa.Table, str] | None:
    """The rows, and the INSERT that takes them from the view `literal_rows`."""
    cols = [t.column(name) for name in names]
    if None in cols or any(t.columns[c].name == "rowversion" for c in cols):
        return None  # the parser's way has the right error
    picks = []
    for i, c in enumerate(cols):
        source: exp.Expression = exp.column(f"c{i}")
        kind = T("nvarchar", 4000)
        if numeric[i]:
            scale = max((len(v.partition(".")[2]) for v in values[i] if v), default=0)
            kind = T("decimal", None, 38, scale) if scale else T("bigint")
            source = exp.Cast(this=source, to=exp.DataType.build(f"DECIMAL(38,{scale})" if scale else "BIGINT", dialect="duckdb"))
        picks.append(to_sql(convert(source, kind, t.columns[c], strict=True)))
    rows = pa.table({f"c{i}": pa.array(column, pa.string()) for i, column in enumerate(values)})
    return rows, f"INSERT INTO {t.sql} ({', '.join(map(quote, cols))}) SELECT {', '.join(picks)} FROM literal_rows"
