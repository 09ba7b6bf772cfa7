"""What has a mapping not merged yet, and what comes of it? (the task `merge.<mapping>`)"""

from __future__ import annotations

import logging
from typing import Any

from include.catalogue import Catalogue
from include.errors import OverCeiling, TooManyBadRows
from include.merge.checks import warnings_statement
from include.merge.execute import execute_merge, keep_evidence
from include.merge.progress import MappingProgress
from include.merge.statement import COUNTS, evidence_statement, mapping_hash, merge_statement
from include.names import MappingName
from include.run import Run
from include.stage.log import Batch
from include.steps.chain import as_merge_chain, read_unmerged, slices
from include.steps.load_dataset import stage
from include.steps.request import Request
from include.steps.servers import Servers

log = logging.getLogger(__name__)


def merge_mapping(
    catalogue: Catalogue, servers: Servers, run: Run, name: MappingName, request: Request
) -> dict[str, Any]:
    """Merge every unmerged batch, a transaction per slice of the chain; counts summed up.

    rows_taken: distinct source keys in the batches; rows_conformed: those that differ from before; inserted, updated,
    removed: rows of the common model; events: changes that consumers will see; contested: keys for which the winning
    system has more than one row; followed: changes of other entities that followed, of which vanished: rows that went,
    because the system that speaks for their customer now has none of them yet; unsettled: records whose link to
    another cannot hold (`link_problem` in identity.<entity> says why); quarantined: rows that cannot be merged, and lie
    in `quarantine.<dataset>` with the rule that they broke; warnings: by check, the rows that break what is
    only told, and since when the oldest does; or checks_not_run: why they were not asked, which undoes no merge.
    """
    state = read_unmerged(catalogue, servers, name)
    if request.dry_run:
        return _dry_run(name, state.batches)
    batches, done = state.required(), state.progress
    if not batches and done.run_id == run.run_id:  # an earlier try of this task has merged, and was killed after it
        return _summary(name, [done.batch], [done]) | _warnings(catalogue, servers, name)
    stage(catalogue, servers, run, name.source, batches)
    merged = []
    for piece in slices(batches):
        later = batches[batches.index(piece[-1]) + 1 :]
        done = _merge_slice(catalogue, servers, run, name, piece, later, expected=done)
        log.info("%s: merged up to batch %d: %s", name, done.batch, {c: getattr(done, c) for c in COUNTS})
        merged.append(done)
    summary = _summary(name, [batch.number for batch in batches], merged)
    return summary | _warnings(catalogue, servers, name) if merged else summary


def _summary(name: MappingName, batches: list[int], merged: list[MappingProgress]) -> dict[str, Any]:
    counts = {count: sum(getattr(done, count) for done in merged) for count in COUNTS}
    if merged:
        counts["unsettled"] = merged[-1].unsettled  # not what happened: how it is
    return {"mapping": str(name), "batches": batches, **counts}


def _warnings(catalogue: Catalogue, servers: Servers, name: MappingName) -> dict[str, Any]:
    """What the entity's `warn` checks find, now that all is committed: what they cost makes no merge fail."""
    sql = warnings_statement(catalogue, servers.cloud.table, name.entity)
    try:
        rows = servers.big_query.query(sql, where=f"the checks of {name.entity}") if sql else []
    except OverCeiling as error:
        return {"checks_not_run": _not_run(name.entity, error)}
    found = {}
    for row in (row for row in rows if row["found"]):
        oldest = row["oldest"] and row["oldest"].isoformat(timespec="minutes")
        found[row["name"]] = {"rows": row["found"], "oldest": oldest}
        since = f", the oldest since {oldest}" if oldest else ""
        log.warning("%s: %d rows break %s%s", name.entity, row["found"], row["name"], since)
    return {"warnings": found}


def _not_run(entity: str, error: OverCeiling) -> str:
    """BigQuery says how many bytes they would have read at least."""
    said = (
        f"what is merged is committed, but the checks of {entity} that only tell were not run. "
        f"{error.problem.rstrip('.')}: raise the extra maximum_bytes_billed of the connection google_cloud_default to "
        f"that, or have sql/common_model/{entity}/checks.sql read less"
    )
    log.warning("%s", said)
    return said


def _dry_run(name: MappingName, batches: list[Batch] | None) -> dict[str, Any]:
    """What is waiting to be merged already, without what the dry run's extract counts: that was not read.

    `waits_for` says why nothing is, before a full was read.
    """
    told: dict[str, Any] = {"mapping": str(name), "dry_run": True, "batches_waiting": [b.number for b in batches or []]}
    if batches is None:
        log.info("%s waits for a full batch: none that was read serves it as it is now", name)
        return told | {"rows_waiting": 0, "waits_for": "a full batch: none that was read serves it as it is now"}
    rows = sum(batch.rows for batch in batches)
    log.info("%s: %d rows of batches that were read already wait to be merged", name, rows)
    staged = sum(part.size for batch in batches for part in batch.named)
    return told | {"rows_waiting": rows, "bytes_staged": staged}


def _merge_slice(
    catalogue: Catalogue,
    servers: Servers,
    run: Run,
    name: MappingName,
    batches: list[Batch],
    later: list[Batch],
    *,
    expected: MappingProgress,
) -> MappingProgress:
    """One transaction. `expected`: the progress from which the chain was computed, never one that is read later."""
    cloud, contract = servers.cloud, catalogue.dataset(name.source)
    chain = as_merge_chain(cloud.table, cloud.project, name.source, contract, batches, later)
    statement = merge_statement(catalogue, cloud.table, name, chain)
    try:
        return execute_merge(
            servers.big_query,
            cloud.table("ledger", name.entity),
            name.file_stem,
            statement,
            expected=expected,
            batch=chain.last,
            mapping_hash=mapping_hash(catalogue, name),
            run_id=run.run_id,
            attempt=run.token,
        )
    except TooManyBadRows:
        evidence = evidence_statement(catalogue, cloud.table, name, chain)
        keep_evidence(servers.big_query, evidence, name.file_stem, run.run_id)
        raise
