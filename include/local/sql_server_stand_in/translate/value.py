"""What is an expression once it is translated, and how are two of them compared?"""

from __future__ import annotations

from dataclasses import dataclass

from include.local.sql_server_stand_in.sql_types import BIT, NULL, SqlType, storage
from include.local.sql_server_stand_in.translate.macros import call


@dataclass(frozen=True)
class Value:
    """DuckDB's SQL for it, its type in T-SQL, and the text where it is a literal one."""

    sql: str
    type: SqlType
    text: str | None = None


def cast(sql: str, to: str) -> str:
    return f"CAST({sql} AS {to})"


def null(kind: SqlType = NULL) -> Value:
    return Value(cast("NULL", storage(kind)), kind)


def key(value: Value) -> str:
    """What is compared, grouped, sorted and kept unique in its stead: two values are the same when their keys are."""
    if value.type.is_text:
        return call("collated", value.sql)
    if value.type.name == "datetimeoffset":
        return f"({value.sql}).u"
    if value.type == BIT:
        return cast(value.sql, "UTINYINT")
    return value.sql


def has_own_key(kind: SqlType) -> bool:
    """Is the key another value than the value itself, so that several values share one?"""
    return kind.is_text or kind.name == "datetimeoffset"
