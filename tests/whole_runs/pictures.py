"""What does a world look like from outside? (what must be the same, whether something was killed or not)"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fastavro

from include.catalogue import Catalogue
from include.merge.statement import COUNTS
from include.names import DatasetName
from include.stage.log import Batch, DatasetLog
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
    "until",
    "valid_from",
    "valid_to",
    "at",
    # each world's own
    "bucket",
    "topic_prefix",
}
OF_THE_LAST_TRY = set(COUNTS)
"""Counts of a mapping's last merge: a run that was cut in two counts its second part."""
OF_A_TRY = {"attempt", "read_at", "committed_at"}
KEPT = tuple(dataset for dataset in DATASETS if dataset != "staging")
"""Datasets whose tables do not expire."""


@dataclass(frozen=True)
class Picture:
    """A world's end: what the two worlds must have in common."""

    tables: dict[str, list[str]]
    staged: dict[str, list[str]]
    batches: dict[str, list[dict[str, Any]]]
    events: dict[str, list[list[tuple[Any, ...]]]]

    def differences(self, other: Picture) -> list[str]:
        """What is in one of both only, or not the same: `tables: common_model.customer`."""
        found = ((what, vars(self)[what], vars(other)[what]) for what in vars(self))
        return [f"{what}: {name}" for what, a, b in found for name in sorted({*a, *b}) if a.get(name) != b.get(name)]


MERGED = tuple(Catalogue().use_case("customer_base").publishes)
"""The entities of the only use case that these stories run."""


def picture(world: World) -> Picture:
    catalogue = Catalogue()
    return Picture(
        {name: _without_counts(rows) for name, rows in tables(world).items()},
        tables(world, ["staging"]),
        {str(name): batches(world, name) for name in catalogue.use_case("customer_base").datasets},
        {entity: events(world, entity) for entity in MERGED},
    )


def tables(world: World, datasets: Sequence[str] = KEPT) -> dict[str, list[str]]:
    """Every table of the datasets, row by row as sorted JSON, without what differs between any two runs."""
    servers, found = world.servers, {}
    for dataset in datasets:
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


def _without_counts(rows: list[str]) -> list[str]:
    return sorted(
        json.dumps({k: v for k, v in json.loads(row).items() if k not in OF_THE_LAST_TRY}, sort_keys=True)
        for row in rows
    )


def batches(world: World, name: DatasetName) -> list[dict[str, Any]]:
    """Every entry of a dataset's log, without what differs between two tries; of parts the sum of rows."""
    log = DatasetLog(world.servers.bucket, name)
    return [_comparable_entry(log.get(number)) for number in log.numbers()]


def _comparable_entry(batch: Batch) -> dict[str, Any]:
    entry = {k: v for k, v in json.loads(batch.to_json()).items() if k not in OF_A_TRY}
    keys = None if batch.keys is None else sum(part.rows for part in batch.keys)
    return entry | {"parts": sum(part.rows for part in batch.parts), "keys": keys}


def events(world: World, entity: str) -> list[list[tuple[Any, ...]]]:
    """Per partition the committed events in order: key, value, headers without the clock time."""
    servers = world.servers
    topic = servers.kafka_settings.topic(Catalogue().topic(entity))
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
