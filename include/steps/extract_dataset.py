"""Which batch does a run work with? (read now, or used again: the task `extract.<dataset>`)"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from include.contract import Landed
from include.errors import LostRace
from include.stage.log import Batch, DatasetLog
from include.steps.cohort_list import read_cohorts
from include.steps.extract_in_ranges import finish_ranges
from include.steps.extract_landed import look_at_landed, note_landed
from include.steps.extract_plan import Plan, Work, plan_cohort, plan_extract
from include.steps.extract_sql_server import look_at_source, read_and_commit

log = logging.getLogger(__name__)
RACES = 3


def extract_dataset(work: Work, shares: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The batch that this run works with, as a summary: number, kind, rows, whether it was reused, and why.

    shares: what the run's tasks have read, a range each; then these become the batch, if they still fit.
    A burst is read in several windows, each a batch: told are the last, and the counts of all.
    A lost race (another extractor committed the number first) throws the parts away and decides anew.
    Raises what the verbs raise; nothing is committed then.
    """
    servers, name = work.servers, work.name
    cohort = read_cohorts(work.catalogue, servers, work.use_case, work.request, [name]).get(name)
    if shares and (told := _finish_ranges(work, shares)):
        return told
    races, cut = 0, list[Batch]()
    while True:
        dataset_log = DatasetLog(servers.bucket, name)
        plan = plan_cohort(work, dataset_log, cohort) if cohort else plan_extract(work, dataset_log)
        log.info(
            "%s: %s (%s)",
            name,
            f"reuse batch {plan.number}" if plan.reuse else f"batch {plan.number}, {plan.kind}",
            plan.reason,
        )
        if work.request.dry_run:
            return _dry_run(work, dataset_log, plan)
        if plan.reuse:
            assert plan.latest is not None
            return _summary(plan.latest, plan.reason, reused=True)
        try:
            batch = _read_and_commit(work, dataset_log, plan)
        except LostRace:
            races += 1
            if races == RACES:
                raise
            log.warning("%s: another run committed batch %d first; deciding anew", name, plan.number)
            continue
        _log(batch)
        if not batch.is_cut:
            return _summary(batch, plan.reason, reused=False) | _of_all([*cut, batch])
        cut.append(batch)  # there is more: the next window


def _read_and_commit(work: Work, dataset_log: DatasetLog, plan: Plan) -> Batch:
    if isinstance(work.contract.capture, Landed):
        return note_landed(work, work.contract.capture, dataset_log, plan)
    return read_and_commit(work, dataset_log, plan)


def _finish_ranges(work: Work, shares: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """None where the ranges no longer fit, or another has won."""
    try:
        batch = finish_ranges(work, DatasetLog(work.servers.bucket, work.name), shares)
    except LostRace:
        log.warning("%s: another run has committed the ranges' number first; deciding anew", work.name)
        return None
    if batch is None:
        return None
    _log(batch)
    return _summary(batch, shares[0]["why"], reused=False)


def _dry_run(work: Work, dataset_log: DatasetLog, plan: Plan) -> dict[str, Any]:
    """What would be read now, counted; nothing is written."""
    told = {"dry_run": True, "dataset": str(work.name), "kind": plan.kind, "reuse": plan.reuse, "why": plan.reason}
    if isinstance(work.contract.capture, Landed):
        return told | look_at_landed(work, work.contract.capture, plan)
    return told | look_at_source(work, dataset_log, plan)


def _log(batch: Batch) -> None:
    text = "%s: batch %d holds %d rows, as many as the source counted; window %s%s"
    tells = batch.parts and (batch.looked_at_all_keys or batch.kind == "cohort")
    gone = f"; {batch.deleted} known keys are gone" if tells else ""
    log.info(text, batch.dataset, batch.number, batch.counted, dict(batch.window) or "everything", gone)


def _of_all(batches: Sequence[Batch]) -> dict[str, Any]:
    """The counts of the windows of a burst together; nothing where there was one."""
    if len(batches) == 1:
        return {}
    counts = {count: sum(getattr(batch, count) for batch in batches) for count in ("rows", "counted", "deleted")}
    return counts | {"batches": [batch.number for batch in batches]}


def _summary(batch: Batch, reason: str, *, reused: bool) -> dict[str, Any]:
    return {
        "dataset": batch.dataset,
        "batch": batch.number,
        "kind": batch.kind,
        "reused": reused,
        "why": reason,
        "rows": batch.rows,
        "counted": batch.counted,
        "deleted": batch.deleted,
        "window": dict(batch.window),
        "notes": list(batch.notes),
    } | ({"absent": batch.rows - batch.counted} if batch.kind == "cohort" else {})
