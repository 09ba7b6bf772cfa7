"""What do COUNT, MIN, MAX, SUM, ROW_NUMBER and NTILE give? (no other aggregate, no other window)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import (
    BIGINT,
    DECIMALS,
    FLOATS,
    INT,
    INTEGERS,
    MONEY,
    SqlType,
    storage,
)
from include.local.sql_server_stand_in.t_sql.tree import Call, Over
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.value import Value, cast, has_own_key, key

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.translate.expression import ExpressionTranslator


def aggregate(translator: ExpressionTranslator, node: Call) -> Value:
    with translator.ungrouped():
        values = translator.values(node.arguments)
    if node.name in ("count", "count_big"):
        return _count(node, values)
    if len(values) != 1 or node.is_star or node.is_distinct:
        raise SqlError(174, f"The {node.name} function requires 1 argument(s).", 15)
    return _sum(values[0]) if node.name == "sum" else _extreme(node.name, values[0])


def _count(node: Call, values: list[Value]) -> Value:
    if not node.is_star and len(values) != 1:
        raise SqlError(174, f"The {node.name} function requires 1 argument(s).", 15)
    what = "*" if node.is_star else f"{'DISTINCT ' if node.is_distinct else ''}{key(values[0])}"
    kind = INT if node.name == "count" else BIGINT
    return Value(cast(f"count({what})", storage(kind)), kind)


def _extreme(name: str, value: Value) -> Value:
    if has_own_key(value.type):
        return Value(f"arg_{name}({value.sql}, {key(value)})", value.type)
    return Value(f"{name}({value.sql})", value.type)


def _sum(value: Value) -> Value:
    kind = value.type
    if kind.name in INTEGERS:
        to = BIGINT if kind == BIGINT else INT
    elif kind.name in DECIMALS:
        to = SqlType("decimal", precision=38, scale=kind.scale)
    elif kind.name in MONEY | FLOATS:
        to = SqlType("money" if kind.name in MONEY else "float")
    else:
        raise SqlError(8117, f"Operand data type {kind.name} is invalid for sum operator.")
    return Value(cast(f"sum({value.sql})", storage(to)), to)


def window(translator: ExpressionTranslator, node: Call) -> Value:
    assert node.over is not None
    values = translator.values(node.arguments)
    if node.name == "row_number" and not values and node.over.order:
        call = "row_number()"
    elif node.name == "ntile" and len(values) == 1 and node.over.order:
        call = f"ntile({convert(values[0], BIGINT).sql})"
    else:
        raise SqlError(102, f"Incorrect syntax near '{node.name}() OVER': the stand-in does not know it.", 15)
    return Value(f"{call} OVER ({_over(translator, node.over)})", BIGINT)


def _over(translator: ExpressionTranslator, over: Over) -> str:
    partition = ", ".join(key(value) for value in translator.values(over.partition))
    order = ", ".join(translator.ordering(item) for item in over.order)
    return f"{'PARTITION BY ' if partition else ''}{partition} ORDER BY {order}"
