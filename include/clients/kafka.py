"""How do we speak to Kafka? (confluent-kafka: transactions, positions, topics)"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from include.connections import KafkaSettings
from include.errors import DataPlatformError, Fenced, ForbiddenError, NotDeployed, Unavailable

Record = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
"""Key, value (None: a tombstone), headers."""
GROUP = "publisher"
"""Required by the client; never joined, and its offsets are never committed."""
TIMEOUT = 30.0
"""Seconds until a cluster that does not answer is said to be down."""
TRANSACTION_TIMEOUT_MS = 60_000
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_SILENT = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}
_ASK_BROKERS = "tried again by itself; if it lasts, ask whether the brokers are up"
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


class Kafka:
    """A cluster. Topic names are given in full, prefix included."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._config = {"log_level": 0, "error_cb": lambda error: None, **settings.config}
        self._where = f"Kafka {settings.config['bootstrap.servers']}"
        self._admin: AdminClient | None = None  # kept: a client that is collected at once answers _DESTROY

    # -- topics
    def partitions(self, topic: str) -> int | None:
        """The number of partitions, or None when there is no such topic."""
        with self._translated(topic):
            found = self._admin_client().list_topics(timeout=TIMEOUT).topics.get(topic)
            return len(found.partitions) if found is not None and found.error is None else None

    def config(self, topic: str) -> dict[str, str]:
        """A topic's settings."""
        with self._translated(topic):
            resource = ConfigResource(ResourceType.TOPIC, topic)
            entries = self._admin_client().describe_configs([resource])[resource].result(TIMEOUT)
            return {name: entry.value for name, entry in entries.items()}

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, unless somebody has made it meanwhile; its partitions can be used when this returns."""
        with self._translated(topic):
            new = NewTopic(topic, num_partitions=partitions, config=dict(config))
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
            raise self._missing(topic)
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
        with self._consumer("read_committed") as consumer, self._translated(topic):
            consumer.assign([TopicPartition(topic, 0, 0)])
            seen = 0
            while seen < end:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{topic} is readable to offset {seen} of {end} only: a transaction is open",
                        where=self._where,
                        remedy="tried again by itself: the broker ends it after its time-out",
                    )
                for message in consumer.consume(1000, timeout=0.2):
                    seen = max(seen, _offset_after(message))
                    if message.error() is None:
                        records.append((message.key(), message.value()))
        return records

    def committed(self, topic: str) -> Iterator[Any]:
        """Every committed message of a topic, partition by partition as they come, up to the end that it has now.

        Raises Unavailable when nothing comes for `TIMEOUT` seconds: a client that lost its brokers stays silent.
        """
        ends = self.end_offsets(topic)
        with self._consumer("read_committed") as consumer, self._translated(topic):
            consumer.assign([TopicPartition(topic, p, 0) for p in range(len(ends))])
            open_partitions = {p for p, end in enumerate(ends) if end}
            deadline = time.monotonic() + TIMEOUT
            while open_partitions:
                messages = consumer.consume(1000, timeout=0.2)
                if messages:
                    deadline = time.monotonic() + TIMEOUT
                elif time.monotonic() > deadline:
                    raise self._silent(topic)
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
            raise self._silent(topic)

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
            producer.init_transactions(TIMEOUT)
            yield TransactionalProducer(producer)

    # -- inside
    def _admin_client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config)
        return self._admin

    @contextmanager
    def _consumer(self, isolation: str) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                **self._config,
                "group.id": GROUP,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
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
            raise self._error(_kafka_error(error), what) from error

    def _error(self, error: KafkaError | None, what: str) -> DataPlatformError:
        code = error.code() if error is not None else None
        where = f"{self._where}, {what}"
        if code in _MISSING:
            return self._missing(what)
        if code in _FENCED:
            return Fenced("another publisher has taken over", where=where, remedy="none: the other one goes on")
        if error is not None and code in _FORBIDDEN:
            remedy = "correct the login of kafka_default, or grant what `python -m include grants kafka` prints"
            return ForbiddenError(f"Kafka does not allow it ({error.name()})", where=where, remedy=remedy)
        name = error.name() if error is not None else "the client failed"
        silent = f"Kafka did not answer within {TIMEOUT:.0f} s ({name})"
        return Unavailable(silent if code in _SILENT else f"Kafka: {name}", where=where, remedy=_ASK_BROKERS)

    def _silent(self, topic: str) -> Unavailable:
        return Unavailable(
            f"the brokers of {topic} were silent for {TIMEOUT:.0f} s",
            where=self._where,
            remedy=_ASK_BROKERS,
        )

    def _missing(self, topic: str) -> NotDeployed:
        return NotDeployed(
            f"there is no topic {topic}", where=self._where, remedy="run `python -m include topics apply`"
        )


class TransactionalProducer:
    """Sends records in transactions; each is visible to read_committed readers as a whole or never."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits when the block ends, aborts when it raises. A commit fails unless every record was delivered."""
        self._producer.begin_transaction()
        try:
            yield
            self._producer.commit_transaction(TIMEOUT)
        except KafkaException as error:
            if not error.args[0].fatal():
                self._producer.abort_transaction(TIMEOUT)
            raise
        except Exception:
            self._producer.abort_transaction(TIMEOUT)
            raise

    def send_all(self, topic: str, records: Iterable[Record]) -> None:
        """Hand records over, in order; waits while the client's queue is full."""
        produce = self._producer.produce
        for key, value, headers in records:
            while True:
                try:
                    produce(topic, value, key, headers=headers)
                    break
                except BufferError:
                    self._producer.poll(0.05)

    def flush(self) -> None:
        """Wait until the broker has what was handed over; it is not committed."""
        self._producer.flush(TIMEOUT)


def _offset_after(message: Any) -> int:
    """The offset that a message, or the end of the partition, lets us read from next."""
    error = message.error()
    if error is None:
        return int(message.offset()) + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return int(message.offset())
    raise KafkaException(error)


def _kafka_error(error: BaseException) -> KafkaError | None:
    """librdkafka's error, also out of the SystemError that wraps it when a callback was running."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, KafkaException):
            return chain.args[0]
        chain = chain.__cause__ or chain.__context__
    return None
