"""How does a batch of a table on SQL Server come about? (catalog, picture, parts, who has vanished, the log's entry)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from include.errors import DataPlatformError, FormError, LostRace, NotNow, RequestError
from include.extract import capture, drift, quiet_hours
from include.extract.capture import Bounds, Reading
from include.extract.catalog import Catalog, read_catalog
from include.extract.cohort import CohortReader
from include.extract.look import look
from include.extract.way import Session
from include.names import IS_GONE
from include.stage.claim import Claim
from include.stage.keys import Keys, check_deletions
from include.stage.log import Batch, DatasetLog
from include.stage.parquet import PartWriter
from include.stage.sweep import sweep
from include.steps.extract_plan import Plan, Work, hash_of

log = logging.getLogger(__name__)
_SWEPT_BACK = 2
LONGEST_WAIT = timedelta(hours=8)
"""Until quiet hours: well within the time that a run may take."""


def read_and_commit(work: Work, dataset_log: DatasetLog, plan: Plan) -> Batch:
    """The batch. Raises what the verbs raise; nothing is committed then, and no part of ours is left. Raises NotNow
    outside the source's quiet hours, and while another run reads the same."""
    wait_for_quiet_hours(work)
    return commit(work, dataset_log, plan.number, lambda writer: _batch(work, dataset_log, plan, writer))


def commit(work: Work, dataset_log: DatasetLog, number: int, make: Callable[[PartWriter], Batch]) -> Batch:
    """The batch that `make` gives, committed. Of what goes wrong before, no part of this try is left."""
    with claim_of(work, number).held():
        batch = _make_and_commit(work, dataset_log, number, make)
    _sweep(work, dataset_log, batch)
    return batch


def claim_of(work: Work, number: int) -> Claim:
    """That this run reads a batch."""
    return Claim(work.servers.bucket, work.name, number, f"{work.run.use_case}/{work.run.run_id}")


def wait_for_quiet_hours(work: Work) -> None:
    """Raises NotNow outside the hours in which the contract lets its table be read, unless the form says to go on;
    RequestError when they are too far away to be waited for, and for a dry run, which somebody waits for."""
    hours, now = work.contract.quiet_hours, datetime.now(UTC)
    if hours is None or work.request.ignore_quiet_hours:
        return
    opens = quiet_hours.opens_at(hours, work.contract.zone or "Europe/London", now)
    if opens is None:
        return
    if opens - now > LONGEST_WAIT or work.request.dry_run:
        raise RequestError(
            f"{work.name} is read in its quiet hours, {hours}, alone; the next begin at {opens:%Y-%m-%d %H:%M} UTC",
            where=f"sql/sources/{work.name}/contract.yaml",
            remedy="trigger again then, or now with `ignore_quiet_hours`; let the use case's schedule begin in them",
        )
    raise NotNow(
        f"{work.name} is read in its quiet hours, {hours}, alone",
        where=f"sql/sources/{work.name}/contract.yaml",
        remedy=f"waits until {opens:%Y-%m-%d %H:%M} UTC; to read it now, trigger with `ignore_quiet_hours`",
        until=opens,
    )


def _make_and_commit(work: Work, dataset_log: DatasetLog, number: int, make: Callable[[PartWriter], Batch]) -> Batch:
    writer = PartWriter(work.servers.bucket, work.name, number, work.run.token)
    try:
        batch = make(writer)
    except BaseException as error:  # the end of the task's time is no Exception
        writer.discard()  # a refusal may come after people's rows have been written
        if isinstance(error, DataPlatformError):
            _tell_lost_race(dataset_log, number)
        raise
    try:
        dataset_log.commit(batch)
    except LostRace:  # of no other error of a commit is it known that there is no entry
        writer.discard()
        raise
    return batch


def _tell_lost_race(dataset_log: DatasetLog, number: int) -> None:
    """Raises LostRace when the number is taken: then the winner's sweep has taken our parts, and that is what went
    wrong. An answer that does not come tells nothing."""
    try:
        dataset_log.check_free(number)
    except LostRace:
        raise
    except DataPlatformError:
        return


