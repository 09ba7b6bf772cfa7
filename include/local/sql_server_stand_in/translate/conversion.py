"""How does a value of one T-SQL type become one of another? (as SQL Server does it, or refused)"""

from __future__ import annotations

from collections.abc import Callable

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    MAX,
    MONEY,
    NULL,
    SqlType,
    storage,
)
from include.local.sql_server_stand_in.translate.as_text import as_text
from include.local.sql_server_stand_in.translate.date_time import (
    to_date,
    to_datetime,
    to_datetime2,
    to_datetimeoffset,
    to_smalldatetime,
    to_time,
)
from include.local.sql_server_stand_in.translate.macros import call
from include.local.sql_server_stand_in.translate.value import Value, cast, null


def convert(value: Value, to: SqlType, style: int | None = None, *, is_written: bool = False) -> Value:
    """The value as type `to`. A text or binary that is too long is refused where it `is_written`, else cut.

    Raises SqlError 529 for a conversion that the stand-in does not know.
    """
    if value.type == NULL:
        return null(to)
    if value.type == to and style is None:
        return value
    make = _MAKERS.get(to.name)
    sql = make(value, to) if make else _with_length(value, to, style, is_written)
    if sql is None:
        raise SqlError(
            529, f"Explicit conversion from {value.type.text()} to {to.text()} is not allowed: not in the stand-in."
        )
    return Value(sql, to)


def _to_integer(value: Value, to: SqlType) -> str | None:
    if value.type.is_text:
        return cast(call("text2int", value.sql), storage(to))
    if value.type.is_binary:
        return cast(call("bin2int", value.sql), storage(to))
    if value.type.name in DECIMALS | FLOATS:
        return cast(f"trunc({value.sql})", storage(to))  # DuckDB would round
    return cast(value.sql, storage(to)) if value.type.is_number else None


def _to_number(value: Value, to: SqlType) -> str | None:
    if value.type.is_text:
        return cast(f"trim({value.sql}, ' ')", storage(to))
    if value.type.name == "bit":
        return cast(cast(value.sql, "UTINYINT"), storage(to))
    return cast(value.sql, storage(to)) if value.type.is_number else None


def _to_bit(value: Value, to: SqlType) -> str | None:
    if value.type.name == "bit":
        return value.sql
    return f"({value.sql} <> 0)" if value.type.is_number else None


def _to_guid(value: Value, to: SqlType) -> str | None:
    return cast(value.sql, "UUID") if value.type.is_text or value.type == to else None


def _to_xml(value: Value, to: SqlType) -> str | None:
    return value.sql if value.type.is_text else None


def _with_length(value: Value, to: SqlType, style: int | None, is_written: bool) -> str | None:
    if to.is_text:
        text = as_text(value, style)
        return None if text is None else _fitted(text, value.type, to, is_written)
    return _to_binary(value, to, is_written) if style is None else None


def _fitted(text: str, of: SqlType, to: SqlType, is_written: bool) -> str:
    length = to.length or 1
    if length == MAX:
        return text
    is_sure_to_fit = of.is_text and of.length not in (None, MAX) and (of.length or 0) <= length
    if not is_sure_to_fit:
        fit = "fitwide" if to.is_wide else "fittext"
        text = call(fit, text, length) if is_written else f"left({text}, {length})"
    return call("padwide" if to.is_wide else "padtext", text, length) if to.name in ("char", "nchar") else text


def _to_binary(value: Value, to: SqlType, is_written: bool) -> str | None:
    length = 8 if to.name == "rowversion" else to.length or 1
    if value.type.name in INTEGERS:
        own = INTEGERS[value.type.name]
        return call(
            "int2bin", value.sql, length if to.name != "varbinary" else own if length == MAX else min(own, length)
        )
    if not value.type.is_binary:
        return None
    if length == MAX:
        return value.sql
    text = call("fitbin", value.sql, length) if is_written else value.sql
    return call("cutbin", text, length) if to.name == "varbinary" else call("padbin", text, length)


_MAKERS: dict[str, Callable[[Value, SqlType], str | None]] = {
    **dict.fromkeys(INTEGERS, _to_integer),
    **dict.fromkeys(DECIMALS | MONEY | FLOATS, _to_number),
    "bit": _to_bit,
    "uniqueidentifier": _to_guid,
    "xml": _to_xml,
    "date": to_date,
    "time": to_time,
    "datetime": to_datetime,
    "smalldatetime": to_smalldatetime,
    "datetime2": to_datetime2,
    "datetimeoffset": to_datetimeoffset,
}
