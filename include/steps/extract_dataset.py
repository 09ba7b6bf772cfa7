"""Which batch does a run work with? (read now, or used again: the task `extract.<dataset>`)"""

from __future__ import annotations

import logging
from typing import Any

from include.catalogue import Catalogue
from include.contract import Landed
from include.errors import LostRace
from include.names import DatasetName
from include.run import Run
from include.stage.log import Batch, DatasetLog
from include.steps.cohort_list import read_cohorts
from include.steps.extract_landed import look_at_landed, note_landed
from include.steps.extract_plan import Plan, Work, plan_cohort, plan_extract
from include.steps.extract_sql_server import look_at_source, read_and_commit
from include.steps.request import Request
from include.steps.servers import Servers
from include.use_case import UseCase

log = logging.getLogger(__name__)
RACES = 3


def extract_dataset(
    catalogue: Catalogue, servers: Servers, run: Run, use_case: UseCase, name: DatasetName, request: Request
) -> dict[str, Any]:
    """The batch that this run works with, as a summary: number, kind, rows, whether it was reused, and why.

    A lost race (another extractor committed the number first) throws the parts away and decides anew.
    Raises what the verbs raise; nothing is committed then.
    """
    work = Work(catalogue, servers, run, use_case, name, request)
    cohort = read_cohorts(catalogue, servers, use_case, request, [name]).get(name)
    for race in range(RACES):
        dataset_log = DatasetLog(servers.bucket, name)
        plan = plan_cohort(work, dataset_log, cohort) if cohort else plan_extract(work, dataset_log)
        log.info(
            "%s: %s (%s)",
            name,
            f"reuse batch {plan.number}" if plan.reuse else f"batch {plan.number}, {plan.kind}",
            plan.reason,
        )
        if request.dry_run:
            return _dry_run(work, dataset_log, plan)
        if plan.reuse:
            assert plan.latest is not None
            return _summary(plan.latest, plan, reused=True)
        try:
            batch = _read_and_commit(work, dataset_log, plan)
            text = "%s: batch %d holds %d rows, as many as the source counted; window %s%s"
            tells = batch.parts and (batch.looked_at_all_keys or batch.kind == "cohort")
            gone = f"; {batch.deleted} known keys are gone" if tells else ""
            log.info(text, name, batch.number, batch.counted, dict(batch.window) or "everything", gone)
            return _summary(batch, plan, reused=False)
        except LostRace:
            if race == RACES - 1:
                raise
            log.warning("%s: another run committed batch %d first; deciding anew", name, plan.number)
    raise AssertionError("unreachable")


def _read_and_commit(work: Work, dataset_log: DatasetLog, plan: Plan) -> Batch:
    if isinstance(work.contract.capture, Landed):
        return note_landed(work, work.contract.capture, dataset_log, plan)
    return read_and_commit(work, dataset_log, plan)


def _dry_run(work: Work, dataset_log: DatasetLog, plan: Plan) -> dict[str, Any]:
    """What would be read now, counted; nothing is written."""
    told = {"dry_run": True, "dataset": str(work.name), "kind": plan.kind, "reuse": plan.reuse, "why": plan.reason}
    if isinstance(work.contract.capture, Landed):
        return told | look_at_landed(work, work.contract.capture, plan)
    return told | look_at_source(work, dataset_log, plan)


def _summary(batch: Batch, plan: Plan, *, reused: bool) -> dict[str, Any]:
    return {
        "dataset": batch.dataset,
        "batch": batch.number,
        "kind": batch.kind,
        "reused": reused,
        "why": plan.reason,
        "rows": batch.rows,
        "counted": batch.counted,
        "deleted": batch.deleted,
        "window": dict(batch.window),
        "notes": list(batch.notes),
    } | ({"absent": batch.rows - batch.counted} if batch.kind == "cohort" else {})
