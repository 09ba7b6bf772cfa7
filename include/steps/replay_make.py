"""How are events sent once more? (the task `publish.replay_events`)

The current state is asked for, in the positions' topic, and done by the publishers themselves: the run of the entity
that begins here, or any other that comes first. A history goes to a topic of its own, which says by its own events how
far it has come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from include.catalogue import Catalogue
from include.clients.kafka_producer import Record, TransactionalProducer
from include.errors import Fenced, FormError, IntegrityError, Unavailable
from include.publish import position as positions
from include.publish import replay
from include.publish.position import SLOTS, Position
from include.publish.replay import ANEW, GIVE_UP, HISTORY, Mark, Replay
from include.publish.topics import history_topic
from include.steps.publication import Found, Publication, fence, look, look_unchecked, publication
from include.steps.publish_entity import publish_shards
from include.steps.publish_send import PER_TRANSACTION, send
from include.steps.publish_window import Waiting, look_ahead, pieces, windows
from include.steps.replay_check import not_while_held, require_empty, require_no_other
from include.steps.replay_request import ReplayRequest
from include.steps.servers import Servers

log = logging.getLogger(__name__)


def make_replay(
    catalogue: Catalogue, servers: Servers, request: ReplayRequest, report: Mapping[str, Any]
) -> dict[str, Any]:
    """Do what `check_replay` has reported; what publishing says of it. Raises FormError when it cannot be done any
    more, or another request has taken its place; Unavailable when somebody claims or holds the entity at this moment;
    else as publishing does."""
    if request.dry_run:
        log.info("a dry run sends nothing")
        return {"entity": request.entity, "dry_run": True}
    p, id_ = publication(catalogue, servers, request.entity), report["request"]
    if request.what == HISTORY:
        return _send_history(p, report)
    if request.what == GIVE_UP:
        return _give_up(p, id_)
    if request.what == ANEW:
        _begin_anew(p, id_)
    else:
        keys = (report["list"], report["digest"]) if request.is_for_some else ("", "")
        _ask(p, request, Replay(id_, 0, False, *keys))
    told = publish_shards(p)
    _require_done(p, id_)
    return {"request": id_, **told}


def _ask(p: Publication, request: ReplayRequest, wanted: Replay) -> None:
    """Unless an earlier try has."""
    with _claiming(p) as producer:
        found = look(p, topic_was_restored=request.topic_was_restored)
        if {one.request for one in found.replays.values()} == {wanted.request}:
            return
        require_no_other(found, request, wanted.request)
        mark = Mark(p.topic, tuple(p.servers.kafka.end_offsets(p.topic)))
        with producer.transaction():
            _be_alone(p, producer, found, replay.mark_record(p.entity, mark))
            producer.send_all(p.positions_topic, replay.as_records(p.entity, dict.fromkeys(range(SLOTS), wanted)))


def _begin_anew(p: Publication, request: str) -> None:
    """All positions go back to the beginning of today's change log, unless an earlier try has done so."""
    with _claiming(p) as producer:
        found = look_unchecked(p)
        if {one.request for one in found.replays.values()} == {request}:
            return
        require_empty(p, found, request)
        mark = Mark(p.topic, tuple(p.servers.kafka.end_offsets(p.topic)))
        beginning = [(slot, Position(0, "", found.progress.epoch, p.shards)) for slot in range(SLOTS)]
        is_done = dict.fromkeys(range(SLOTS), Replay(request, is_done=True))
        with producer.transaction():
            _be_alone(p, producer, found, positions.claim_record(p.entity, p.shards))
            producer.send_all(p.positions_topic, positions.as_records(p.entity, beginning))
            producer.send_all(p.positions_topic, replay.as_records(p.entity, is_done))
            producer.send_all(p.positions_topic, [replay.mark_record(p.entity, mark)])
    log.info("%s: all of its changes go to %s, from the first one on", p.entity, p.topic)


