"""What do +, -, *, / and % give, and of which type? (exact where SQL Server is exact, else refused)"""

from __future__ import annotations

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import (
    FLOATS,
    INTEGERS,
    MAX,
    NULL,
    SqlType,
    as_decimal,
    in_common,
    storage,
)
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.value import Value, cast


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    a, b = left.type, right.type
    if NULL in (a, b):
        left, right = convert(left, b), convert(right, a)
        a, b = left.type, right.type
    if operator == "+" and ((a.is_text and b.is_text) or (a.is_binary and b.is_binary)):
        return Value(f"({left.sql} || {right.sql})", _joined(a, b))
    if a.is_text != b.is_text:  # '1' + 1: the text becomes a number
        left, right = (convert(left, b), right) if a.is_text else (left, convert(right, a))
        a, b = left.type, right.type
    kind = _result(operator, a, b)
    if kind is None:
        raise SqlError(
            8117, f"Operand data types {a.name} and {b.name} are invalid for operator {operator}: not in the stand-in."
        )
    if operator == "/" and kind.name in INTEGERS:
        operator = "//"
    return Value(cast(f"{left.sql} {operator} {right.sql}", storage(kind)), kind)


def _joined(a: SqlType, b: SqlType) -> SqlType:
    name = "varbinary" if a.is_binary else "nvarchar" if a.is_wide or b.is_wide else "varchar"
    if MAX in (a.length, b.length):
        return SqlType(name, MAX)
    return SqlType(name, min((a.length or 1) + (b.length or 1), 4000 if name == "nvarchar" else 8000))


def _result(operator: str, a: SqlType, b: SqlType) -> SqlType | None:
    if not (a.is_number and b.is_number) or "bit" in (a.name, b.name):
        return None
    if a.name in INTEGERS and b.name in INTEGERS:
        return in_common(a, b)
    if a.name in FLOATS or b.name in FLOATS:
        return SqlType("float") if operator != "%" else None
    return _exact(operator, as_decimal(a), as_decimal(b))


def _exact(operator: str, a: SqlType, b: SqlType) -> SqlType | None:
    """Microsoft: precision, scale, and length. DuckDB divides decimals as floats: so they are not divided here."""
    (p1, s1), (p2, s2) = ((kind.precision or 0, kind.scale or 0) for kind in (a, b))
    if operator in ("+", "-"):
        scale = max(s1, s2)
        precision = max(p1 - s1, p2 - s2) + scale + 1
    elif operator == "*":
        precision, scale = p1 + p2 + 1, s1 + s2
    else:
        return None
    return SqlType("decimal", precision=min(precision, 38), scale=scale) if scale <= 38 else None
