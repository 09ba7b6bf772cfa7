"""How do the changes of a transaction become captured ones?

Without triggers: a captured table's statements give back their rows, which wait in the transaction. They are written at
its commit, within it and under the database's lock, so that versions and LSNs are in the order of commits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from include.local.sql_server_stand_in.capture import cdc, change_tracking
from include.local.sql_server_stand_in.capture.operations import AFTER, BEFORE, DELETED, INSERTED
from include.local.sql_server_stand_in.catalogue.tables import Database, Table


@dataclass(frozen=True)
class Change:
    """Rows of one statement. Of BEFORE and the AFTER that follows it the rows are in the same order."""

    table: Table
    operation: int
    rows: pa.Table


def of_update(table: Table, old: pa.Table, new: pa.Table) -> list[Change]:
    """An update as pairs of before and after; a changed key is a delete and an insert."""
    if not table.primary_key:
        return [Change(table, DELETED, old), Change(table, INSERTED, new)]
    was, now = _places(table, old), _places(table, new)
    both = sorted(key for key in was if key in now)
    found = [
        Change(table, BEFORE, _taken(old, [was[key] for key in both])),
        Change(table, AFTER, _taken(new, [now[key] for key in both])),
        Change(table, DELETED, _taken(old, [at for key, at in was.items() if key not in now])),
        Change(table, INSERTED, _taken(new, [at for key, at in now.items() if key not in was])),
    ]
    return [change for change in found if change.rows.num_rows]


def _taken(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    return rows.take(pa.array(places, pa.int64()))


def _places(table: Table, rows: pa.Table) -> Mapping[tuple[Any, ...], int]:
    keys = zip(*(rows.column(name).to_pylist() for name in table.primary_key), strict=True)
    return {key: at for at, key in enumerate(keys)}


def write(connection: Any, database: Database, changes: Sequence[Change]) -> None:
    """Within the committing transaction, under the database's lock."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    tracked = [change for change in changes if change.table.is_tracked and change.operation != BEFORE]
    if tracked:
        change_tracking.write(connection, database, [(c.table, c.operation, c.rows) for c in tracked], now)
    if any(change.table.instances for change in changes):
        cdc.write(connection, database, _with_others(changes), now)


def _with_others(changes: Sequence[Change]) -> list[cdc.Captured]:
    """Each change with the rows of the other half of its pair: of what differs the update mask is made."""
    found = []
    for at, change in enumerate(changes):
        other = {BEFORE: at + 1, AFTER: at - 1}.get(change.operation)
        found.append(
            cdc.Captured(change.table, change.operation, change.rows, None if other is None else changes[other].rows)
        )
    return found
