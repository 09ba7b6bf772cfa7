"""Are the batches that must be merged in BigQuery? (the task `load.<dataset>`)"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.catalogue import Catalogue
from include.contract import Landed
from include.names import DatasetName
from include.run import Run
from include.stage.load import key_columns, load_parts
from include.stage.log import Batch, Part
from include.steps.chain import read_unmerged
from include.steps.servers import Servers
from include.use_case import UseCase

log = logging.getLogger(__name__)


def load_dataset(
    catalogue: Catalogue, servers: Servers, run: Run, use_case: UseCase, name: DatasetName
) -> dict[str, Any]:
    """Load every batch that a mapping of the use case must still take; batches that are loaded already are kept."""
    if isinstance(catalogue.dataset(name).capture, Landed):
        log.info("%s: a landing table is read in place, nothing is loaded", name)
        return {"dataset": str(name), "read_in_place": True}
    chains = [read_unmerged(catalogue, servers, m).required() for m in use_case.mappings if m.source == name]
    wanted = {batch.number: batch for chain in chains for batch in chain}
    loaded = stage(catalogue, servers, run, name, wanted.values())
    return {"dataset": str(name), "batches": sorted(wanted), "rows_loaded": loaded}


def stage(catalogue: Catalogue, servers: Servers, run: Run, name: DatasetName, batches: Iterable[Batch]) -> int:
    """Make sure that the batches' staging tables are there; the number of rows loaded now."""
    if isinstance(catalogue.dataset(name).capture, Landed):
        return 0
    return sum(_stage_one(servers, run, name, batch) for batch in batches)


def _stage_one(servers: Servers, run: Run, name: DatasetName, batch: Batch) -> int:
    """A table for its rows, and for what else it has: the catch-up of ranges, the key set."""

    def put(table: str, parts: Sequence[Part], columns: Mapping[str, str]) -> int:
        job_id, full_name = f"load-{run.token}-{table}", servers.cloud.table("staging", table)
        bucket, warehouse = servers.bucket, servers.big_query
        return load_parts(bucket, warehouse, full_name, parts, columns, job_id=job_id, now=run.started_at)

    rows = put(name.staging_table(batch.number), batch.parts, batch.columns)
    if late := batch.catch_up:
        rows += put(name.catch_up_table(batch.number), late.parts, late.columns)
    if batch.keys is not None:
        put(name.keys_table(batch.number), batch.keys, key_columns(batch))
    what = f"{rows} rows loaded" if rows else "is loaded already" if batch.rows else "has no rows"
    log.info("%s: batch %d: %s", name, batch.number, what)
    return rows
