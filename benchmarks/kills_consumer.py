"""What does a consumer have that knows nothing of us? (Kafka's own client, read committed; the registry's schemas)"""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

LONGEST_WAIT = 120.0


class Seen(NamedTuple):
    """An event: its key, `ce_id` and partition, and the row, None for a tombstone."""

    key: str
    ce_id: str
    partition: int
    row: dict[str, Any] | None


def consumed(config: Mapping[str, Any], topic: str, registry: str) -> Iterator[Seen]:
    """All events of the topic, in the order of each partition, up to the end that it has now, with whatever is open."""
    ends, schemas = end_offsets(config, topic, IsolationLevel.READ_UNCOMMITTED), dict[int, Any]()
    settings = {"group.id": "kills", "isolation.level": "read_committed", "enable.auto.commit": False}
    consumer = Consumer({**config, **settings, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
    until, left = time.monotonic() + LONGEST_WAIT, {partition for partition, end in ends.items() if end}
    while left:
        assert time.monotonic() < until, f"{topic}: partitions {left} cannot be read to their ends"
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error() and message.error().code() != KafkaError._PARTITION_EOF:
            raise KafkaException(message.error())
        if message.offset() + (not message.error()) >= ends[message.partition()]:
            left.discard(message.partition())
        if not message.error():
            yield _seen(message, registry, schemas)
    consumer.close()


def end_offsets(config: Mapping[str, Any], topic: str, isolation: IsolationLevel) -> dict[int, int]:
    """Partition to the offset after its last record that a reader of this isolation reaches."""
    admin = AdminClient(dict(config))
    partitions = admin.list_topics(topic, timeout=30).topics[topic].partitions
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in partitions}
    found = admin.list_offsets(asked, isolation_level=isolation)
    return {partition.partition: future.result(30).offset for partition, future in found.items()}


def _seen(message: Any, registry: str, schemas: dict[int, Any]) -> Seen:
    ce_id, value = dict(message.headers())["ce_id"].decode(), message.value()
    row = None if value is None else _decoded(value, registry, schemas)
    return Seen(message.key().decode(), ce_id, message.partition(), row)


def _decoded(value: bytes, registry: str, schemas: dict[int, Any]) -> dict[str, Any]:
    """Confluent's wire format: a zero byte, the schema's id in four bytes, Avro."""
    number = int.from_bytes(value[1:5], "big")
    if number not in schemas:
        with urllib.request.urlopen(f"{registry}/schemas/ids/{number}", timeout=30) as answer:  # noqa: S310
            schemas[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    return dict(fastavro.schemaless_reader(io.BytesIO(value[5:]), schemas[number]))


def judged(events: Iterable[Seen], wanted: Collection[str], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many of the wanted changes are lost, how many events there are beside one of each, how many come after a
    later change of their key or on another partition than it had, and how many keys have another row than in `rows`."""
    missing, doubled, out_of_order = set(wanted), 0, 0
    state, last = dict[str, dict[str, Any]](), dict[str, tuple[int, int]]()
    for event in events:
        number = int(event.ce_id.rpartition(":")[2])
        before, partition = last.get(event.key, (0, event.partition))
        out_of_order += number < before or partition != event.partition
        doubled += event.ce_id not in missing
        missing.discard(event.ce_id)
        last[event.key] = (max(number, before), event.partition)
        state.pop(event.key, None)
        if event.row is not None:
            state[event.key] = event.row
    differ = sum(state.get(key) != rows.get(key) for key in state.keys() | rows.keys())
    return {"lost": len(missing), "doubled": doubled, "out_of_order": out_of_order, "rows_differ": differ}
