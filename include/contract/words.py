"""What do contracts of datasets and of entities have in common? (names, types, and what is checked of both)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from include.parts import Mistake

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
TYPES = (
    *("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL", "STRING", "BYTES"),
    *("DATE", "TIME", "DATETIME", "TIMESTAMP"),
)
NOT_FOR_KEYS = ("FLOAT64", "BYTES")
"""Types whose text is not one for one value: a key is compared as text."""
RESERVED = (
    *("system", "id_space", "source_key", "batch", "is_present", "rank"),
    *("source_system", "change_number", "changed_at", "operation", "is_event"),
    *("same_as", "taken_over_at", "valid_from", "valid_to"),
)
"""What the tables and views of an entity have beside its own columns."""
Privacy = Literal["none", "personal", "special"]
Collation = Literal["case_insensitive", "case_sensitive", "exact"]


def same_but_for_case(columns: Mapping[str, object]) -> Iterator[Mistake]:
    """BigQuery does not tell the cases of a column's name apart."""
    seen: dict[str, str] = {}
    for name in columns:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield ("columns", name), f"{other} and {name} are one column for BigQuery"


def known_type(value: str) -> str:
    if value not in TYPES:
        raise ValueError(f"'{value}' is not a type that we carry: write one of {', '.join(TYPES)}")
    return value


def column_names[T](columns: dict[str, T]) -> dict[str, T]:
    for name in columns:
        if not COLUMN.fullmatch(name):
            raise ValueError(f"'{name}' is not a column name: letters, digits and underscores, a letter first")
    return columns
