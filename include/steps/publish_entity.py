"""What does an entity's topic not have yet? (the task `publish.<entity>`)"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.catalogue import Catalogue
from include.clients.kafka_producer import Record, TransactionalProducer
from include.errors import Fenced, Unavailable
from include.publish import position as positions
from include.publish.position import Position, Shard
from include.publish.replay import Replay, pending
from include.steps import publication as publications
from include.steps.publication import Found, Publication, look, look_unchecked, publication
from include.steps.publish_again import send_again
from include.steps.publish_claim import claim, take_over
from include.steps.publish_lag import lag
from include.steps.publish_send import PER_TRANSACTION, mark, send
from include.steps.publish_window import Waiting, last_of, look_ahead, pieces, windows
from include.steps.request import Request
from include.steps.servers import Servers

log = logging.getLogger(__name__)
_COUNTS = ("events", "tombstones", "without_event")
_SENT_AGAIN = "sent_again"


def publish_entity(
    catalogue: Catalogue, servers: Servers, entity: str, request: Request, shard: Shard | None = None
) -> dict[str, Any]:
    """Send every change after the positions, in order, each transaction with its positions.

    shard: one of several publishers, whose claim came before; without it all of the work is done here.
    Returns the number of events (how many of them are tombstones), of changes without event, the last change number
    that is on the topic, and how far behind the topic was at the beginning (`Lag`).
    Raises EpochBroken when change log, topic and positions do not belong together, IntegrityError for topics of another
    environment, NotDeployed for a missing topic or schema, DeclarationError for an entity without event; Fenced when
    another publisher took over and did not finish either, Unavailable when there is none; OnHold, after a day
    HeldTooLong, while a person holds the entity: nothing more of it is committed then.
    """
    p = publication(catalogue, servers, entity)
    if request.dry_run:
        return _dry_run(p)
    return publish_shards(p) if shard is None else _publish(p, shard)


def publish_shards(p: Publication) -> dict[str, Any]:
    """All of an entity's shards, one after the other; what they say, as one. Raises as `publish_entity` does."""
    if p.shards > 1:
        claim(p)
    return _together([_publish(p, Shard(number, p.shards)) for number in range(p.shards)])


def claim_entity(catalogue: Catalogue, servers: Servers, entity: str, request: Request) -> dict[str, Any]:
    """Before several shards publish an entity: see `claim`. A dry run claims nothing."""
    p = publication(catalogue, servers, entity)
    return {"entity": entity, "shards": p.shards, "dry_run": True} if request.dry_run else claim(p)


def _dry_run(p: Publication) -> dict[str, Any]:
    found = look(replace(p, heeds_hold=False))
    waits = lag(p.catalogue, p.servers, p.entity, found.positions, found.progress.change_number)
    held = {"held_since": found.hold.began} if found.hold else {}
    log.info("%s: %d changes wait for %s%s", p.entity, waits.changes, p.topic, ", which is held" if held else "")
    return {"entity": p.entity, "topic": p.topic, "dry_run": True, **waits.told, **held}


