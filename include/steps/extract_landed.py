"""What does a batch of a landing table say? (a window of offsets per partition is noted, nothing is read)"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from include.contract import Landed
from include.extract import landing
from include.rendering import render
from include.stage.log import Batch, DatasetLog
from include.steps.extract_plan import Plan, Work

log = logging.getLogger(__name__)


def note_landed(work: Work, settings: Landed, dataset_log: DatasetLog, plan: Plan) -> Batch:
    """The batch, committed."""
    batch = _landed_batch(work, settings, plan)
    dataset_log.commit(batch)
    return batch


def look_at_landed(work: Work, settings: Landed, plan: Plan) -> dict[str, Any]:
    """For a dry run: rows, and bytes_scanned, what BigQuery would bill for finding the window."""
    now = datetime.now(UTC)
    sql, params = _landed_window(work, settings, plan, now)
    scanned = work.servers.big_query.dry_run_bytes(sql, params, where=work.where)
    return {"rows": _landed_bounds(work, settings, plan, now)[1].counted, "bytes_scanned": scanned}


def _landed_batch(work: Work, settings: Landed, plan: Plan) -> Batch:
    read_at = datetime.now(UTC)
    facts, bounds = _landed_bounds(work, settings, plan, read_at)
    return Batch(
        **work.entry(plan, read_at),
        kind=plan.kind,
        window=bounds.window,
        position=bounds.position,
        epoch=bounds.epoch,
        columns={n: c.type for n, c in work.contract.columns.items() if facts.columns.get(n) == c.type},
        rows=bounds.counted,
        counted=bounds.counted,
        deleted=work.request.allow_deletions.get(str(work.name), 0),
        parts=(),
        keys=None,
        query_hash="",
    )


def _landed_bounds(
    work: Work, settings: Landed, plan: Plan, now: datetime
) -> tuple[landing.Facts, landing.LandedBounds]:
    big_query = work.servers.big_query
    facts = landing.check_table(big_query, _landing_table(work))
    landing.check_columns(work.name, work.contract, work.columns, facts)
    sql, params = _landed_window(work, settings, plan, now)
    log.debug("window: %s", sql)
    rows = big_query.query(sql, params, where=_landing_table(work))
    before = _landed_before(plan, facts) if plan.kind == "window" else None
    return facts, landing.landed_bounds(rows, facts, before, settings, work.where)


def _landed_window(work: Work, settings: Landed, plan: Plan, now: datetime) -> tuple[str, dict[str, Any]]:
    """The statement that finds the window, and its parameters."""
    before = _landed_before(plan, landing.check_table(work.servers.big_query, _landing_table(work)))
    sql = render(
        work.catalogue.sql / "statements",
        "landed_window.sql",
        landing=_landing_table(work),
        partition=settings.partition,
        offset=settings.offset,
        landed_at=settings.landed_at,
        starts=[f"s{index}" for index, _ in enumerate(before.starts if before else {})],
    )
    return sql, landing.parameters(settings, before, now, is_full=plan.kind == "full")


def _landed_before(plan: Plan, facts: landing.Facts) -> landing.Before | None:
    """Where a window begins; how far a full was read already, unless the table was made anew since."""
    latest = plan.latest
    if latest is None or (plan.kind == "full" and latest.epoch != landing.epoch_of(facts)):
        return None
    return landing.Before(latest.position, latest.epoch)


def _landing_table(work: Work) -> str:
    return f"{work.servers.cloud.project}.{work.contract.table}"
