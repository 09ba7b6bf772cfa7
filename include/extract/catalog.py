"""What does SQL Server's catalog say of a table?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include.extract import query
from include.extract.types import SourceColumn, Trait
from include.extract.way import Session


@dataclass(frozen=True)
class Catalog:
    """What SQL Server says of a table; an empty `primary_key` when it has none."""

    columns: Sequence[SourceColumn]
    primary_key: Sequence[str]
    is_partitioned: bool = False

    def types(self) -> dict[str, str]:
        """Every column to its type, for the log: the next batch is told by it what has changed."""
        return {column.name: column.told() for column in self.columns}


@dataclass(frozen=True)
class Captures:
    """What of a table's changes the source keeps already."""

    change_tracking: bool = False
    cdc: bool = False


def read_catalog(session: Session, table: str) -> Catalog:
    """What SQL Server says of `table`: no column when it is missing or hidden from us."""
    columns, key, traits = query.columns_of(table), query.primary_key_of(table), query.traits_of(table)
    partitions = query.partitions_of(table)
    found = {name: _trait(*said) for name, *said in session.rows(traits.sql, traits.params)}
    return Catalog(
        [
            SourceColumn(name, kind, p, s, f, nullable == "YES", collation, length, found.get(name, ""))
            for name, kind, length, p, s, f, nullable, collation in session.rows(columns.sql, columns.params)
        ],
        [row[0] for row in session.rows(key.sql, key.params)],
        bool(session.rows(partitions.sql, partitions.params)),
    )


def _trait(computed: Any, masked: Any, encrypted: Any, deterministic: Any, reads_others: Any, unmask: Any) -> Trait:
    if encrypted is not None:
        return "encrypted"
    if masked and unmask != 1:
        return "masked"
    if not computed:
        return ""
    return "computed" if deterministic == 1 and reads_others != 1 else "volatile"


def read_unique_indexes(session: Session, table: str) -> list[list[str]]:
    """The columns of each unique index of `table`, that of the primary key included."""
    found: dict[str, list[str]] = {}
    asked = query.unique_indexes_of(table)
    for index, column in session.rows(asked.sql, asked.params):
        found.setdefault(index, []).append(column)
    return list(found.values())


def is_indexed(session: Session, table: str, column: str) -> bool:
    """Whether an index begins with a column: what is next in its order is found without reading the whole table."""
    asked = query.indexes_that_begin_with(table, column)
    return bool(session.scalar(asked.sql, asked.params))


def is_split_by(session: Session, table: str, column: str, *, is_partitioned: bool) -> bool:
    """Whether a table's rows lie in the order of a column, so that its ends and its ranges are found without reading
    the rest. (By another index each row of a range would be looked up by itself, or the whole table be read; and of a
    partitioned table the ends are found so only by what partitions it.)"""
    asked = query.clustered_by(table)
    places = {name: (key, partition) for name, key, partition in session.rows(asked.sql, asked.params)}
    key, partition = places.get(column, (0, 0))
    return key == 1 and (partition == 1 or not is_partitioned)


def read_captures(session: Session, table: str) -> Captures:
    """What captures the changes of `table` now."""
    asked = query.captures_of(table)
    found = session.rows(asked.sql, asked.params)
    return Captures(change_tracking=found[0][0] is not None, cdc=bool(found[0][1])) if found else Captures()
