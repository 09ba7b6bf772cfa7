"""Can this SQL Server type be carried exactly as that BigQuery type? (exact or refused, never approximated)

The decisions are one table, `RULES`; `docs/types.md` is written from it. Where the driver or BigQuery would lose
something, a rule says which T-SQL the source converts the column by, so that only exact values travel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

_ARROW = {
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}
OFFSET = "DATEPART(tz, {})"
"""The minutes from UTC of a datetimeoffset: what an `offset_of` column holds."""
MAX = -1
"""The catalog's length of varchar(max)."""
_MOST_WIDE = 4000
"""Characters of the longest nvarchar that is not (max)."""
Trait = Literal["", "computed", "volatile", "masked", "encrypted"]


@dataclass(frozen=True)
class SourceColumn:
    """A column as SQL Server's catalog has it. An alias type has the name of its base, a CLR type its own.

    trait: `computed` from its row alone; `volatile`: computed from more than its row; `masked` for our login;
    `encrypted` by a key that we do not have.
    """

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None
    fraction: int | None = None
    nullable: bool = True
    collation: str | None = None
    length: int | None = None
    trait: Trait = ""

    def text(self) -> str:
        """The type as T-SQL writes it."""
        if self.type in ("decimal", "numeric"):
            return f"{self.type}({self.precision},{self.scale})"
        if self.type in ("datetime2", "datetimeoffset", "time"):
            return f"{self.type}({self.fraction})"
        if self.type in _SIZED and self.length is not None:
            return f"{self.type}({'max' if self.length == MAX else self.length})"
        return self.type

    def told(self) -> str:
        """The type as the log keeps it: with the collation where it decides over the code page, and `not null`."""
        collation = f" {self.collation}" if self.type in ("char", "varchar", "text") and self.collation else ""
        return f"{self.text()}{collation}{'' if self.nullable else ' not null'}"


_SIZED = ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary")


@dataclass(frozen=True)
class Target:
    """A BigQuery type that holds every value. `sql`: what the source is asked for ({} is the column, quoted)."""

    type: str
    sql: str = "{}"


@dataclass(frozen=True)
class Rule:
    """What is decided of some types. `targets` gives none for a column that is refused; `remark` is for the page."""

    types: tuple[str, ...]
    targets: Callable[[SourceColumn], Sequence[Target]]
    remark: str = ""
    refused: str = ""


def _always(*targets: Target) -> Callable[[SourceColumn], Sequence[Target]]:
    return lambda column: targets


def _decimal(column: SourceColumn) -> Sequence[Target]:
    """NUMERIC has 29 digits before the point and 9 after it; BIGNUMERIC 38 and 38."""
    precision, scale = column.precision or 38, column.scale or 0
    fits = scale <= 9 and precision - scale <= 29
    return [Target("NUMERIC"), Target("BIGNUMERIC")] if fits else [Target("BIGNUMERIC")]


def _up_to_microseconds(kind: str, characters: int) -> Callable[[SourceColumn], Sequence[Target]]:
    """100 ns are more than BigQuery's 1 µs: these travel as text with all seven digits."""
    text = Target("STRING", f"CONVERT(varchar({characters}), {{}}, 121)")
    return lambda column: [text] if (column.fraction or 0) > 6 else [Target(kind)]


def _with_offset(column: SourceColumn) -> Sequence[Target]:
    text = Target("STRING", "CONVERT(varchar(34), {}, 121)")
    return [text] if (column.fraction or 0) > 6 else [Target("TIMESTAMP"), text]


def _narrow_text(column: SourceColumn) -> Sequence[Target]:
    length = column.length if column.length and 0 < column.length <= _MOST_WIDE else "max"
    return [Target("STRING", f"CAST({{}} AS nvarchar({length}))")]


_WHOLE_TEXT = _always(Target("STRING", "CAST({} AS nvarchar(max))"))
_WHOLE_BYTES = _always(Target("BYTES", "CAST({} AS varbinary(max))"))
_NONE = _always()
_SEVEN_DIGITS = "with 7 digits of a second only as text: BigQuery keeps 1 µs, it 100 ns"

