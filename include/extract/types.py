"""Can this SQL Server type be carried exactly as that BigQuery type? (exact or refused, never approximated)"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

_INTEGERS = {"tinyint", "smallint", "int", "bigint"}
_TEXTS = {"char", "nchar", "varchar", "nvarchar", "uniqueidentifier"}
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


@dataclass(frozen=True)
class SourceColumn:
    """A column as SQL Server's catalog has it."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None
    fraction: int | None = None
    nullable: bool = True
    collation: str | None = None

    def text(self) -> str:
        """The type as T-SQL writes it, for messages."""
        if self.type in ("decimal", "numeric"):
            return f"{self.type}({self.precision},{self.scale})"
        if self.type in ("datetime2", "datetimeoffset", "time"):
            return f"{self.type}({self.fraction})"
        return self.type


def exact_types(column: SourceColumn) -> list[str]:
    """The BigQuery types that hold every value of this column exactly, the usual one first; none: it is refused."""
    kind = column.type
    if kind in _INTEGERS:
        return ["INT64"]
    if kind in _TEXTS:
        return ["STRING"]
    if kind in ("decimal", "numeric"):
        return _decimal(column.precision or 38, column.scale or 0)
    fixed = {
        "money": ["NUMERIC", "BIGNUMERIC"],
        "smallmoney": ["NUMERIC", "BIGNUMERIC"],
        "bit": ["BOOL"],
        "date": ["DATE"],
        "datetime": ["DATETIME"],
        "smalldatetime": ["DATETIME"],
        "float": ["FLOAT64"],
        "real": ["FLOAT64"],
        "binary": ["BYTES"],
        "varbinary": ["BYTES"],
        "timestamp": ["BYTES"],  # the catalog's name for rowversion
    }
    if kind == "datetime2" and (column.fraction or 0) <= 6:
        return ["DATETIME"]
    if kind == "time" and (column.fraction or 0) <= 6:
        return ["TIME"]
    return fixed.get(kind, [])


def why_refused(column: SourceColumn) -> str:
    """The reason, when `exact_types` gives none."""
    if column.type in ("datetime2", "time") and (column.fraction or 0) > 6:
        return "it keeps 100 ns, BigQuery 1 µs"
    return "no BigQuery type holds all its values exactly, or the way to carry it is not decided yet"


def arrow_type(bigquery_type: str) -> pa.DataType:
    """What a part holds for a BigQuery type: NUMERIC as decimal128(38, 9), BIGNUMERIC as decimal256(76, 38)."""
    base = re.split(r"[( ]", bigquery_type)[0]
    if base == "NUMERIC":
        return pa.decimal128(38, 9)
    if base == "BIGNUMERIC":
        return pa.decimal256(76, 38)
    return _ARROW[base]


def _decimal(precision: int, scale: int) -> list[str]:
    """NUMERIC has 29 digits before the point and 9 after it; BIGNUMERIC 38 and 38."""
    if scale <= 9 and precision - scale <= 29:
        return ["NUMERIC", "BIGNUMERIC"]
    return ["BIGNUMERIC"]
