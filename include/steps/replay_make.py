"""How are events sent once more? (the task `publish.replay_events`)

The current state is asked for, in the positions' topic, and done by the publishers themselves: the run of the entity
that begins here, or any other that comes first. A history goes to a topic of its own, which says by its own events how
far it has come.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.catalogue import Catalogue
from include.publish import position as positions
from include.publish import replay
from include.publish.position import SLOTS, Position
from include.publish.replay import ANEW, HISTORY, Mark, Replay
from include.publish.topics import history_topic
from include.steps.publication import Publication, look, look_unchecked, publication
from include.steps.publish_entity import publish_entity
from include.steps.publish_send import PER_TRANSACTION, send
from include.steps.publish_window import Waiting, look_ahead, pieces, windows
from include.steps.replay_check import require_empty, require_no_other
from include.steps.replay_request import ReplayRequest
from include.steps.request import Request
from include.steps.servers import Servers

log = logging.getLogger(__name__)


def make_replay(
    catalogue: Catalogue, servers: Servers, request: ReplayRequest, report: Mapping[str, Any]
) -> dict[str, Any]:
    """Do what `check_replay` has reported; what publishing says of it. Raises FormError when it cannot be done any
    more, else as `publish_entity` does."""
    if request.dry_run:
        log.info("a dry run sends nothing")
        return {"entity": request.entity, "dry_run": True}
    p = publication(catalogue, servers, request.entity)
    if request.what == HISTORY:
        return _send_history(p, report)
    if request.what == ANEW:
        _begin_anew(p, report["request"])
    else:
        _ask(p, request, Replay(report["request"], 0, False, report.get("list", ""), report.get("digest", "")))
    return {"request": report["request"], **publish_entity(catalogue, servers, request.entity, Request())}


def _ask(p: Publication, request: ReplayRequest, wanted: Replay) -> None:
    """Unless an earlier try has."""
    with p.servers.kafka.transactions(positions.claiming_id(p.name)) as producer:
        found = look(p, topic_was_restored=request.topic_was_restored)
        if {one.request for one in found.replays.values()} == {wanted.request}:
            return
        require_no_other(found, request, wanted.request)
        ends = tuple(p.servers.kafka.end_offsets(p.topic))
        with producer.transaction():
            producer.send_all(p.positions_topic, replay.as_records(p.entity, dict.fromkeys(range(SLOTS), wanted)))
            producer.send_all(p.positions_topic, [replay.mark_record(p.entity, Mark(p.topic, ends))])


def _begin_anew(p: Publication, request: str) -> None:
    """All positions go back to the beginning of today's change log, unless an earlier try has done so."""
    with p.servers.kafka.transactions(positions.claiming_id(p.name)) as producer:
        found = look_unchecked(p)
        if {one.request for one in found.replays.values()} == {request}:
            return
        require_empty(p, found, request)
        ends = tuple(p.servers.kafka.end_offsets(p.topic))
        beginning = [(slot, Position(0, "", found.progress.epoch, p.shards)) for slot in range(SLOTS)]
        is_done = dict.fromkeys(range(SLOTS), Replay(request, is_done=True))
        with producer.transaction():
            producer.send_all(p.positions_topic, positions.as_records(p.entity, beginning))
            producer.send_all(p.positions_topic, replay.as_records(p.entity, is_done))
            producer.send_all(p.positions_topic, [replay.mark_record(p.entity, Mark(p.topic, ends))])
            producer.flush()  # who begins from now on waits for our commit; who has begun is fenced
            for shard in positions.shards_of(positions.named(found.positions) | {p.shards}):
                p.servers.kafka.fence(shard.transactional_id(p.name))
    log.info("%s: all of its changes go to %s, from the first one on", p.entity, p.topic)


def _send_history(p: Publication, report: Mapping[str, Any]) -> dict[str, Any]:
    """Each change of the report's range once, also when an earlier try has sent some of them."""
    settings = p.servers.kafka_settings
    topic = history_topic(p.topic, report["request"], settings.replication_factor, settings.record_bytes)
    p.servers.kafka.create(topic.name, topic.partitions, topic.config)
    sent = 0
    with p.servers.kafka.transactions(f"{p.name}/history/{report['request']}") as producer:
        begin = max(report["first_change"] - 1, _last_number(p, topic.name))
        waiting = Waiting(p, [begin] * SLOTS, begin, report["last_change"])
        expected = look_ahead(waiting).events if begin < waiting.end else 0
        for rows in windows(waiting, expected):
            for piece in pieces(rows, PER_TRANSACTION):
                send(p, producer, piece, [], topic.name)
                sent += piece.num_rows
    log.info("%s: %d events to %s", p.entity, sent, topic.name)
    return {"request": report["request"], "entity": p.entity, "topic": topic.name, "events": sent}


def _last_number(p: Publication, topic: str) -> int:
    """The highest change number that is on a history's topic: changes are sent in order."""
    ids = (dict(message.headers())["ce_id"].decode() for message in p.servers.kafka.committed(topic))
    return max((int(said.rpartition(":")[2]) for said in ids), default=0)
