"""How do many rows of literals get into a table without an expression of SQL for each?

DuckDB takes 1 ms to bind a row of twelve expressions; as columns of Arrow the same row costs 0.03 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.local.sql_server_stand_in.catalogue.tables import Column
from include.local.sql_server_stand_in.sql_types import BIGINT, COUNTED_IN_TICKS, TICKS_PER_DAY, SqlType
from include.local.sql_server_stand_in.t_sql.tree import Expression, Negative, Null, Number, Text
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.date_time import literal_ticks
from include.local.sql_server_stand_in.translate.value import Value, cast

FEWEST = 20
"""Rows; fewer are written as any other expressions are."""
_BY_TICKS = COUNTED_IN_TICKS | {"date", "datetime", "smalldatetime"}


@dataclass(frozen=True)
class LiteralRows:
    """The rows, and the SELECT that gives them to an INSERT once they are known as `literal_rows`."""

    rows: pa.Table
    sql: str


def read(rows: Sequence[Sequence[Expression]], columns: Sequence[Column]) -> LiteralRows | None:
    """None where the rows are few, or not of literals that are alike in each column."""
    if len(rows) < FEWEST:
        return None
    arrays, picks = [], []
    for at, (column, cells) in enumerate(zip(columns, zip(*rows, strict=True), strict=True)):
        made = _column(column.type, cells, f"_{at}")
        if made is None:
            return None
        arrays.append(made[0])
        picks.append(convert(made[1], column.type, is_written=True).sql)
    names = [f"_{at}" for at in range(len(columns))]
    return LiteralRows(pa.table(arrays, names), f"SELECT {', '.join(picks)} FROM literal_rows")


def _column(to: SqlType, cells: Sequence[Expression], name: str) -> tuple[pa.Array, Value] | None:
    kinds = {type(cell.operand) if isinstance(cell, Negative) else type(cell) for cell in cells} - {Null}
    if kinds <= {Text}:
        return _texts(to, cells, name)
    return _numbers(cells, name) if kinds == {Number} else None


def _texts(to: SqlType, cells: Sequence[Expression], name: str) -> tuple[pa.Array, Value] | None:
    texts = [cell.text if isinstance(cell, Text) else None for cell in cells]
    if to.name == "datetimeoffset":
        return None
    if to.name not in _BY_TICKS:
        return pa.array(texts, pa.string()), Value(name, SqlType("nvarchar", 4000))
    ticks = [None if text is None else literal_ticks(text)[0] for text in texts]
    if to.name == "time":
        of_day = [None if tick is None else tick % TICKS_PER_DAY for tick in ticks]
        return pa.array(of_day, pa.int64()), Value(name, SqlType("time", scale=7))
    return pa.array(ticks, pa.int64()), Value(name, SqlType("datetime2", scale=7))


def _numbers(cells: Sequence[Expression], name: str) -> tuple[pa.Array, Value] | None:
    """As text, which DuckDB reads exactly."""
    texts = [_number(cell) for cell in cells]
    given = [text for text in texts if text is not None]
    if any("e" in text.lower() for text in given):
        return None
    scale = max(len(text.partition(".")[2]) for text in given)
    if not scale:
        return pa.array(texts, pa.string()), Value(cast(name, "BIGINT"), BIGINT)
    kind = SqlType("decimal", precision=38, scale=scale)
    return pa.array(texts, pa.string()), Value(cast(name, f"DECIMAL(38,{scale})"), kind)


def _number(cell: Expression) -> str | None:
    if isinstance(cell, Negative) and isinstance(cell.operand, Number):
        return "-" + cell.operand.text
    return cell.text if isinstance(cell, Number) else None
