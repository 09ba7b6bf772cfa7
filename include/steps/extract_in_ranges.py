"""How does a full of a large table come about in key ranges? (the tasks `plan.<dataset>`, `read.<dataset>`, and the end
of `extract.<dataset>`)

Each range is read by a task of its own, and tried again alone. What the tasks hand on names what was read and for which
plan; the batch exists only by its entry in the log. Where anything no longer fits, all is read in one picture instead.
What refused or killed tries leave of a number that nobody commits is deleted by the next plan of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import NotNow, Refused, SourceUnavailable
from include.extract import capture, drift, query, ranges
from include.extract.capture import Bounds, Reading
from include.extract.catalog import Catalog
from include.extract.way import Session
from include.stage.log import Batch, CatchUp, DatasetLog, Part
from include.stage.parquet import PartWriter, parts_of
from include.steps.extract_plan import Plan, Work, hash_of, plan_extract
from include.steps.extract_sql_server import (
    agreed,
    claim_of,
    commit,
    deletions_of_ranges,
    told,
    wait_for_quiet_hours,
)
from include.steps.range_share import Share

log = logging.getLogger(__name__)
_ALTERED = "the table, or how it is declared to be read, has changed since the ranges were planned"
_LOOKED_AT_AGAIN = timedelta(seconds=20)


def plan_ranges(work: Work) -> list[dict[str, Any]]:
    """The ranges that the run's `read` tasks shall read; none where a batch is used again, a window goes on, some
    customers are asked for, or the table is small: then `extract` reads alone. Raises what the verbs raise, NotNow
    outside the source's quiet hours."""
    if not work.contract.split_by or work.request.is_for_some:
        return []
    plan = plan_extract(work, DatasetLog(work.servers.bucket, work.name))
    if work.request.dry_run or plan.reuse or plan.kind != "full":
        log.info("%s: not read in ranges: %s", work.name, "a dry run" if work.request.dry_run else plan.reason)
        return []
    wait_for_quiet_hours(work)
    read_at = datetime.now(UTC).isoformat()
    with claim_of(work, plan.number).held(stays=True), work.session() as session:
        _clear(work, plan.number)
        catalog, _, converted = agreed(work, session, plan)
        bounds = capture.bounds(session, work.contract, "full", None, work.where)
        split = ranges.plan(session, work.contract, work.columns, bounds, work.where, catalog.is_partitioned)
        read_as = _read_as(work, session, catalog, converted)
    log.info("%s: batch %d, full: %s", work.name, plan.number, split.why_not or f"{len(split.ranges)} ranges")
    high, epoch = split.bounds.high, split.bounds.epoch
    return [Share(plan.number, plan.reason, read_at, high, epoch, read_as, one).handed_on() for one in split.ranges]


def _clear(work: Work, number: int) -> None:
    """Of a number that is not committed nobody names a part, and who would still write some holds the claim."""
    left = [path for path in work.servers.bucket.names(parts_of(work.name, number)) if path.endswith(".parquet")]
    for path in left:
        work.servers.bucket.delete(path)
    if left:
        log.info("%s: %d parts of batch %d that other tries had left are deleted", work.name, len(left), number)


