"""Are the batches that must be merged in BigQuery? (the task `load.<dataset>`)"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from include.catalogue import Catalogue
from include.contract import Landed
from include.names import DatasetName
from include.run import Run
from include.stage.load import key_columns, load_parts
from include.stage.log import Batch
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
    table, token = servers.cloud.table, run.token
    rows = load_parts(
        servers.bucket,
        servers.big_query,
        table("staging", name.staging_table(batch.number)),
        batch.parts,
        batch.columns,
        job_id=f"load-{token}-{name.flat}-{batch.number}",
        now=run.started_at,
    )
    if batch.keys is not None:
        load_parts(
            servers.bucket,
            servers.big_query,
            table("staging", name.keys_table(batch.number)),
            batch.keys,
            key_columns(batch),
            job_id=f"load-{token}-{name.flat}-{batch.number}-keys",
            now=run.started_at,
        )
    what = f"{rows} rows loaded" if rows else "is loaded already" if batch.rows else "has no rows"
    log.info("%s: batch %d: %s", name, batch.number, what)
    return rows
