"""How does CAST or CONVERT spell a value? (the styles that are needed; any other is refused)"""

from __future__ import annotations

from include.local.sql_server_stand_in.sql_types import DECIMALS, INTEGERS, SqlType
from include.local.sql_server_stand_in.translate.date_time import as_ticks
from include.local.sql_server_stand_in.translate.macros import call
from include.local.sql_server_stand_in.translate.value import Value, cast

_FULL = {121: "' '", 126: "'T'"}
"""Style to what stands between date and time: all digits that the type has."""
_DATE_ONLY = {112: "'%Y%m%d'", 23: "'%Y-%m-%d'"}
_ISO_IN_UTC, _HEX_WITH_0X, _HEX, _FOUR_DECIMALS = 127, 1, 2, 2


def as_text(value: Value, style: int | None) -> str | None:
    """The value as text; None where the stand-in does not know how SQL Server spells it."""
    kind = value.type
    if kind.is_text:
        return value.sql if style is None else None
    if kind.is_date_time or kind.name == "time":
        return _date_time(value, style)
    if kind.is_binary:
        return {_HEX_WITH_0X: f"('0x' || hex({value.sql}))", _HEX: f"hex({value.sql})"}.get(style or 0)
    if kind.name == "money":
        return cast(value.sql, "VARCHAR") if style == _FOUR_DECIMALS else None
    return _plain(value.sql, kind) if style is None else None


def _plain(sql: str, kind: SqlType) -> str | None:
    if kind.name in INTEGERS or kind.name in DECIMALS:
        return cast(sql, "VARCHAR")
    if kind.name == "bit":
        return cast(cast(sql, "UTINYINT"), "VARCHAR")
    if kind.name == "uniqueidentifier":
        return f"upper({cast(sql, 'VARCHAR')})"
    return sql if kind.name == "xml" else None


def _date_time(value: Value, style: int | None) -> str | None:
    kind = value.type
    ticks = str(value.sql if kind.name == "time" else as_ticks(value))
    if style in _DATE_ONLY and kind.name != "time":
        return f"strftime({call('ticks2ts', ticks)}, {_DATE_ONLY[style]})"
    if kind.name == "datetimeoffset":
        return _with_offset(value, ticks, style)
    if style not in (None, *_FULL):
        return None
    if kind.name in ("date", "time"):
        return call("ticks2time", ticks, kind.scale) if kind.name == "time" else f"strftime({value.sql}, '%Y-%m-%d')"
    return _full(ticks, kind, style)


def _full(ticks: str, kind: SqlType, style: int | None) -> str | None:
    if kind.name in ("datetime", "smalldatetime") and style is None:
        return None  # 'Feb 29 2024 12:34PM': nobody needs it
    separator = _FULL[style or 121]
    digits = {"datetime": 3, "smalldatetime": 0}.get(kind.name, kind.scale)
    text = call("ticks2text", ticks, separator, digits)
    if kind.name == "datetime" and separator == _FULL[126]:  # leaves out milliseconds of zero
        return f"CASE WHEN ({ticks}) % 10000000 = 0 THEN {call('ticks2text', ticks, separator, 0)} ELSE {text} END"
    return text


def _with_offset(value: Value, ticks: str, style: int | None) -> str | None:
    digits = value.type.scale
    if style == _ISO_IN_UTC:
        return f"({call('ticks2text', f'({value.sql}).u', _FULL[126], digits)} || 'Z')"
    offset = call("offset2text", f"({value.sql}).o")
    if style == 126:
        return f"({call('ticks2text', ticks, _FULL[126], digits)} || {offset})"
    return f"({call('ticks2text', ticks, _FULL[121], digits)} || ' ' || {offset})" if style in (None, 121) else None