def _sweep(work: Work, dataset_log: DatasetLog, batch: Batch) -> None:
    """What killed tries have left goes: of this number and, where a sweep was itself killed, of those before. The batch
    is committed: what goes wrong here is told, and mended by the next."""
    try:
        for number in range(max(1, batch.number - _SWEPT_BACK), batch.number + 1):
            if swept := sweep(work.servers.bucket, dataset_log.get(number)):
                log.info("%s: %d objects of batch %d that a killed try had left are deleted", work.name, swept, number)
    except DataPlatformError as error:
        log.warning("%s: what killed tries have left is not swept: %s", work.name, error)


def look_at_source(work: Work, dataset_log: DatasetLog, plan: Plan) -> dict[str, Any]:
    """For a dry run: catalog check, T-SQL, count of what would be read now, and of the known keys that are gone.

    Raises TooManyDeletions as the real run would, unless the form allows their number.
    """
    wait_for_quiet_hours(work)
    contract = work.contract
    with work.session() as session:
        catalog, notes, converted = agreed(work, session, plan)
        bounds = bounds_of(work, session, plan)
        if reader := _cohort_reader(work, session, plan, catalog, converted):
            seen = reader.look()
        else:
            seen = look(session, contract, work.columns, bounds, work.where, converted)
    for q in seen.queries:
        log.info("would read: %s", q.told)
    keys = keys_of(work)
    everyone = None if seen.keys is None else keys.canonical(seen.keys)
    deleted = _deletions(work, plan, _since(work, dataset_log, plan), keys.canonical(seen.told), everyone)
    _check_asked(work, plan, seen.told, deleted)
    log.info("%s: would read %d rows; %d known keys are gone", work.name, seen.rows, deleted)
    return {
        "rows": seen.rows,
        "keys": None if seen.keys is None else seen.keys.num_rows,
        "deleted": deleted,
        "query": seen.queries[0].told if seen.queries else "",
        "notes": notes,
    }


def _batch(work: Work, dataset_log: DatasetLog, plan: Plan, writer: PartWriter) -> Batch:
    contract, read_at = work.contract, datetime.now(UTC)
    with work.session() as session:
        catalog, notes, converted = agreed(work, session, plan)
        sink = capture.Sink(writer.write, lambda text: log.info("%s", text))
        bounds = bounds_of(work, session, plan)
        if reader := _cohort_reader(work, session, plan, catalog, converted):
            reading = reader.read(work.columns, bounds, sink)
        else:
            reading = capture.read(session, contract, work.columns, bounds, sink, work.where, converted)
    notes = told(work, notes, reading)
    parts, keys = tuple(reading.parts), None if reading.keys is None else tuple(reading.keys)
    return Batch(
        **work.entry(plan, read_at),
        kind=plan.kind,
        window=reading.bounds.window,
        position=reading.bounds.high,
        epoch=reading.bounds.epoch,
        columns=reading.columns,
        rows=sum(part.rows for part in parts),
        counted=reading.counted,
        deleted=_deletions_of(work, dataset_log, plan, reading),
        parts=parts,
        keys=keys,
        query_hash=hash_of("\n".join(reading.queries)),
        notes=tuple(notes),
        source_types=catalog.types(),
        is_cut=reading.is_cut,
        standing=tuple(drift.standing(contract, catalog)),
    )


def told(work: Work, notes: Sequence[str], reading: Reading) -> list[str]:
    """The notes of a batch, put into the log."""
    for note in notes:
        log.info("%s: %s", work.name, note)
    if behind := reading.bounds.note:
        log.warning("%s: %s", work.name, behind)
    return [*notes, *([behind] if behind else [])]


def agreed(work: Work, session: Session, plan: Plan) -> tuple[Catalog, list[str], Mapping[str, str]]:
    """What the source's catalog says, what of it is worth a note, and how columns are converted there."""
    contract, before = work.contract, plan.latest.source_types if plan.latest else None
    catalog, told = read_catalog(session, contract.table), plan.latest.standing if plan.latest else ()
    notes = drift.compare(work.name, contract, catalog, work.columns, before or None, plan.kind)
    notes += [note for note in drift.standing(contract, catalog) if note not in told]
    return catalog, notes, drift.conversions(contract, catalog, work.columns)


def _cohort_reader(
    work: Work, session: Session, plan: Plan, catalog: Catalog, converted: Mapping[str, str]
) -> CohortReader | None:
    if plan.cohort is None:
        return None
    canonical = keys_of(work).canonical
    return CohortReader(session, work.contract, plan.cohort, catalog, converted, canonical, work.where)


