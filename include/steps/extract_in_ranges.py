"""How does a full of a large table come about in key ranges? (the tasks `plan.<dataset>`, `read.<dataset>`, and the end
of `extract.<dataset>`)

Each range is read by a task of its own, and tried again alone. What the tasks hand on names what was read and for which
plan; the batch exists only by its entry in the log. Where anything no longer fits, all is read in one picture instead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import NotNow, Refused, SourceUnavailable
from include.extract import capture, drift, ranges
from include.extract.capture import Bounds, Reading
from include.extract.catalog import Catalog
from include.extract.ranges import Range
from include.extract.way import Session
from include.stage.log import Batch, CatchUp, DatasetLog, Part
from include.stage.parquet import PartWriter, parts_of
from include.steps.extract_plan import Plan, Work, hash_of, plan_extract
from include.steps.extract_sql_server import (
    agreed,
    claim_of,
    commit,
    deletions_of_ranges,
    wait_for_quiet_hours,
)

log = logging.getLogger(__name__)
_ALTERED = "the table has been altered since the ranges were planned"
_LOOKED_AT_AGAIN = timedelta(seconds=20)


@dataclass(frozen=True)
class Share:
    """One range of a batch that is being read: what the tasks of a run hand on, as plain values.

    batch, why, read_at, position, epoch: of the plan; declared, catalog: hashes of what was declared and found then.
    parts, counted, query_hash, ended: what the range's task has read; `parts` is None where it has not.
    """

    batch: int
    why: str
    read_at: str
    position: Mapping[str, str]
    epoch: Mapping[str, Any]
    declared: str
    catalog: str
    range: Range
    parts: tuple[Part, ...] | None = None
    counted: int = 0
    query_hash: str = ""
    ended: Mapping[str, str] | None = None

    def handed_on(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def taken(cls, given: Mapping[str, Any]) -> Share:
        parts = given["parts"]
        parts = None if parts is None else tuple(Part(**part) for part in parts)
        return cls(**{**given, "range": Range(**given["range"]), "parts": parts})

    @property
    def plan(self) -> tuple[Any, ...]:
        """What all ranges of one batch have in common."""
        return self.batch, self.read_at, self.declared, self.catalog, self.range.of, *self.position.values()


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
    with claim_of(work, plan.number).held(stays=True), _session(work) as session:
        catalog, _, _ = agreed(work, session, plan)
        bounds = capture.bounds(session, work.contract, "full", None, work.where)
        split = ranges.plan(session, work.contract, work.columns, bounds, work.where)
    log.info("%s: batch %d, full: %s", work.name, plan.number, split.why_not or f"{len(split.ranges)} ranges")
    high, epoch = split.bounds.high, split.bounds.epoch
    shares = [
        Share(plan.number, plan.reason, read_at, high, epoch, _declared(work), _catalog(catalog), one)
        for one in split.ranges
    ]
    return [share.handed_on() for share in shares]


def read_range(work: Work, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read one range into parts of the batch, which no entry names yet. Nothing is read where the declarations have
    changed since, or the number is taken: `extract` decides anew then. Raises what the verbs raise; no part is left."""
    share, dataset_log = Share.taken(given), DatasetLog(work.servers.bucket, work.name)
    if why := _outdated(work, dataset_log, share):
        log.warning("%s, %s: not read: %s", work.name, share.range, why)
        return share.handed_on()
    writer = PartWriter(work.servers.bucket, work.name, share.batch, work.run.token)
    plan = _plan(dataset_log, share)
    try:
        with claim_of(work, share.batch).held(stays=True), _session(work) as session:
            catalog, _, converted = agreed(work, session, plan)
            if _catalog(catalog) != share.catalog:
                log.warning("%s, %s: not read: %s", work.name, share.range, _ALTERED)
                return share.handed_on()
            _bounds(work, session, share)  # the same database still
            sink = capture.Sink(writer.write, lambda text: log.info("%s", text))
            read = ranges.read_range(session, work.contract, work.columns, share.range, sink, work.where, converted)
    except BaseException:  # the end of the task's time is no Exception
        writer.discard()
        raise
    log.info("%s, %s: %d rows, as many as the source counted", work.name, share.range, read.counted)
    parts, query_hash = tuple(read.parts), hash_of(read.query)
    return replace(share, parts=parts, counted=read.counted, query_hash=query_hash, ended=read.ended).handed_on()


