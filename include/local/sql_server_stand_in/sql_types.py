"""Which types of T-SQL are known, how are they spelt, and what keeps their values exactly in DuckDB?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.local.sql_server_stand_in.errors import SqlError

MAX = -1
"""The length of varchar(max)."""
TICKS_PER_DAY = 864_000_000_000
"""datetime2, time and datetimeoffset are counted in ticks of 100 ns since 0001-01-01 (time: since midnight), because
DuckDB's own TIMESTAMP keeps microseconds, and its TIMESTAMP_NS ends in 2262."""
DAYS_TO_1970 = 719_162
DAYS_TO_1900 = 693_595

CHARS = frozenset({"char", "varchar", "nchar", "nvarchar"})
BINARIES = frozenset({"binary", "varbinary", "rowversion"})
INTEGERS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
"""Name to bytes."""
DECIMALS = frozenset({"decimal", "numeric"})
MONEY = frozenset({"money", "smallmoney"})
FLOATS = frozenset({"real", "float"})
NUMBERS = frozenset(INTEGERS) | DECIMALS | MONEY | FLOATS | {"bit"}
COUNTED_IN_TICKS = frozenset({"datetime2", "time"})
DATE_TIMES = frozenset({"date", "datetime", "smalldatetime", "datetime2", "datetimeoffset"})


@dataclass(frozen=True)
class SqlType:
    """A type as it was declared."""

    name: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    def text(self) -> str:
        """As T-SQL spells it."""
        if self.name in CHARS | BINARIES - {"rowversion"}:
            return f"{self.name}({'max' if self.length == MAX else self.length})"
        if self.name in DECIMALS:
            return f"{self.name}({self.precision},{self.scale})"
        if self.name in COUNTED_IN_TICKS | {"datetimeoffset"}:
            return f"{self.name}({self.scale})"
        return self.name

    @property
    def is_text(self) -> bool:
        return self.name in CHARS

    @property
    def is_wide(self) -> bool:
        """Two bytes a character."""
        return self.name in ("nchar", "nvarchar")

    @property
    def is_binary(self) -> bool:
        return self.name in BINARIES

    @property
    def is_number(self) -> bool:
        return self.name in NUMBERS

    @property
    def is_date_time(self) -> bool:
        return self.name in DATE_TIMES


@dataclass(frozen=True)
class SystemType:
    """A row of sys.types."""

    system_id: int
    length: int
    precision: int = 0
    scale: int = 0


SYSTEM_TYPES = {
    "uniqueidentifier": SystemType(36, 16),
    "date": SystemType(40, 3, 10),
    "time": SystemType(41, 5, 16, 7),
    "datetime2": SystemType(42, 8, 27, 7),
    "datetimeoffset": SystemType(43, 10, 34, 7),
    "tinyint": SystemType(48, 1, 3),
    "smallint": SystemType(52, 2, 5),
    "int": SystemType(56, 4, 10),
    "smalldatetime": SystemType(58, 4, 16),
    "real": SystemType(59, 4, 24),
    "money": SystemType(60, 8, 19, 4),
    "datetime": SystemType(61, 8, 23, 3),
    "float": SystemType(62, 8, 53),
    "bit": SystemType(104, 1, 1),
    "decimal": SystemType(106, 17, 38, 38),
    "numeric": SystemType(108, 17, 38, 38),
    "smallmoney": SystemType(122, 4, 10, 4),
    "bigint": SystemType(127, 8, 19),
    "varbinary": SystemType(165, 8000),
    "varchar": SystemType(167, 8000),
    "binary": SystemType(173, 8000),
    "char": SystemType(175, 8000),
    "rowversion": SystemType(189, 8),
    "nvarchar": SystemType(231, 8000),
    "nchar": SystemType(239, 8000),
    "xml": SystemType(241, MAX),
}

NULL = SqlType("null")
"""The type of a bare NULL: any other type takes it in."""
BIT, INT, BIGINT, FLOAT = SqlType("bit"), SqlType("int"), SqlType("bigint"), SqlType("float")
DATETIME = SqlType("datetime")
DATETIME2 = SqlType("datetime2", scale=7)
DATETIMEOFFSET = SqlType("datetimeoffset", scale=7)
SYSNAME = SqlType("nvarchar", 128)

_STORED_AS = {
    "null": "INTEGER",
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "float": "DOUBLE",
    "money": "DECIMAL(19,4)",
    "smallmoney": "DECIMAL(10,4)",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "smalldatetime": "TIMESTAMP",
    "datetime2": "BIGINT",
    "time": "BIGINT",
    "datetimeoffset": "STRUCT(u BIGINT, o SMALLINT)",  # ticks in UTC, minutes from it
    "uniqueidentifier": "UUID",
    "rowversion": "BLOB",
    "binary": "BLOB",
    "varbinary": "BLOB",
    **dict.fromkeys((*CHARS, "xml"), "VARCHAR"),
}