def bounds_of(work: Work, session: Session, plan: Plan) -> Bounds:
    before = (plan.position, plan.latest.epoch) if plan.latest else None
    bounds = capture.bounds(session, work.contract, plan.kind, before, work.where, looks=plan.looks)
    return replace(bounds, asked=plan.cohort.told) if plan.cohort else bounds


def deletions_of_ranges(work: Work, dataset_log: DatasetLog, plan: Plan, batch: Batch) -> int:
    """As for any other full, by what its ranges and their catch-up say together."""
    since = _since(work, dataset_log, plan)
    if not since:
        return 0
    there = keys_of(work).alive(work.servers.bucket, [batch])
    return _deletions(work, plan, since, there, there)


def _deletions_of(work: Work, dataset_log: DatasetLog, plan: Plan, reading: Reading) -> int:
    keys, store, since = keys_of(work), work.servers.bucket, _since(work, dataset_log, plan)
    if not since and not plan.cohort:
        return 0
    told = keys.of_parts(store, reading.parts)
    if plan.cohort:  # its chunks are told apart by ids, which another collation may compare in another way
        keys.check_once(told, work.where)
    everyone = None if reading.keys is None else keys.of_parts(store, reading.keys)
    deleted = _deletions(work, plan, since, told, everyone)
    _check_asked(work, plan, told, deleted)
    return deleted


def _check_asked(work: Work, plan: Plan, told: pa.Table, deleted: int) -> None:
    """Raises FormError when none of the asked ids is there or was; some that are neither are told: they may be ids of
    another system, or written wrongly."""
    if plan.cohort is None or IS_GONE not in told.column_names:
        return
    _, gone = keys_of(work).present_and_gone(told)
    asked, unknown = len(plan.cohort.ids), gone.num_rows - deleted
    text = f"{unknown} of the {asked} ids that were asked for are neither at the source nor known here"
    if unknown == asked:
        raise FormError(
            text, where=work.where, remedy="are they ids of this system? Correct the list, or choose `only`"
        )
    if unknown:
        log.warning("%s: %s: are they ids of this system?", work.name, text)


def _deletions(work: Work, plan: Plan, since: Sequence[Batch], told: pa.Table, everyone: pa.Table | None) -> int:
    """How many known keys are gone. Raises TooManyDeletions when they are more than the contract or the form allows.

    since: the batches from the last look on; told: the keys of the batch's rows; everyone: all keys, where it has
    looked at them beside its rows.
    """
    if not since:
        return 0
    keys = keys_of(work)
    present, gone = keys.present_and_gone(told)
    is_look = plan.kind == "full" or everyone is not None
    if not is_look and not gone.num_rows:
        return 0
    known = keys.alive(work.servers.bucket, since)
    if plan.cohort:  # a share of all known keys would let a whole cohort die
        known = keys.among(known, pa.concat_tables([present, gone]))
    now = present if everyone is None else everyone
    vanished = keys.without(known, now) if is_look else keys.among(known, gone)
    _check(work, vanished.num_rows, known.num_rows, "known keys that were asked for" if plan.cohort else "known keys")
    return int(vanished.num_rows)


def _since(work: Work, dataset_log: DatasetLog, plan: Plan) -> Sequence[Batch]:
    """As `from_last_look`; none where this batch can tell of nobody that he is gone."""
    return [] if plan.kind == "window" and work.contract.deletes == "never" else from_last_look(dataset_log)


def from_last_look(dataset_log: DatasetLog) -> list[Batch]:
    """The batches from the last one that looked at every key on, oldest first; where there is no such, there are
    cohorts alone: all of them."""
    found: list[Batch] = []
    for batch in dataset_log.newest_first():
        found.insert(0, batch)
        if batch.looked_at_all_keys:
            break
    return found


def _check(work: Work, deleted: int, known: int, what: str) -> None:
    share = 0.0 if work.contract.deletes == "never" else work.contract.deletions_allowed
    allowed = work.request.allow_deletions.get(str(work.name))
    check_deletions(deleted, known, share, allowed, dataset=str(work.name), where=work.where, what=what)


def keys_of(work: Work) -> Keys:
    contract = work.contract
    return Keys({name: contract.columns[name].collation for name in contract.key}, contract.flag_column)
