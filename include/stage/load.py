"""How does a batch get into BigQuery? (one table per batch, replaced as a whole)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from include.errors import IntegrityError
from include.stage.log import Batch, ObjectStore, Part

KEPT_FOR = timedelta(days=14)
"""Staging tables expire; the parts stay while a live use case claims the dataset, so a table can be loaded again."""


class Facts(Protocol):
    @property
    def rows(self) -> int: ...
    @property
    def expires(self) -> bool: ...


class Warehouse(Protocol):
    """What we need of BigQuery to load: `include.clients.big_query.BigQuery`."""

    def load(self, table: str, uris: Sequence[str], columns: Mapping[str, str], *, job_id: str) -> int: ...
    def facts(self, table: str) -> Facts | None: ...
    def expire(self, table: str, at: datetime) -> None: ...


def load_parts(
    store: ObjectStore,
    warehouse: Warehouse,
    table: str,
    parts: Sequence[Part],
    columns: Mapping[str, str],
    *,
    job_id: str,
    now: datetime,
) -> int:
    """Load parts into `table` unless it holds their rows already; the number of rows loaded now.

    The job id carries the try: a failed job's id would answer with its failure for ever.
    Raises IntegrityError when BigQuery counts other than the log.
    """
    expected = sum(part.rows for part in parts)
    there = warehouse.facts(table)
    if there is not None and there.rows == expected:
        if not there.expires:  # a try was killed between its load and what follows it
            warehouse.expire(table, now + KEPT_FOR)
        return 0
    loaded = warehouse.load(table, [store.uri(part.path) for part in parts], columns, job_id=job_id)
    if loaded != expected:
        raise IntegrityError(
            f"BigQuery loaded {loaded} rows, the log says {expected}",
            where=table,
            remedy="nothing was merged; compare the parts with the log's entry, then run the task again",
        )
    warehouse.expire(table, now + KEPT_FOR)
    return loaded


def key_columns(batch: Batch) -> dict[str, str]:
    """The columns of a batch's key set, name to type."""
    return {name: batch.columns[name] for name in batch.key}
