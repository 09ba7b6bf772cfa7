"""Up to which batch has each mapping of an entity merged? (`ledger.<entity>`)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from include.errors import NotDeployed
from include.rendering import table as quoted


class Warehouse(Protocol):
    """What we need of BigQuery: `include.clients.big_query.BigQuery`."""

    def query(self, sql: str, params: Mapping[str, Any] | None = None, *, where: str = "") -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class MappingProgress:
    """The last merge of a mapping: up to which batch, with which meaning, and what it did."""

    batch: int
    mapping_hash: str
    merged_at: datetime | None = None
    rows_taken: int = 0
    rows_conformed: int = 0
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    events: int = 0
    contested: int = 0
    followed: int = 0
    vanished: int = 0
    unsettled: int = 0
    quarantined: int = 0
    run_id: str = ""


NEVER = MappingProgress(0, "")


@dataclass(frozen=True)
class EntityProgress:
    """An entity's change log: its epoch and last number, and the progress of each mapping by its file's stem."""

    epoch: str
    change_number: int
    changed_at: datetime
    mappings: Mapping[str, MappingProgress]

    def of(self, stem: str) -> MappingProgress:
        return self.mappings.get(stem, NEVER)


def read_progress(warehouse: Warehouse, ledger_table: str) -> EntityProgress:
    """Raises NotDeployed unless the ledger has one row for the entity."""
    rows = warehouse.query(f"SELECT * FROM {quoted(ledger_table)}", where=ledger_table)
    entities = [row for row in rows if row["name"] == "entity"]
    if len(entities) != 1:
        raise NotDeployed(
            f"the ledger has {len(entities)} rows for the entity instead of one",
            where=ledger_table,
            remedy="its one row is made with the table: restore both from BigQuery's time travel",
        )
    (entity,), names = entities, [field.name for field in fields(MappingProgress)]
    if lacks := [name for name in names if name not in entity]:
        raise NotDeployed(
            f"the ledger has no column {', '.join(lacks)}",
            where=ledger_table,
            remedy="run `python -m include tables apply`: it adds columns",
        )
    mappings = {
        row["name"]: MappingProgress(**{n: row[n] for n in names if row[n] is not None})
        for row in rows
        if row is not entity
    }
    return EntityProgress(entity["epoch"], entity["change_number"], entity["changed_at"], mappings)
