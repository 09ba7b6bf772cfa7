"""Which batch does a run work with? (read now, or used again: the task `extract.<dataset>`)"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from include.catalogue import Catalogue
from include.contract import Landed
from include.errors import LostRace
from include.extract import capture, drift, landing
from include.extract.query import count
from include.names import DatasetName
from include.rendering import render
from include.run import Run
from include.stage.keys import check_deletions, keys_of, known, vanished
from include.stage.log import Batch, DatasetLog, Part
from include.stage.parquet import PartWriter
from include.steps.extract_plan import Plan, Work, plan_extract
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
    for race in range(RACES):
        dataset_log = DatasetLog(servers.bucket, name)
        plan = plan_extract(work, dataset_log)
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
            gone = f"; {batch.deleted} known keys are gone" if batch.parts and batch.looked_at_all_keys else ""
            log.info(text, name, batch.number, batch.rows, dict(batch.window) or "everything", gone)
            return _summary(batch, plan, reused=False)
        except LostRace:
            if race == RACES - 1:
                raise
            log.warning("%s: another run committed batch %d first; deciding anew", name, plan.number)
    raise AssertionError("unreachable")


# -- reading
def _read_and_commit(work: Work, dataset_log: DatasetLog, plan: Plan) -> Batch:
    if isinstance(work.contract.capture, Landed):
        batch = _landed_batch(work, work.contract.capture, plan)
        dataset_log.commit(batch)
        return batch
    writer = PartWriter(work.servers.bucket, work.name, plan.number, work.run.token)
    try:
        batch = _sql_server_batch(work, dataset_log, plan, writer)
    except BaseException:  # the end of the task's time is no Exception
        writer.discard()  # a refusal may come after people's rows have been written
        raise
    try:
        dataset_log.commit(batch)
    except LostRace:  # of no other error of a commit is it known that there is no entry
        writer.discard()
        raise
    return batch


def _sql_server_batch(work: Work, dataset_log: DatasetLog, plan: Plan, writer: PartWriter) -> Batch:
    contract, read_at = work.contract, datetime.now(UTC)
    with work.servers.sql_server(work.name.system, capture.database_of(contract.table)) as session:
        catalog = capture.read_catalog(session, contract.table)
        notes = drift.compare(work.name, contract, catalog, work.columns, _types_before(plan), plan.kind)
        before = (plan.latest.position, plan.latest.epoch) if plan.latest else None
        bounds = capture.bounds(session, contract, plan.kind, before, work.where)
        converted = drift.conversions(contract, catalog, work.columns)
        sink = capture.Sink(writer.write, lambda text: log.info("%s", text))
        reading = capture.read(session, contract, work.columns, bounds, sink, work.where, converted)
    for note in notes:
        log.info("%s: %s", work.name, note)
    parts, keys = tuple(reading.parts), None if reading.keys is None else tuple(reading.keys)
    deleted = _deletions(work, dataset_log, plan, parts, keys)
    return Batch(
        **_common(work, plan, read_at),
        kind=plan.kind,
        window=bounds.window,
        position=bounds.position,
        epoch=bounds.epoch,
        columns={name: contract.column_type(name) for name in work.columns},
        rows=sum(part.rows for part in parts),
        counted=reading.counted,
        deleted=deleted,
        parts=parts,
        keys=keys,
        query_hash=_hash("\n".join(reading.queries)),
        notes=tuple(notes),
        source_types=catalog.types(),
    )


def _types_before(plan: Plan) -> Mapping[str, str] | None:
    """What the columns were when the batch was read that this one goes on from; None when that is not known."""
    return (plan.latest.source_types or None) if plan.latest else None


def _deletions(
    work: Work, dataset_log: DatasetLog, plan: Plan, parts: Sequence[Part], keys: Sequence[Part] | None
) -> int:
    """How many known keys vanished since the last batch that looked at all; refused when they are too many."""
    looked = plan.kind == "full" or keys is not None
    before = _last_look(dataset_log)
    if not looked or before is None:
        return 0
    store, key = work.servers.bucket, work.contract.key
    deleted = vanished(store, before, keys_of(store, keys if keys is not None else parts, key), key)
    _check_deletions(work, before, deleted)
    return deleted


def _check_deletions(work: Work, before: Batch, deleted: int) -> None:
    """Raises TooManyDeletions unless the contract or the form allows them."""
    share = 0.0 if work.contract.deletes == "never" else work.contract.deletions_allowed
    allowed = work.request.allow_deletions.get(str(work.name))
    check_deletions(deleted, known(before), share, allowed, dataset=str(work.name), where=work.where)


def _last_look(dataset_log: DatasetLog) -> Batch | None:
    return next((batch for batch in dataset_log.newest_first() if batch.looked_at_all_keys), None)


def _landed_batch(work: Work, settings: Landed, plan: Plan) -> Batch:
    read_at = datetime.now(UTC)
    facts, bounds = _landed_bounds(work, settings, plan, read_at)
    return Batch(
        **_common(work, plan, read_at),
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


def _common(work: Work, plan: Plan, read_at: datetime) -> dict[str, Any]:
    contract = work.contract
    return {
        "dataset": str(work.name),
        "number": plan.number,
        "key": tuple(contract.key),
        "table": contract.table,
        "capture": contract.capture.model_dump(),
        "contract_hash": _hash(contract.model_dump_json()),
        "attempt": work.run.token,
        "read_at": read_at,
        "committed_at": datetime.now(UTC),
    }


# -- telling
def _dry_run(work: Work, dataset_log: DatasetLog, plan: Plan) -> dict[str, Any]:
    """Catalog check, T-SQL, count of what would be read now, and of the known keys that are gone; nothing is written.

    bytes_scanned: what BigQuery would bill for finding the window of a landing table. Raises TooManyDeletions as the
    real run would, unless the form allows their number.
    """
    contract = work.contract
    told = {"dry_run": True, "dataset": str(work.name), "kind": plan.kind, "reuse": plan.reuse, "why": plan.reason}
    if isinstance(contract.capture, Landed):
        now = datetime.now(UTC)
        sql, params = _landed_window(work, contract.capture, plan, now)
        scanned = work.servers.big_query.dry_run_bytes(sql, params, where=work.where)
        return told | {"rows": _landed_bounds(work, contract.capture, plan, now)[1].counted, "bytes_scanned": scanned}
    with work.servers.sql_server(work.name.system, capture.database_of(contract.table)) as session:
        catalog = capture.read_catalog(session, contract.table)
        notes = drift.compare(work.name, contract, catalog, work.columns, _types_before(plan), plan.kind)
        before = (plan.latest.position, plan.latest.epoch) if plan.latest else None
        bounds = capture.bounds(session, contract, plan.kind, before, work.where)
        converted = drift.conversions(contract, catalog, work.columns)
        rows = capture.rows_of(contract, work.columns, bounds, converted)
        queries = [q for q in (rows, capture.keys_of(contract, bounds, converted)) if q]
        for q in queries:
            log.info("would read: %s", q.told)
        counts = [int(session.scalar(c.sql, c.params)) for c in (count(q, contract.key[0]) for q in queries)]
        keys, last_look = capture.keys_now(session, contract, bounds, converted), _last_look(dataset_log)
    deleted = 0
    if keys is not None and last_look is not None:
        deleted = vanished(work.servers.bucket, last_look, keys, contract.key)
        _check_deletions(work, last_look, deleted)
    log.info("%s: would read %d rows; %d known keys are gone", work.name, counts[0], deleted)
    return told | {
        "rows": counts[0],
        "keys": counts[1] if len(counts) > 1 else None,
        "deleted": deleted,
        "query": queries[0].told,
        "notes": notes,
    }


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
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
