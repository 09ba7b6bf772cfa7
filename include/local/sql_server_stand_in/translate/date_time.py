"""How do dates and times become one another, exactly?"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import TICKS_PER_DAY, SqlType
from include.local.sql_server_stand_in.translate.macros import call
from include.local.sql_server_stand_in.translate.value import Value, cast

_LITERAL = re.compile(
    r"\s*(?:(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d))?(?P<between>T| +)?"
    r"(?:(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?:Z|(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d))?\s*"
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{3})?)?")
"""What Python reads as T-SQL does, and far faster."""
_FIRST = dt.datetime(1, 1, 1)
_TICKS_PER_MINUTE = 600_000_000


def literal_ticks(text: str) -> tuple[int, int]:
    """A literal as ticks of its own wall clock and minutes from UTC. Raises SqlError 241."""
    if _USUAL.fullmatch(text):
        with suppress(ValueError):
            return _ticks(dt.datetime.fromisoformat(text)), 0
    found = _LITERAL.fullmatch(text)
    part = found.groupdict() if found else {}
    if not (part.get("year") or part.get("hour")) or bool(part["between"]) != bool(part["year"] and part["hour"]):
        raise _no_date()
    number = {name: int(digits or 0) for name, digits in part.items() if name not in ("between", "sign", "fraction")}
    try:
        day = dt.date(number["year"] or 1, number["month"] or 1, number["day"] or 1).toordinal() - 1
        at = dt.time(number["hour"], number["minute"], number["second"])
    except ValueError:
        raise _no_date() from None
    hundred_nanoseconds = (int(((part["fraction"] or "") + "0" * 8)[:8]) + 5) // 10
    seconds = at.hour * 3600 + at.minute * 60 + at.second
    offset = (number["hours"] * 60 + number["minutes"]) * (-1 if part["sign"] == "-" else 1)
    return day * TICKS_PER_DAY + seconds * 10_000_000 + hundred_nanoseconds, offset


def _ticks(moment: dt.datetime) -> int:
    since = moment - _FIRST
    return since.days * TICKS_PER_DAY + since.seconds * 10_000_000 + since.microseconds * 10


def _no_date() -> SqlError:
    return SqlError(241, "Conversion failed when converting date and/or time from character string.")


def as_ticks(value: Value) -> str | None:
    """Ticks of its wall clock; None where it is no date and no text."""
    kind = value.type
    if value.text is not None:
        return str(literal_ticks(value.text)[0])
    if kind.is_text:
        return call("text2ticks", value.sql)
    if kind.name == "date":
        return call("ts2ticks", cast(value.sql, "TIMESTAMP"))
    if kind.name in ("datetime", "smalldatetime"):
        return call("ts2ticks", value.sql)
    if kind.name == "datetimeoffset":
        return call("dto2local", value.sql)
    return value.sql if kind.name == "datetime2" else None


def to_datetime2(value: Value, to: SqlType) -> str | None:
    return _rounded(as_ticks(value), value, to)


def to_time(value: Value, to: SqlType) -> str | None:
    if value.text is not None:
        ticks: str | None = str(literal_ticks(value.text)[0] % TICKS_PER_DAY)
    elif value.type.name == "time":
        ticks = value.sql
    elif value.type.is_text:
        ticks = call("time2ticks", value.sql)
    else:
        whole = as_ticks(value) if value.type.name != "date" else None
        ticks = None if whole is None else f"({whole}) % {TICKS_PER_DAY}"
    rounded = _rounded(ticks, value, to)
    return rounded if rounded == ticks else f"(({rounded}) % {TICKS_PER_DAY})"  # up to midnight, which is 00:00


def _rounded(ticks: str | None, value: Value, to: SqlType) -> str | None:
    unit = 10 ** (7 - (to.scale or 0))
    is_exact = unit == 1 or (value.type.name == to.name and (value.type.scale or 0) <= (to.scale or 0))
    return ticks if ticks is None or is_exact else call("roundticks", ticks, unit)


def to_date(value: Value, to: SqlType) -> str | None:
    if value.type.name == "date":
        return value.sql
    ticks = as_ticks(value)
    return None if ticks is None else cast(call("ticks2ts", ticks), "DATE")


def to_datetime(value: Value, to: SqlType) -> str | None:
    if value.type.name in ("datetime", "smalldatetime"):
        return value.sql
    ticks = as_ticks(value)
    return None if ticks is None else call("ticks2datetime", ticks)


def to_smalldatetime(value: Value, to: SqlType) -> str | None:
    if value.type.name == "smalldatetime":
        return value.sql
    ticks = as_ticks(value)
    return None if ticks is None else call("ticks2ts", call("roundticks", ticks, _TICKS_PER_MINUTE))


def to_datetimeoffset(value: Value, to: SqlType) -> str | None:
    """What has no offset is taken as UTC."""
    if value.text is not None:
        ticks, offset = literal_ticks(value.text)
        return call("dto", _rounded_ticks(str(ticks - offset * _TICKS_PER_MINUTE), to), offset)
    if value.type.name == "datetimeoffset":
        return call("dto", _rounded_ticks(f"({value.sql}).u", to), f"({value.sql}).o")
    if value.type.is_text:
        return call("text2dto", value.sql)
    found = as_ticks(value)
    return None if found is None else call("dto", _rounded_ticks(found, to), 0)


def _rounded_ticks(ticks: str, to: SqlType) -> str:
    return ticks if to.scale == 7 else call("roundticks", ticks, 10 ** (7 - (to.scale or 0)))


_TICKS_PER = {
    **dict.fromkeys(("day", "dd", "d"), TICKS_PER_DAY),
    **dict.fromkeys(("hour", "hh"), 36_000_000_000),
    **dict.fromkeys(("minute", "mi", "n"), _TICKS_PER_MINUTE),
    **dict.fromkeys(("second", "ss", "s"), 10_000_000),
    **dict.fromkeys(("millisecond", "ms"), 10_000),
    **dict.fromkeys(("microsecond", "mcs"), 10),
}


def ticks_per(part: str) -> int:
    """Of a DATEADD's first argument. Raises SqlError 155 for one that the stand-in does not know."""
    if part.lower() not in _TICKS_PER:
        raise SqlError(155, f"'{part}' is not a recognized dateadd option: the stand-in does not know it.", 15)
    return _TICKS_PER[part.lower()]