def _together(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all shards say, as one."""
    if len(told) == 1:
        return dict(told[0])
    names = [*_COUNTS, _SENT_AGAIN] if any(_SENT_AGAIN in one for one in told) else _COUNTS
    counted = {name: sum(one.get(name, 0) for one in told) for name in names}
    return {**told[0], **counted, "last_change": min(one["last_change"] for one in told)}


def _publish(p: Publication, shard: Shard) -> dict[str, Any]:
    try:
        return _send_all(p, shard)
    except Fenced:
        return _wait_for_the_other(p, shard)


def _send_all(p: Publication, shard: Shard) -> dict[str, Any]:
    counts = dict.fromkeys(_COUNTS, 0)
    with p.servers.kafka.transactions(shard.transactional_id(p.name)) as producer:  # first fence, then look
        found = look(p)
        if not found.belong_to(shard) and shard.of == p.shards == 1:  # nobody has claimed for it
            take_over(p)
            found = look(p)
        if not found.belong_to(shard):
            raise _given_away(p, shard)
        waited = lag(p.catalogue, p.servers, p.entity, found.positions, found.progress.change_number)
        replayed = send_again(p, producer, shard, found, PER_TRANSACTION)
        _send_new(p, producer, shard, found, counts)
        mark(p, producer, found.mark)
    progress = found.progress
    told = "{events} events, {tombstones} of them tombstones; {without_event} changes without event".format(**counts)
    of = f" ({shard})" if shard.of > 1 else ""
    log.info("%s%s: %s; the last change on %s is %d", p.entity, of, told, p.topic, progress.change_number)
    told_too = {_SENT_AGAIN: replayed, **waited.told} if replayed else waited.told
    return {"entity": p.entity, "topic": p.topic, **counts, **told_too, "last_change": progress.change_number}


def _send_new(
    p: Publication, producer: TransactionalProducer, shard: Shard, found: Found, counts: dict[str, int]
) -> None:
    """What the change log has after the positions, by transactions."""
    at, end = found.positions, found.progress.change_number
    waiting = Waiting(p, positions.published(at, shard.slots), positions.lowest(at, shard.slots), end)
    if waiting.start == end:
        return
    facts, reached = look_ahead(waiting), waiting.start

    def moved(number: int, changed_at: datetime) -> Sequence[Record]:
        to = Position(number, changed_at.isoformat(), found.progress.epoch, shard.of)
        return positions.as_records(p.entity, _moved(at, shard, to))

    for rows in windows(waiting, facts):
        for piece in pieces(rows, PER_TRANSACTION):
            reached, changed_at = last_of(piece)
            send(p, producer, piece, moved(reached, changed_at))
            _count(counts, piece)
    if reached < end:  # the last changes have no event
        send(p, producer, None, moved(end, facts.changed_at))
    counts["without_event"] += facts.without_event


def _given_away(p: Publication, shard: Shard) -> Fenced:
    return Fenced(
        f"{p.entity} is published by another number of shards than {shard.of}",
        where=f"topic {p.topic}",
        remedy="see the other run of this use case; when none is running, run this one again, from its claim on",
    )


def _moved(found: Mapping[int, Position], shard: Shard, at: Position) -> list[tuple[int, Position]]:
    """The shard's slots, each at the position or, where one was ahead of the others, at its own."""
    return [(slot, at if found[slot].change_number <= at.change_number else found[slot]) for slot in shard.slots]


def _count(counts: dict[str, int], rows: pa.RecordBatch) -> None:
    counts["events"] += rows.num_rows
    counts["tombstones"] += pc.equal(rows.column("operation"), "delete").true_count


def _wait_for_the_other(p: Publication, shard: Shard) -> dict[str, Any]:
    """Another publisher has taken over: done when the positions reach what is there now.

    Raises Fenced when they do not in time; Unavailable when they do not move at all: then nobody has taken over, and
    the broker has ended our transaction because it took too long.
    """
    began = now = _reached(p, shard)
    target = began.last_change
    deadline = time.monotonic() + publications.PATIENCE
    while time.monotonic() < deadline:
        if now.change_number >= target and not now.to_send_again:
            log.info("%s: another publisher has taken over, and has sent all up to change %d", p.entity, target)
            return {"entity": p.entity, "topic": p.topic, "fenced": True, "last_change": target}
        time.sleep(2)
        before, now = now, _reached(p, shard)
        if now != before:
            deadline = time.monotonic() + publications.PATIENCE
    if not now.is_ours:
        raise _given_away(p, shard)
    if now == began:
        raise Unavailable(
            f"the broker has ended our transaction at change {began.change_number}, "
            f"and nobody else publishes {p.entity}",
            where=f"topic {p.topic}",
            remedy="tried again by itself; if it lasts, ask whether the brokers are slow",
        )
    raise Fenced(
        f"another publisher of {p.entity} has taken over, and stands at change {now.change_number} of {target} for "
        f"{publications.PATIENCE:.0f} s",
        where=f"topic {p.topic}",
        remedy="see the other run of this task; when none is running, run this one again",
    )


@dataclass(frozen=True)
class _Reached:
    """How far somebody has come with a shard's slots."""

    change_number: int
    to_send_again: dict[int, Replay]
    is_ours: bool
    last_change: int = field(compare=False)


def _reached(p: Publication, shard: Shard) -> _Reached:
    found = look_unchecked(p)
    at, again = positions.lowest(found.positions, shard.slots), pending(found.replays, shard.slots)
    return _Reached(at, again, found.belong_to(shard), found.progress.change_number)
