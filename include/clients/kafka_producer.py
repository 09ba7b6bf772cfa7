"""How are records sent so that all of a transaction are there, or none?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Producer

from include.errors import TooLarge

Record = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
"""Key, value (None: a tombstone), headers."""


class TransactionalProducer:
    """Sends records in transactions; each is visible to read_committed readers as a whole or never. timeout: seconds
    until brokers that do not answer are said to be down."""

    def __init__(self, producer: Producer, where: str, timeout: float) -> None:
        self._producer, self._where, self._timeout = producer, where, timeout
        self._largest: tuple[int, str] = (0, "none")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits when the block ends, aborts when it raises. A commit fails unless every record was delivered.

        Raises TooLarge when one is larger than the brokers take.
        """
        self._largest = (0, "none")
        self._producer.begin_transaction()
        try:
            yield
            self._producer.commit_transaction(self._timeout)
        except KafkaException as error:
            cause = self._abort()
            if cause is not None and error.args[0].code() == KafkaError._FATAL:  # of which the record knows no more
                raise cause from error
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise self._too_large() from error
            raise
        except Exception:
            self._abort()
            raise

    def _abort(self) -> KafkaException | None:
        """What has gone wrong is told, and not that it cannot be taken back (why is returned): then the broker does so,
        by and by."""
        try:
            self._producer.abort_transaction(self._timeout)
        except KafkaException as error:
            return error
        return None

    def send_all(self, topic: str, records: Iterable[Record]) -> None:
        """Hand records over, in order; waits while the client's queue is full."""
        produce, (most, _) = self._producer.produce, self._largest
        for key, value, headers in records:
            if value is not None and len(value) > most:
                most = len(value)
                self._largest = most, _name(key, headers)
            while True:
                try:
                    produce(topic, value, key, headers=headers)
                    break
                except BufferError:
                    self._producer.poll(0.05)

    def flush(self) -> None:
        """Wait until the broker has what was handed over; it is not committed."""
        if self._producer.flush(self._timeout):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _too_large(self) -> TooLarge:
        size, name = self._largest
        return TooLarge(
            f"Kafka does not take the event {name} of {size:,} bytes: it is too large",
            where=self._where,
            remedy="raise the extra message.max.bytes of kafka_default, run `python -m include topics apply`, and tell "
            "the consumers; or withhold the column that is so large (`event: {withhold: […]}` of the entity's "
            "contract). Nothing of its transaction was sent; what was sent before it stays, and the next run goes on",
        )


def _name(key: bytes, headers: list[tuple[str, bytes]]) -> str:
    """`customer:4711`: the entity, and the number of the change."""
    return dict(headers).get("ce_id", key).decode()
