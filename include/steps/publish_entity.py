"""What does an entity's topic not have yet? (the task `publish.<entity>`)"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from include.catalogue import Catalogue
from include.clients.kafka import TransactionalProducer
from include.errors import Fenced, IntegrityError, NotDeployed, Unavailable
from include.merge.progress import EntityProgress, read_progress
from include.names import key_column
from include.publish import position as positions
from include.publish.events import Encoder, published_columns
from include.publish.position import ChangeLogState, Position
from include.publish.schemas import event_schema, schema_text, subject
from include.rendering import render
from include.steps.environment import are_ours
from include.steps.request import Request
from include.steps.servers import Servers

log = logging.getLogger(__name__)
WINDOW = 50_000
"""Change numbers per query of the change log."""
PER_TRANSACTION = 10_000
SHARDS = 1
PATIENCE = 120.0
"""Seconds to wait for another publisher's open transaction, or for one that has fenced us: twice its time-out."""


def publish_entity(catalogue: Catalogue, servers: Servers, entity: str, request: Request) -> dict[str, Any]:
    """Send every change after the positions, in order, each transaction with its position.

    Returns the number of events (how many of them are tombstones), of changes without event, and the last change
    number that is on the topic.
    Raises EpochBroken when change log, topic and positions do not belong together, IntegrityError for topics of another
    environment, NotDeployed for a missing topic or schema, DeclarationError for an entity without event; Fenced when
    another publisher took over and did not finish either, Unavailable when there is none.
    """
    contract, topic = catalogue.entity(entity), servers.kafka_settings.topic(catalogue.topic(entity))
    if servers.kafka.partitions(topic) is None:
        raise NotDeployed(
            f"there is no topic {topic}",
            where=f"entity {entity}, Kafka {servers.kafka_settings.config['bootstrap.servers']}",
            remedy="run `python -m include topics apply`",
        )
    schema = event_schema(entity, contract)
    encoder = Encoder(entity, key_column(entity), schema, servers.registry.lookup(subject(topic), schema_text(schema)))
    if request.dry_run:
        start, progress = _look(catalogue, servers, entity, topic)
        waiting = progress.change_number - start
        log.info("%s: %d changes wait for %s", entity, waiting, topic)
        return {"entity": entity, "topic": topic, "dry_run": True, "changes_waiting": waiting}
    try:
        return _publish(catalogue, servers, entity, topic, encoder)
    except Fenced:
        return _wait_for_the_other(servers, entity, topic)


def _publish(catalogue: Catalogue, servers: Servers, entity: str, topic: str, encoder: Encoder) -> dict[str, Any]:
    counts = {"events": 0, "tombstones": 0, "without_event": 0}
    transactional_id = positions.transactional_id(servers.kafka_settings.topic(entity), SHARDS, 0)
    with servers.kafka.transactions(transactional_id) as producer:  # first fence, then look
        start, progress = _look(catalogue, servers, entity, topic)
        for low in range(start, progress.change_number, WINDOW):
            high = min(low + WINDOW, progress.change_number)
            for rows in _change_log(catalogue, servers, entity, encoder, low, high):
                _send(servers, producer, topic, encoder, rows, progress, counts)
    told = "{events} events, {tombstones} of them tombstones; {without_event} changes without event".format(**counts)
    log.info("%s: %s; the last change on %s is %d", entity, told, topic, progress.change_number)
    return {"entity": entity, "topic": topic, **counts, "last_change": progress.change_number}


def _look(catalogue: Catalogue, servers: Servers, entity: str, topic: str) -> tuple[int, EntityProgress]:
    """After which change number to go on, and up to where, once positions, change log and topic are known to belong
    together. The change log is looked at after the positions, so that it is never behind them."""
    found = _positions(servers, entity)
    progress = _progress(servers, entity)
    state = ChangeLogState(progress.epoch, progress.change_number)
    has_events = not found and servers.kafka.has_committed(topic)
    given_at = _given_at(catalogue, servers, entity, positions.numbers(found))
    positions.check(entity, found, state, given_at, has_events, f"topic {topic}")
    return positions.lowest(found, positions.shard_slots(0, SHARDS)), progress


def _progress(servers: Servers, entity: str) -> EntityProgress:
    return read_progress(servers.big_query, servers.cloud.table("ledger", entity))


