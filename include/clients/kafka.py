"""How do we speak to Kafka? (confluent-kafka: transactions, positions, topics)"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from include.clients.kafka_errors import MISSING, Errors
from include.clients.kafka_producer import TransactionalProducer
from include.connections import KafkaSettings
from include.errors import DataPlatformError, NotDeployed, Unavailable

GROUP = "publisher"
"""Required by the client; never joined, and its offsets are never committed."""
TIMEOUT = 30.0
"""Seconds until a cluster that does not answer is said to be down."""
TRANSACTION_TIMEOUT_MS = 60_000
_A_MOMENT = 0.02
"""Seconds for which records are gathered."""
_TO_THE_END = {"fetch.wait.max.ms": 20}
"""For who reads up to an end: that it is reached is told after the broker has waited for more (as shipped 500 ms)."""
_COORDINATORS = "__transaction_state"
"""The brokers' own topic."""


class Kafka:
    """A cluster. Topic names are given in full, prefix included."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._complaints: deque[KafkaError] = deque(maxlen=100)  # what clients tell of their own accord
        self._config = {"log_level": 0, "error_cb": self._complaints.append, **settings.config}
        self._replicas, self._where = settings.replication_factor, f"Kafka {settings.config['bootstrap.servers']}"
        self._errors = Errors(self._where, self._replicas)
        self._admin: AdminClient | None = None  # kept: a client that is collected at once answers _DESTROY

    # -- topics
    def partitions(self, topic: str) -> int | None:
        """The number of partitions, or None when there is no such topic."""
        found = self._described(topic)
        return None if found is None else len(found)

    def replicas(self, topic: str) -> int:
        """On how many brokers a topic is: the fewest of its partitions' numbers. Raises NotDeployed without one."""
        found = self._described(topic)
        if found is None:
            raise self._errors.missing(topic)
        return min(len(partition.replicas) for partition in found)

    def _described(self, topic: str) -> list[Any] | None:
        with self._translated(topic):
            asked = self._admin_client().describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)
            try:
                return list(self._answer(asked[topic]).partitions)
            except KafkaException as error:
                if error.args[0].code() not in MISSING:
                    raise
                return None

    def _answer(self, future: Future[Any]) -> Any:
        """What the brokers answer. A login that they refuse is told at once: the client itself would go on trying."""
        self._complaints.clear()
        while not future.done():
            self._admin_client().poll(0.005)
            for complaint in list(self._complaints):
                if complaint.code() == KafkaError._AUTHENTICATION:
                    raise KafkaException(complaint)
        return future.result()

    def config(self, topic: str) -> dict[str, str]:
        """A topic's settings."""
        with self._translated(topic):
            resource = ConfigResource(ResourceType.TOPIC, topic)
            entries = self._admin_client().describe_configs([resource])[resource].result(TIMEOUT)
            return {name: entry.value for name, entry in entries.items()}

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, unless somebody has made it meanwhile; its partitions can be used when this returns."""
        with self._translated(topic):
            new = NewTopic(topic, partitions, self._replicas, config=dict(config))
            try:
                self._admin_client().create_topics([new])[topic].result(TIMEOUT)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        self._wait_until_led(topic)

    def _wait_until_led(self, topic: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                self.end_offsets(topic)
                return
            except (NotDeployed, Unavailable):  # not known everywhere yet, or without leaders
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def alter(self, topic: str, config: Mapping[str, str]) -> None:
        """Set some of a topic's settings; the others stay."""
        with self._translated(topic):
            entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in config.items()]
            resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
            self._admin_client().incremental_alter_configs([resource])[resource].result(TIMEOUT)

    def end_offsets(self, topic: str) -> list[int]:
        """The offset after the last record of each partition, records of open transactions included."""
        count = self.partitions(topic)
        if count is None:
            raise self._errors.missing(topic)
        with self._consumer("read_uncommitted") as consumer, self._translated(topic):
            tails = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT) for p in range(count)]
            return [high for _, high in tails]

    # -- reading
    def committed_records(self, topic: str, *, timeout: float) -> list[tuple[bytes, bytes | None]]:
        """Every committed record of a one-partition topic, up to the *uncommitted* end that it has now.

        While a transaction is open its records, and all behind them, are invisible: acting on what is visible would
        repeat. Raises Unavailable when it stays so for `timeout` seconds.
        """
        (end,) = self.end_offsets(topic)
        records: list[tuple[bytes, bytes | None]] = []
        deadline = time.monotonic() + timeout
        with self._consumer("read_committed", **_TO_THE_END) as consumer, self._translated(topic):
            consumer.assign([TopicPartition(topic, 0, 0)])
            seen = 0
            while seen < end:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{topic} is readable to offset {seen} of {end} only: a transaction is open",
                        where=self._where,
                        remedy="tried again by itself: the broker ends it after its time-out; if it lasts for some "
                        "minutes, the broker has lost its end: see docs/replay.md, Restored",
                    )
                for message in consumer.consume(1000, timeout=_A_MOMENT):
                    seen = max(seen, _offset_after(message))
                    if message.error() is None:
                        records.append((message.key(), message.value()))
        return records

    def committed(self, topic: str) -> Iterator[Any]:
        """Every committed message of a topic, partition by partition as they come, up to the end that it has now.

        Raises Unavailable when nothing comes for `TIMEOUT` seconds: a client that lost its brokers stays silent.
        """
        ends = self.end_offsets(topic)
        with self._consumer("read_committed", **_TO_THE_END) as consumer, self._translated(topic):
            consumer.assign([TopicPartition(topic, p, 0) for p in range(len(ends))])
            open_partitions = {p for p, end in enumerate(ends) if end}
            deadline = time.monotonic() + TIMEOUT
            while open_partitions:
                messages = consumer.consume(1000, timeout=_A_MOMENT)
                if messages:
                    deadline = time.monotonic() + TIMEOUT
                elif time.monotonic() > deadline:
                    raise self._errors.silent(topic, TIMEOUT)
                for message in messages:
                    if _offset_after(message) >= ends[message.partition()] or message.error() is not None:
                        open_partitions.discard(message.partition())
                    if message.error() is None:
                        yield message

    def has_committed(self, topic: str) -> bool:
        """Whether a topic holds a committed record. End offsets do not tell: an aborted transaction moves them too."""
        return next(self.committed(topic), None) is not None

    def follow(self, topic: str, *, stop: Callable[[], bool]) -> Iterator[Any]:
        """New committed messages as they come, until `stop()`."""
        ends = self.end_offsets(topic)
        with self._consumer("read_committed") as consumer, self._translated(topic):
            consumer.assign([TopicPartition(topic, p, offset) for p, offset in enumerate(ends)])
            while not stop():
                for message in consumer.consume(500, timeout=0.5):
                    _offset_after(message)
                    if message.error() is None:
                        yield message

    # -- writing
    def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        """One record (None: a tombstone) outside of any transaction; it is there when this returns."""
        failed: list[KafkaError] = []
        with self._translated(topic):
            producer = Producer({**self._config, "acks": "all", "enable.idempotence": True})
            producer.produce(topic, value, key, on_delivery=lambda error, _: failed.append(error) if error else None)
            waiting = producer.flush(TIMEOUT)
            if failed:
                raise KafkaException(failed[0])
        if waiting:
            raise self._errors.silent(topic, TIMEOUT)

    def fence(self, transactional_id: str) -> None:
        """End whatever transaction is open under this id; a producer that has it cannot commit any more."""
        with self.transactions(transactional_id):
            pass

    @contextmanager
    def transactions(self, transactional_id: str) -> Iterator[TransactionalProducer]:
        """A producer whose transactions no other of the same id can interleave: an older one is fenced now."""
        producer = Producer(
            {
                **self._config,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2",
                "compression.type": "zstd",
                "linger.ms": 10,
                "queue.buffering.max.messages": 200_000,
            }
        )
        with self._translated(transactional_id):
            with suppress(KafkaException):  # no broker, no right: the next call tells it
                producer.list_topics(_COORDINATORS, timeout=1)  # who asks before he is connected is let wait 0.5 s
            producer.init_transactions(TIMEOUT)
            yield TransactionalProducer(producer, f"{self._where}, {transactional_id}", TIMEOUT)

    # -- inside
    def _admin_client(self) -> AdminClient:
        if self._admin is None:
            try:
                self._admin = AdminClient(self._config)
            except KafkaException as error:
                raise self._errors.of_settings(error) from None
        return self._admin

    @contextmanager
    def _consumer(self, isolation: str, **more: int) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                **self._config,
                "group.id": GROUP,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                **more,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except DataPlatformError:
            raise
        except (KafkaException, SystemError) as error:
            raise self._errors.of(error, what, TIMEOUT) from error


def _offset_after(message: Any) -> int:
    """The offset that a message, or the end of the partition, lets us read from next."""
    error = message.error()
    if error is None:
        return int(message.offset()) + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return int(message.offset())
    raise KafkaException(error)