def _give_up(p: Publication, request: str) -> dict[str, Any]:
    """What is not done yet is not done any more; new changes are published as before."""
    with _claiming(p) as producer:
        found = look_unchecked(p)
        pending = replay.pending(found.replays, range(SLOTS))
        first = positions.claim_record(p.entity, found.claimed or p.shards)
        with producer.transaction():
            _be_alone(p, producer, found, first)
            producer.send_all(p.positions_topic, replay.as_records(p.entity, replay.done(pending)))
    given_up = sorted({one.request for one in pending.values()})
    log.info("%s: given up: %s", p.entity, ", ".join(given_up) or "nothing")
    return {"request": request, "entity": p.entity, "given_up": given_up}


@contextmanager
def _claiming(p: Publication) -> Iterator[TransactionalProducer]:
    """The transactions in which all slots change hands: one comes after the other. Raises FormError while a person
    holds the entity, Unavailable for who is fenced: another one claims, holds or asks at this moment."""
    try:
        with not_while_held(p.entity), p.servers.kafka.transactions(positions.claiming_id(p.name)) as producer:
            yield producer
    except Fenced:
        raise Unavailable(
            f"somebody else claims or holds {p.entity}, or asks for a replay of it, at this moment",
            where=f"topic {p.positions_topic}",
            remedy="nothing was asked for; tried again by itself",
        ) from None


def _be_alone(p: Publication, producer: TransactionalProducer, found: Found, first: Record) -> None:
    """In a transaction: whoever begins to publish from now on waits for its end, because `first` is there; whoever has
    begun is fenced. So what is sent after this is the last word."""
    producer.send_all(p.positions_topic, [first])
    producer.flush()
    fence(p.servers, p.name, found.numbers | {p.shards})


def _require_done(p: Publication, request: str) -> None:
    """Publishing has ended well: what was asked for is sent, or was replaced."""
    said = look_unchecked(replace(p, heeds_hold=False)).replays.values()
    if {one.request for one in said} != {request}:
        raise FormError(
            "another replay of everybody has taken its place",
            where=f"topic {p.topic}",
            remedy="see that run: it sends what this one would have sent",
        )
    if not all(one.is_done for one in said):
        raise Unavailable(
            f"not all of {request} is sent yet", where=f"topic {p.topic}", remedy="goes on there: tried again by itself"
        )


def _send_history(p: Publication, report: Mapping[str, Any]) -> dict[str, Any]:
    """Each change of the report's range once, also when an earlier try has sent some of them."""
    settings = p.servers.kafka_settings
    topic = history_topic(p.topic, report["request"], settings.replication_factor, settings.record_bytes)
    p.servers.kafka.create(topic.name, topic.partitions, topic.config)
    with p.servers.kafka.transactions(f"{p.name}/history/{report['request']}") as producer:
        sent, last = _already(p, topic.name)
        begin = max(report["first_change"] - 1, last)
        waiting = Waiting(p, [begin] * SLOTS, begin, report["last_change"])
        for rows in windows(waiting, look_ahead(waiting)) if begin < waiting.end else ():
            for piece in pieces(rows, PER_TRANSACTION):
                send(p, producer, piece, [], topic.name)
                sent += piece.num_rows
    if sent != report["events"]:
        raise IntegrityError(
            f"{sent} events are on {topic.name}, and {report['events']} were counted",
            where=f"topic {topic.name}",
            remedy="trigger it anew, and find out who changed the change log or the topic meanwhile",
        )
    log.info("%s: %d events to %s", p.entity, sent, topic.name)
    return {"request": report["request"], "entity": p.entity, "topic": topic.name, "events": sent}


def _already(p: Publication, topic: str) -> tuple[int, int]:
    """How many events earlier tries have sent, and the highest change number: changes are sent in order."""
    ids = [dict(message.headers())["ce_id"].decode() for message in p.servers.kafka.committed(topic)]
    return len(ids), max((int(said.rpartition(":")[2]) for said in ids), default=0)
