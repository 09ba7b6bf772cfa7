"""How are types and columns described on the wire? (TYPE_INFO 2.2.5.6, COLMETADATA 2.2.7.4)"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from include.local.sql_server_stand_in.catalogue.tables import Column
from include.local.sql_server_stand_in.sql_types import CHARS, DECIMALS, INTEGERS, MAX, SqlType
from include.local.sql_server_stand_in.tds.codes import COLLATION
from include.local.sql_server_stand_in.tds.reply import short_text

INTEGER, BIT, FLOAT, MONEY, DATETIME, GUID, DATE, XML = 0x26, 0x68, 0x6D, 0x6E, 0x6F, 0x24, 0x28, 0xF1
OF_DECIMAL = {"decimal": 0x6A, "numeric": 0x6C}
WITH_SCALE = {"time": 0x29, "datetime2": 0x2A, "datetimeoffset": 0x2B}
OF_TEXT = {"char": 0xAF, "varchar": 0xA7, "nchar": 0xEF, "nvarchar": 0xE7}
OF_BINARY = {"binary": 0xAD, "varbinary": 0xA5}
UNLIMITED = 0xFFFF

_FIXED = {
    "bit": bytes((BIT, 1)),
    "real": bytes((FLOAT, 4)),
    "float": bytes((FLOAT, 8)),
    "money": bytes((MONEY, 8)),
    "smallmoney": bytes((MONEY, 4)),
    "datetime": bytes((DATETIME, 8)),
    "smalldatetime": bytes((DATETIME, 4)),
    "date": bytes((DATE,)),
    "uniqueidentifier": bytes((GUID, 16)),
    "xml": bytes((XML, 0)),
    "rowversion": bytes((OF_BINARY["binary"], 8, 0)),
    "null": bytes((INTEGER, 4)),
    **{name: bytes((INTEGER, size)) for name, size in INTEGERS.items()},
}
_USER_TYPES = {"rowversion": 80}
_NULLABLE, _MAY_BE_WRITTEN = 0x01, 0x08


def decimal_size(precision: int) -> int:
    """Bytes, with that of the sign."""
    return 5 if precision <= 9 else 9 if precision <= 19 else 13 if precision <= 28 else 17


def time_size(scale: int) -> int:
    return 3 if scale <= 2 else 4 if scale <= 4 else 5


def type_info(kind: SqlType) -> bytes:
    if kind.name in _FIXED:
        return _FIXED[kind.name]
    if kind.name in DECIMALS:
        precision, scale = kind.precision or 0, kind.scale or 0
        return bytes((OF_DECIMAL[kind.name], decimal_size(precision), precision, scale))
    if kind.name in WITH_SCALE:
        return bytes((WITH_SCALE[kind.name], kind.scale or 0))
    width = 2 if kind.is_wide else 1
    length = UNLIMITED if kind.length == MAX else (kind.length or 1) * width
    code = OF_TEXT[kind.name] if kind.name in CHARS else OF_BINARY[kind.name]
    return struct.pack("<BH", code, length) + (COLLATION if kind.name in CHARS else b"")


def described(columns: Sequence[Column]) -> bytes:
    """COLMETADATA. Every column is said to be nullable: only the catalogue knows better, at a real server too."""
    found = [struct.pack("<BH", 0x81, len(columns))]
    for column in columns:
        head = struct.pack("<IH", _USER_TYPES.get(column.type.name, 0), _NULLABLE | _MAY_BE_WRITTEN)
        found.append(head + type_info(column.type) + short_text(column.name[:128]))
    return b"".join(found)