RULES = (
    Rule(("tinyint", "smallint", "int", "bigint"), _always(Target("INT64"))),
    Rule(("bit",), _always(Target("BOOL"))),
    Rule(
        ("decimal", "numeric"),
        _decimal,
        "NUMERIC holds 29 digits before the point and 9 after it, BIGNUMERIC 38 and 38: every decimal",
    ),
    Rule(("money", "smallmoney"), _always(Target("NUMERIC"), Target("BIGNUMERIC")), "4 digits after the point"),
    Rule(("float",), _always(Target("FLOAT64")), "the same 64 bits; it may not be a key"),
    Rule(("real",), _always(Target("FLOAT64")), "the same binary value, so 0.1 reads 0.10000000149011612; no key"),
    Rule(("date",), _always(Target("DATE"))),
    Rule(("time",), _up_to_microseconds("TIME", 16), _SEVEN_DIGITS),
    Rule(("datetime",), _always(Target("DATETIME")), "to the millisecond, as SQL Server shows it: .000, .003, .007"),
    Rule(("smalldatetime",), _always(Target("DATETIME"))),
    Rule(("datetime2",), _up_to_microseconds("DATETIME", 27), _SEVEN_DIGITS),
    Rule(
        ("datetimeoffset",),
        _with_offset,
        f"TIMESTAMP is the instant; its minutes from UTC are a column of their own (`offset_of`); {_SEVEN_DIGITS}",
    ),
    Rule(
        ("char", "varchar"),
        _narrow_text,
        "the driver turns bytes that the code page does not define (1252: 81, 8D, 8F, 90, 9D) into '?', SQL Server "
        "keeps them; the blanks that fill up a char are kept",
    ),
    Rule(("nchar", "nvarchar"), _always(Target("STRING")), "half a surrogate pair is refused: it is no Unicode"),
    Rule(("text", "ntext"), _WHOLE_TEXT),
    Rule(("binary", "varbinary"), _always(Target("BYTES")), "FILESTREAM, too; it may not be a key"),
    Rule(("image",), _WHOLE_BYTES),
    Rule(("timestamp",), _always(Target("BYTES")), "the catalog's name for rowversion"),
    Rule(("uniqueidentifier",), _always(Target("STRING")), "36 characters, letters in upper case"),
    Rule(
        ("xml",),
        _WHOLE_TEXT,
        "as SQL Server keeps it: without the declaration, blanks between elements, the kind of quotes",
    ),
    Rule(("json",), _WHOLE_TEXT, "as SQL Server keeps it: without blanks between its parts"),
    Rule(
        ("hierarchyid",),
        _always(Target("STRING", "CAST({} AS nvarchar(4000))"), Target("BYTES", "CAST({} AS varbinary(892))")),
        "the path (/1/2.1/), or SQL Server's own bytes",
    ),
    Rule(
        ("geography", "geometry"),
        _WHOLE_BYTES,
        "SQL Server's own bytes, with SRID, Z and M: GEOGRAPHY has none of these, and text loses the SRID",
    ),
    Rule(
        ("vector",),
        _NONE,
        refused="its text has 8 digits, and a float of 32 bits needs 9; have a view that splits it into numbers",
    ),
    Rule(
        ("sql_variant",),
        _NONE,
        refused="each row may be of another type; have a computed column or a view that casts it to one",
    ),
)
_RULE_OF = {kind: rule for rule in RULES for kind in rule.types}
_OWN_CODE = (
    "only its own code knows what it means (a CLR type); have a computed column or a view that gives it as text or "
    "varbinary"
)
_TRAITS = {
    "masked": "its values are masked for our login; have UNMASK granted",
    "encrypted": "it is encrypted by a key that SQL Server does not have; have a column that may be read",
}


def targets(column: SourceColumn) -> Sequence[Target]:
    """What holds every value of this column exactly, the usual one first; none: it is refused."""
    rule = _RULE_OF.get(column.type)
    return [] if rule is None or column.trait in _TRAITS else rule.targets(column)


def exact_types(column: SourceColumn) -> list[str]:
    """The BigQuery types of `targets`."""
    return [target.type for target in targets(column)]


def why_refused(column: SourceColumn) -> str:
    """The reason, when `targets` gives none."""
    rule = _RULE_OF.get(column.type)
    return _TRAITS.get(column.trait) or (_OWN_CODE if rule is None else rule.refused)


def conversion(column: SourceColumn, declared: str, quoted: str) -> str:
    """The T-SQL that gives this column as the declared type: its bare name where nothing must be converted."""
    return next(target.sql for target in targets(column) if target.type == declared).format(quoted)


def arrow_type(bigquery_type: str) -> pa.DataType:
    """What a part holds for a BigQuery type: NUMERIC as decimal128(38, 9), BIGNUMERIC as decimal256(76, 38)."""
    base = re.split(r"[( ]", bigquery_type)[0]
    if base == "NUMERIC":
        return pa.decimal128(38, 9)
    if base == "BIGNUMERIC":
        return pa.decimal256(76, 38)
    return _ARROW[base]