def finish_ranges(work: Work, dataset_log: DatasetLog, given: Sequence[Mapping[str, Any]]) -> Batch | None:
    """The batch of these ranges and of what changed while they were read, committed. None where they no longer fit, and
    why is logged: then it must be decided anew what to read.

    Raises what the verbs raise: nothing is committed then, and after a refusal no part is left. Raises NotNow while the
    source has not captured yet what changed until the last range was read.
    """
    shares = sorted((Share.taken(one) for one in given), key=lambda share: share.range.number)
    if why := _unfit(work, dataset_log, shares):
        _give_up(work, why)
        return None
    plan = _plan(dataset_log, shares[0])
    try:
        return commit(work, dataset_log, plan.number, lambda writer: _batch(work, dataset_log, plan, shares, writer))
    except _OtherCatalog:
        _give_up(work, _ALTERED)
        return None
    except Refused:
        for part in _parts(shares):  # people's rows, which no entry will name
            work.servers.bucket.delete(part.path)
        raise


def _give_up(work: Work, why: str) -> None:
    log.warning("%s: the ranges that were read are not used, it is decided anew what to read: %s", work.name, why)


class _OtherCatalog(Exception):
    """The table is another than when its ranges were planned."""


def _batch(work: Work, dataset_log: DatasetLog, plan: Plan, shares: Sequence[Share], writer: PartWriter) -> Batch:
    first = shares[0]
    with _session(work) as session:
        catalog, notes, converted = agreed(work, session, plan)
        if _catalog(catalog) != first.catalog:
            raise _OtherCatalog
        _wait_for_capture(work, session, shares)
        bounds = _bounds(work, session, first)
        sink = capture.Sink(writer.write, lambda text: log.info("catch-up, %s", text))
        reading = capture.read(session, work.contract, work.columns, bounds, sink, work.where, converted)
    for note in notes:
        log.info("%s: %s", work.name, note)
    batch = _entry(work, plan, shares, reading, catalog, notes)
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


def _unfit(work: Work, dataset_log: DatasetLog, shares: Sequence[Share]) -> str | None:
    """Why these ranges cannot become a batch; None when they can."""
    first = shares[0]
    if [share.range.number for share in shares] != list(range(first.range.of)):
        return f"{len(shares)} of {first.range.of} ranges are there"
    if any(share.plan != first.plan for share in shares):
        return "they belong to several plans"
    if why := _outdated(work, dataset_log, first):
        return why
    if any(share.parts is None for share in shares):
        return "a range was not read"
    there = set(work.servers.bucket.names(parts_of(work.name, first.batch)))
    return "parts of them are gone" if any(part.path not in there for part in _parts(shares)) else None


def _outdated(work: Work, dataset_log: DatasetLog, share: Share) -> str | None:
    if share.declared != _declared(work):
        return "the contract or the claims have changed since they were planned"
    return f"batch {share.batch} is there" if dataset_log.next_number() != share.batch else None


def _plan(dataset_log: DatasetLog, share: Share) -> Plan:
    return Plan(share.batch, "full", dataset_log.latest(), False, share.why)


def _parts(shares: Sequence[Share]) -> tuple[Part, ...]:
    return tuple(part for share in shares for part in share.parts or ())


def _declared(work: Work) -> str:
    return hash_of(json.dumps([work.contract.model_dump_json(), work.columns]))


def _catalog(catalog: Catalog) -> str:
    return hash_of(json.dumps(catalog.types(), sort_keys=True))


def _session(work: Work) -> Any:
    return work.servers.sql_server(work.name.system, capture.database_of(work.contract.table))