def storage(kind: SqlType) -> str:
    """The DuckDB type that keeps it exactly."""
    if kind.name in DECIMALS:
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _STORED_AS[kind.name]


_SAME = {"timestamp": "rowversion", "integer": "int", "dec": "decimal"}
_SIZED = CHARS | frozenset({"binary", "varbinary"})
_FRACTIONED = COUNTED_IN_TICKS | {"datetimeoffset"}


def type_of(name: str, arguments: Sequence[str] = (), *, default_length: int = 1) -> SqlType:
    """A type from its name and what stands in its brackets. SQL Server's default length is 1, in a CAST 30.

    Raises SqlError 2715 for a type that the stand-in does not know, 102 for arguments that it does not take.
    """
    known = _SAME.get(name.lower(), name.lower())
    if known not in SYSTEM_TYPES:
        raise SqlError(2715, f"Cannot find data type {name}: the stand-in does not know it.", state=6)
    if known in _SIZED and len(arguments) <= 1:
        return SqlType(known, _length(arguments[0], known) if arguments else default_length)
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    if len(numbers) != len(arguments) or len(arguments) > _most_arguments(known):
        raise SqlError(102, f"Incorrect syntax near '{name}({', '.join(arguments)})'.", 15)
    if known in DECIMALS:
        return _decimal(known, *numbers)
    if known in _FRACTIONED:
        return SqlType(known, scale=_at_most(7, numbers[0] if numbers else 7))
    if known == "float" and numbers and numbers[0] <= 24:
        return SqlType("real")
    return SqlType(known)


def _most_arguments(name: str) -> int:
    return 2 if name in DECIMALS else 1 if name in _FRACTIONED | {"float"} else 0


def _length(text: str, name: str) -> int:
    most = 4000 if name.startswith("n") else 8000
    if text.lower() == "max" and name in ("varchar", "nvarchar", "varbinary"):
        return MAX
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise SqlError(131, f"The size ({text}) given to the type '{name}' exceeds the maximum allowed ({most}).", 15)
    return int(text)


def _decimal(name: str, precision: int = 18, scale: int = 0) -> SqlType:
    if not (1 <= precision <= 38 and scale <= precision):
        raise SqlError(183, f"The scale ({scale}) or precision ({precision}) of {name} is out of range.", 15)
    return SqlType(name, precision=precision, scale=scale)


def _at_most(most: int, scale: int) -> int:
    if scale > most:
        raise SqlError(1002, f"Line 1: Specified scale {scale} is invalid.", 15)
    return scale


_RANK = (
    *("datetimeoffset", "datetime2", "datetime", "smalldatetime", "date", "time"),
    *("float", "real", "decimal", "numeric", "money", "smallmoney", "bigint", "int", "smallint", "tinyint", "bit"),
    *("rowversion", "uniqueidentifier", "nvarchar", "nchar", "varchar", "char", "varbinary", "binary", "xml", "null"),
)
"""Of two types the one that comes first takes the other in (Microsoft: data type precedence)."""


def in_common(a: SqlType, b: SqlType) -> SqlType:
    """The type that COALESCE, CASE or a comparison makes of two."""
    if a == b:
        return a
    winner, other = sorted((a, b), key=lambda kind: _RANK.index(kind.name))
    if (winner.is_text and other.is_text) or (winner.is_binary and other.is_binary):
        return SqlType(winner.name, MAX if MAX in (a.length, b.length) else max(a.length or 8, b.length or 8))
    if winner.name in DECIMALS | MONEY and other.is_number:
        return _wider(as_decimal(winner), as_decimal(other))
    if winner.scale is not None and other.scale is not None and winner.name in _FRACTIONED:
        return SqlType(winner.name, scale=max(winner.scale, other.scale if other.name in _FRACTIONED else 0))
    return winner


def _wider(a: SqlType, b: SqlType) -> SqlType:
    scale, whole = max(a.scale or 0, b.scale or 0), max(_whole_digits(a), _whole_digits(b))
    return SqlType("decimal", precision=min(38, whole + scale), scale=scale)


def _whole_digits(kind: SqlType) -> int:
    return (kind.precision or 0) - (kind.scale or 0)


_AS_DECIMAL = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


def as_decimal(kind: SqlType) -> SqlType:
    """The decimal type that holds every value of an exact number's type."""
    if kind.name in MONEY:
        return SqlType("decimal", precision=19 if kind.name == "money" else 10, scale=4)
    if kind.name in _AS_DECIMAL:
        return SqlType("decimal", precision=_AS_DECIMAL[kind.name], scale=0)
    return kind