def _positions(servers: Servers, entity: str) -> dict[int, Position]:
    topic = servers.kafka_settings.topic(positions.POSITIONS_TOPIC)
    records = servers.kafka.committed_records(topic, timeout=PATIENCE)
    are_ours(servers, records)
    return positions.positions_of(entity, records)


def _given_at(catalogue: Catalogue, servers: Servers, entity: str, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """When the change log gave these numbers; those that it does not have are missing."""
    if not numbers:
        return {}
    table = servers.cloud.table("change_log", entity)
    params = {f"n{index}": number for index, number in enumerate(numbers)}
    sql = render(catalogue.sql / "statements", "change_times.sql", change_log=table, numbers=list(params))
    return {row["change_number"]: row["changed_at"] for row in servers.big_query.query(sql, params, where=table)}


def _change_log(
    catalogue: Catalogue, servers: Servers, entity: str, encoder: Encoder, low: int, high: int
) -> Iterator[pa.RecordBatch]:
    """The changes (low, high], in order and none missing, in batches of one transaction's size."""
    table = servers.cloud.table("change_log", entity)
    columns = ["change_number", "changed_at", "operation", "is_event", *published_columns(encoder.schema)]
    sql = render(catalogue.sql / "statements", "change_log_window.sql", change_log=table, columns=columns)
    batches = list(servers.storage_read.ordered(sql, {"low": low, "high": high}, where=table))
    numbers = [number for batch in batches for number in batch.column("change_number").to_pylist()]
    if numbers != list(range(low + 1, high + 1)):
        raise IntegrityError(
            f"the change log does not have exactly the changes {low + 1} to {high}, in order",
            where=table,
            remedy="nothing of this window was sent; find out who changed or restored the change log",
        )
    yield from pa.Table.from_batches(batches).combine_chunks().to_batches(max_chunksize=PER_TRANSACTION)


def _send(
    servers: Servers,
    producer: TransactionalProducer,
    topic: str,
    encoder: Encoder,
    rows: pa.RecordBatch,
    progress: EntityProgress,
    counts: dict[str, int],
) -> None:
    """One transaction: the events of `rows`, then the position of every slot, then the commit."""
    last = rows.num_rows - 1
    at = Position(
        rows.column("change_number")[last].as_py(),
        rows.column("changed_at")[last].as_py().isoformat(),
        progress.epoch,
        SHARDS,
    )
    is_event = rows.column("is_event")
    events = rows.filter(is_event)
    positions_topic = servers.kafka_settings.topic(positions.POSITIONS_TOPIC)
    with producer.transaction():
        for event in encoder.encode(events):
            producer.send(topic, event.key, event.value, event.headers)
            counts["events"] += 1
            counts["tombstones"] += event.value is None
        for key, value in positions.as_records(encoder.entity, positions.shard_slots(0, SHARDS), at):
            producer.send(positions_topic, key, value)
    counts["without_event"] += rows.num_rows - events.num_rows


def _wait_for_the_other(servers: Servers, entity: str, topic: str) -> dict[str, Any]:
    """Another publisher has taken over: done when the positions reach what is there now.

    Raises Fenced when they do not in time; Unavailable when they do not move at all: then nobody has taken over, and
    the broker has ended our transaction because it took too long.
    """
    target, began = _progress(servers, entity).change_number, _published(servers, entity)
    deadline = time.monotonic() + PATIENCE
    reached = began
    while time.monotonic() < deadline:
        if reached >= target:
            log.info("%s: another publisher has taken over, and has sent all up to change %d", entity, target)
            return {"entity": entity, "topic": topic, "fenced": True, "last_change": target}
        time.sleep(2)
        reached = _published(servers, entity)
    if reached == began:
        raise Unavailable(
            f"the broker has ended our transaction at change {began}, and nobody else publishes {entity}",
            where=f"topic {topic}",
            remedy="tried again by itself; if it lasts, ask whether the brokers are slow",
        )
    raise Fenced(
        f"another publisher of {entity} has taken over, and is at change {reached} of {target} after {PATIENCE:.0f} s",
        where=f"topic {topic}",
        remedy="see the other run of this task; when none is running, run this one again",
    )


def _published(servers: Servers, entity: str) -> int:
    return positions.lowest(_positions(servers, entity), range(positions.SLOTS))