def read_range(work: Work, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read one range into parts of the batch, which no entry names yet. Nothing is read where the declarations have
    changed since, or the number is taken: `extract` decides anew then. Raises what the verbs raise; no part is left."""
    share, dataset_log = Share.taken(given), DatasetLog(work.servers.bucket, work.name)
    if why := _outdated(dataset_log, share):
        return _not_read(work, share, why)
    wait_for_quiet_hours(work)
    writer = PartWriter(work.servers.bucket, work.name, share.batch, work.run.token)
    plan = _plan(dataset_log, share)
    try:
        with claim_of(work, share.batch).held(stays=True), work.session() as session:
            catalog, _, converted = agreed(work, session, plan)
            if _read_as(work, session, catalog, converted) != share.read_as:
                return _not_read(work, share, _ALTERED)
            bounds, one = _bounds(work, session, share), share.range
            sink = capture.Sink(writer.write, lambda text: log.info("%s", text))
            read = ranges.read_range(session, work.contract, work.columns, bounds, one, sink, work.where, converted)
    except BaseException:  # the end of the task's time is no Exception
        writer.discard()
        raise
    if why := _outdated(dataset_log, share):  # then the sweep of that batch may have been
        writer.discard()
        return _not_read(work, share, why)
    log.info("%s, %s: %d rows, as many as the source counted", work.name, share.range, read.counted)
    parts, query_hash = tuple(read.parts), hash_of(read.query)
    return replace(share, parts=parts, counted=read.counted, query_hash=query_hash, ended=read.ended).handed_on()


def _not_read(work: Work, share: Share, why: str) -> dict[str, Any]:
    log.warning("%s, %s: not read: %s", work.name, share.range, why)
    return share.handed_on()


def finish_ranges(work: Work, dataset_log: DatasetLog, given: Sequence[Mapping[str, Any]]) -> Batch | None:
    """The batch of these ranges and of what changed while they were read, committed. None where they no longer fit, and
    why is logged: then it must be decided anew what to read.

    Raises what the verbs raise: nothing is committed then, and after a refusal no part is left. Raises NotNow while the
    source has not captured yet what changed until the last range was read. It does not wait for quiet hours: what has
    begun in them is ended.
    """
    try:
        shares = _fitting(dataset_log, given)
        plan = _plan(dataset_log, shares[0])
        return commit(work, dataset_log, plan.number, lambda writer: _whole(work, dataset_log, plan, shares, writer))
    except _Unfit as why:
        log.warning("%s: the ranges that were read are not used, it is decided anew what to read: %s", work.name, why)
        return None


class _Unfit(Exception):
    """Why ranges cannot become a batch."""


def _whole(work: Work, dataset_log: DatasetLog, plan: Plan, shares: Sequence[Share], writer: PartWriter) -> Batch:
    """The batch, all of whose parts are there. It is not yet committed: what was refused is nobody's."""
    try:
        batch = _batch(work, dataset_log, plan, shares, writer)
    except Refused:
        for part in _parts(shares):
            work.servers.bucket.delete(part.path)
        raise
    there = set(work.servers.bucket.names(parts_of(work.name, batch.number)))  # asked last, for they are others' parts
    if any(part.path not in there for part in batch.named):
        raise _Unfit("parts of them are gone")
    return batch


def _batch(work: Work, dataset_log: DatasetLog, plan: Plan, shares: Sequence[Share], writer: PartWriter) -> Batch:
    first = shares[0]
    with work.session() as session:
        catalog, notes, converted = agreed(work, session, plan)
        if _read_as(work, session, catalog, converted) != first.read_as:
            raise _Unfit(_ALTERED)
        _wait_for_capture(work, session, shares)
        bounds = _bounds(work, session, first)
        sink = capture.Sink(writer.write, lambda text: log.info("catch-up, %s", text))
        reading = capture.read(session, work.contract, work.columns, bounds, sink, work.where, converted)
    batch = _entry(work, plan, shares, reading, catalog, told(work, notes, reading))
    return replace(batch, deleted=deletions_of_ranges(work, dataset_log, plan, batch))


def _entry(
    work: Work, plan: Plan, shares: Sequence[Share], reading: Reading, catalog: Catalog, notes: Sequence[str]
) -> Batch:
    columns = capture.declared(work.contract, work.columns)
    parts, late = _parts(shares), tuple(reading.parts)
    return Batch(
        **work.entry(plan, datetime.fromisoformat(shares[0].read_at)),
        kind="full",
        window={},
        position=reading.bounds.high,
        epoch=reading.bounds.epoch,
        columns=columns,
        rows=sum(part.rows for part in (*parts, *late)),
        counted=sum(share.counted for share in shares) + reading.counted,
        deleted=0,
        parts=parts,
        keys=None if reading.keys is None else tuple(reading.keys),
        query_hash=hash_of("\n".join([*(share.query_hash for share in shares), *reading.queries])),
        notes=(f"read in {len(shares)} ranges by {work.contract.split_by}", *notes),
        source_types=catalog.types(),
        standing=tuple(drift.standing(work.contract, catalog)),
        catch_up=CatchUp(reading.bounds.window, reading.columns, late),
    )


def _wait_for_capture(work: Work, session: Session, shares: Sequence[Share]) -> None:
    """Raises NotNow until the source has captured what changed while the ranges were read: else the catch-up would
    bring older rows. SourceUnavailable when its capture stands still."""
    way = capture.way_of(work.contract)
    if all(way.has_captured(session, share.ended or {}) for share in shares):
        return
    if (behind := way.behind(session, None, way.inside(session, None))) and behind.is_stopped:
        raise SourceUnavailable(behind.problem, where=work.where, remedy=behind.remedy)
    raise NotNow(
        "the source has not captured yet what changed while the ranges were read",
        where=work.where,
        remedy=f"looked at again in {_LOOKED_AT_AGAIN.seconds} s",
        until=datetime.now(UTC) + _LOOKED_AT_AGAIN,
    )


def _bounds(work: Work, session: Session, share: Share) -> Bounds:
    """Of the catch-up. Raises EpochBroken when the database was restored since the plan."""
    before, looks = (share.position, share.epoch), work.contract.deletes == "key_scan"
    return capture.bounds(session, work.contract, "catch_up", before, work.where, looks=looks)


def _fitting(dataset_log: DatasetLog, given: Sequence[Mapping[str, Any]]) -> Sequence[Share]:
    """The ranges in order. Raises _Unfit when they cannot become a batch."""
    try:
        shares = sorted((Share.taken(one) for one in given), key=lambda share: share.range.number)
    except (KeyError, TypeError):
        raise _Unfit("another version of the code has planned them") from None
    first = shares[0]
    if [share.range.number for share in shares] != list(range(first.range.of)):
        raise _Unfit(f"{len(shares)} of {first.range.of} ranges are there")
    if any(share.plan != first.plan for share in shares):
        raise _Unfit("they belong to several plans")
    if why := _outdated(dataset_log, first):
        raise _Unfit(why)
    if not all(share.is_whole for share in shares):
        raise _Unfit("a range was not read, or not as it was counted")
    return shares


def _outdated(dataset_log: DatasetLog, share: Share) -> str | None:
    return f"batch {share.batch} is there" if dataset_log.next_number() != share.batch else None


def _plan(dataset_log: DatasetLog, share: Share) -> Plan:
    return Plan(share.batch, "full", dataset_log.latest(), False, share.why)


def _parts(shares: Sequence[Share]) -> tuple[Part, ...]:
    return tuple(part for share in shares for part in share.parts or ())


def _read_as(work: Work, session: Session, catalog: Catalog, converted: Mapping[str, str]) -> str:
    """The hash of all on which it depends what a range's rows are: what is declared, what the catalog says, and how
    columns are converted. (A table that is made anew under its name is another object.)"""
    contract = work.contract
    declared = [contract.table, contract.key, contract.capture.model_dump(), contract.deletes_by, contract.split_by]
    kinds = {name: contract.column_type(name) for name in work.columns}
    object_id = session.scalar(f"SELECT {query.object_id(contract.table)}")
    return hash_of(json.dumps([declared, kinds, catalog.types(), dict(converted), object_id], sort_keys=True))
