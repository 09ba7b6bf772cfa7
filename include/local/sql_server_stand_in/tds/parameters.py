"""Which values does a client send with a call? (as DuckDB wants them: see sql_types.py for what is stored how)"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from include.local.sql_server_stand_in.sql_types import INTEGERS, MAX, TICKS_PER_DAY, SqlType
from include.local.sql_server_stand_in.tds.reader import Reader
from include.local.sql_server_stand_in.tds.type_info import (
    BIT,
    DATE,
    DATETIME,
    FLOAT,
    GUID,
    INTEGER,
    MONEY,
    OF_BINARY,
    OF_DECIMAL,
    OF_TEXT,
    UNLIMITED,
    WITH_SCALE,
    XML,
)

_BY_SIZE = {
    INTEGER: {size: name for name, size in INTEGERS.items()},
    BIT: {1: "bit"},
    FLOAT: {4: "real", 8: "float"},
    MONEY: {4: "smallmoney", 8: "money"},
    DATETIME: {4: "smalldatetime", 8: "datetime"},
    GUID: {16: "uniqueidentifier"},
}
_SCALED = {code: name for name, code in WITH_SCALE.items()}
_SIZED = {code: name for name, code in (OF_TEXT | OF_BINARY).items()}
_NO_VALUE = 0x1F
_UTF8_COLLATION = 0x04


def read_value(reader: Reader) -> tuple[SqlType, Any]:
    """One parameter: its TYPE_INFO, then its value. Raises ValueError for a type that the stand-in does not know."""
    code = reader.u8()
    if code in _SIZED:
        return _read_sized(reader, _SIZED[code])
    if code == XML:
        reader.u8()
        raw = reader.chunks()
        return SqlType("xml"), None if raw is None else raw.decode("utf-16-le")
    if code == _NO_VALUE:
        return SqlType("int"), None
    kind = _read_type(reader, code)
    raw = reader.take(reader.u8())
    return kind, _DECODERS[kind.name](raw, kind) if raw else None


def _read_type(reader: Reader, code: int) -> SqlType:
    if code in _BY_SIZE:
        return SqlType(_BY_SIZE[code][reader.u8()])
    if code in OF_DECIMAL.values():
        reader.u8()
        return SqlType("decimal", precision=reader.u8(), scale=reader.u8())
    if code in _SCALED:
        return SqlType(_SCALED[code], scale=reader.u8())
    if code == DATE:
        return SqlType("date")
    raise ValueError(f"parameters of type 0x{code:02X} are not known to the stand-in")


def _read_sized(reader: Reader, name: str) -> tuple[SqlType, Any]:
    size = reader.u16()
    collation = reader.take(5) if name in OF_TEXT else b""
    kind = SqlType(name, MAX if size == UNLIMITED else max(size // (2 if name[0] == "n" else 1), 1))
    raw = reader.chunks() if size == UNLIMITED else _short(reader)
    if raw is None or name in OF_BINARY:
        return kind, raw
    is_utf8 = bool(collation[3] & _UTF8_COLLATION)
    return kind, raw.decode("utf-16-le" if kind.is_wide else "utf-8" if is_utf8 else "cp1252", "replace")


def _short(reader: Reader) -> bytes | None:
    length = reader.u16()
    return None if length == UNLIMITED else reader.take(length)


# --- values


def _integer(raw: bytes, kind: SqlType) -> int:
    return int.from_bytes(raw, "little", signed=kind.name != "tinyint")


def _decimal(raw: bytes, kind: SqlType) -> Decimal:
    sign = 1 if raw[0] else -1
    return _scaled(sign * int.from_bytes(raw[1:], "little"), kind.scale or 0)


def _scaled(number: int, scale: int) -> Decimal:
    return Decimal(number).scaleb(-scale, Context(prec=60))


def _money(raw: bytes, kind: SqlType) -> Decimal:
    """The upper half comes first."""
    return _scaled(int.from_bytes(raw[4:] + raw[:4] if len(raw) == 8 else raw, "little", signed=True), 4)


def _float(raw: bytes, kind: SqlType) -> float:
    return float(struct.unpack("<f" if kind.name == "real" else "<d", raw)[0])


def _datetime(raw: bytes, kind: SqlType) -> dt.datetime:
    days, units = struct.unpack("<iI", raw)
    return dt.datetime(1900, 1, 1) + dt.timedelta(days=days, milliseconds=(units * 10 + 1) // 3)


def _smalldatetime(raw: bytes, kind: SqlType) -> dt.datetime:
    days, minutes = struct.unpack("<HH", raw)
    return dt.datetime(1900, 1, 1) + dt.timedelta(days=days, minutes=minutes)


def _date(raw: bytes, kind: SqlType) -> dt.date:
    return dt.date.fromordinal(int.from_bytes(raw, "little") + 1)


def _time(raw: bytes, kind: SqlType) -> int:
    return int(int.from_bytes(raw, "little") * 10 ** (7 - (kind.scale or 0)))


def _datetime2(raw: bytes, kind: SqlType) -> int:
    return _time(raw[:-3], kind) + int.from_bytes(raw[-3:], "little") * TICKS_PER_DAY


def _datetimeoffset(raw: bytes, kind: SqlType) -> dict[str, int]:
    return {"u": _datetime2(raw[:-2], kind), "o": struct.unpack("<h", raw[-2:])[0]}


_DECODERS: dict[str, Callable[[bytes, SqlType], Any]] = {
    **dict.fromkeys(INTEGERS, _integer),
    "bit": lambda raw, kind: raw != b"\0",
    "real": _float,
    "float": _float,
    "decimal": _decimal,
    "money": _money,
    "smallmoney": _money,
    "uniqueidentifier": lambda raw, kind: str(uuid.UUID(bytes_le=raw)),
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
    "date": _date,
    "time": _time,
    "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset,
}
