"""What does a world look like from outside? (what must be the same, whether something was killed or not)"""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import fastavro

from include.catalogue import Catalogue
from include.steps.deploy import DATASETS
from tests.conftest import World

NOT_COMPARED = {
    # run ids
    "run_id",
    "attempt",
    "locked_by",
    # batch numbers
    "batch",
    # clock times
    "changed_at",
    "merged_at",
    "since",
    # each world's own
    "bucket",
    "topic_prefix",
}
OF_THE_LAST_TRY = {"rows_taken", "rows_conformed", "inserted", "updated", "removed", "events", "contested"}
"""Counts of a mapping's last merge: a run that was cut in two counts its second part."""


def tables(world: World) -> dict[str, list[str]]:
    """Every table of the world, row by row as sorted JSON, without what differs between any two runs."""
    servers, found = world.servers, {}
    for dataset in DATASETS:
        if dataset == "staging":
            continue
        prefixed = servers.cloud.dataset_prefix + dataset
        names = servers.big_query.query(
            f"SELECT table_name FROM `{servers.cloud.project}`.{prefixed}.INFORMATION_SCHEMA.TABLES"
        )
        for name in sorted(row["table_name"] for row in names):
            rows = servers.big_query.query(f"SELECT * FROM `{servers.cloud.table(dataset, name)}`")
            found[f"{dataset}.{name}"] = sorted(_comparable(row) for row in rows)
    return found


def _comparable(row: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in row.items() if k not in NOT_COMPARED}, default=str, sort_keys=True)


def events(world: World, entity: str) -> list[list[tuple[Any, ...]]]:
    """Per partition the committed events in order: key, value, headers without the clock time."""
    servers = world.servers
    topic = servers.kafka_settings.topic(Catalogue().entity(entity).event.topic)
    partitions: dict[int, list[tuple[Any, ...]]] = {p: [] for p in range(servers.kafka.partitions(topic) or 0)}
    for message in servers.kafka.committed(topic):
        headers = {k: v for k, v in message.headers() if k != "ce_time"}
        value = message.value()
        partitions[message.partition()].append((message.key(), value and value[5:], tuple(sorted(headers.items()))))
    return list(partitions.values())


class Consumer:
    """A consumer that knows a topic and the registry, and nothing else of us: it rebuilds the state from offset 0."""

    def __init__(self, bootstrap: str, registry_url: str) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        self._bootstrap, self._registry = bootstrap, SchemaRegistryClient({"url": registry_url})
        self.schema: dict[str, Any] = {}

    def rebuild(self, topic: str) -> dict[str, dict[str, Any]]:
        from confluent_kafka import Consumer as KafkaConsumer
        from confluent_kafka import KafkaError, TopicPartition

        config = {
            "bootstrap.servers": self._bootstrap,
            "group.id": "somebody",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
        consumer, state = KafkaConsumer(config), dict[str, dict[str, Any]]()
        partitions = list(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        open_partitions = set(partitions)
        while open_partitions:
            for message in consumer.consume(1000, timeout=5):
                if message.error() is not None:
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    open_partitions.discard(message.partition())
                elif message.value() is None:
                    state.pop(message.key().decode(), None)
                else:
                    state[message.key().decode()] = self._decode(message.value())
        consumer.close()
        return state

    def _decode(self, value: bytes) -> dict[str, Any]:
        assert value[0] == 0
        text = self._registry.get_schema(int.from_bytes(value[1:5], "big")).schema_str
        self.schema = json.loads(text)
        return dict(fastavro.schemaless_reader(io.BytesIO(value[5:]), self.schema))  # type: ignore[call-overload]


def as_avro_has_it(value: Any) -> Any:
    """A value of BigQuery as Avro's reader gives it."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return value
