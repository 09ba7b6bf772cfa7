"""Where can a publish be cut off? (between what it sends and the commit; between two transactions)"""

from __future__ import annotations

import contextlib
from typing import Any

import dying

CHANGES_PER_TRANSACTION = 500
"""So that the small estates of a test are published in several transactions, too."""


def small_transactions(module: Any) -> None:
    """include.steps.publish_entity"""
    module.PER_TRANSACTION = CHANGES_PER_TRANSACTION


def around_the_commit(module: Any) -> None:
    """include.clients.kafka"""
    producer = module.TransactionalProducer
    shipped_transaction, shipped_send = producer.transaction, producer.send_all

    @contextlib.contextmanager
    def transaction(self: Any) -> Any:
        with shipped_transaction(self):
            yield
            for point, leave in (
                ("between_produce_and_commit", dying.die),
                ("kafka_between_produce_and_commit", dying.server_dies),
            ):
                if self.sent and dying.wanted(point):
                    left = self._producer.flush(30)
                    leave(point, records=self.sent, undelivered=left, open=_open_records(self.config, self.topic))
        if self.sent and dying.wanted("after_publish_commit"):
            dying.die("after_publish_commit", records=self.sent, open=_open_records(self.config, self.topic))

    def send_all(self: Any, topic: str, records: Any) -> None:
        given = list(records)
        if ".changes." in topic:
            self.topic, self.sent = topic, self.sent + len(given)
        shipped_send(self, topic, given)

    producer.sent, producer.topic = 0, ""
    producer.transaction, producer.send_all = transaction, send_all
    _know_the_cluster(module)


def _know_the_cluster(module: Any) -> None:
    """What a look at the topic from outside needs."""
    shipped = module.Kafka.__init__

    def init(self: Any, settings: Any) -> None:
        module.TransactionalProducer.config = settings.config
        shipped(self, settings)

    module.Kafka.__init__ = init


def _open_records(config: dict[str, Any], topic: str) -> int:
    """Records of the topic that are written and that no reader of committed ones can reach."""
    ends = [_end(config, topic, isolation) for isolation in ("read_uncommitted", "read_committed")]
    return ends[0] - ends[1]


def _end(config: dict[str, Any], topic: str, isolation: str) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**config, "group.id": "kill_points", "isolation.level": isolation})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1] for p in partitions]
    consumer.close()
    return sum(ends)


def before_the_lookup(module: Any) -> None:
    """include.clients.schema_registry"""
    shipped, point = module.Registry.lookup, "schema_registry_before_a_publish"

    def lookup(self: Any, subject: str, schema: str) -> int:
        if dying.wanted(point):
            dying.server_dies(point, subject=subject)
        return int(shipped(self, subject, schema))

    module.Registry.lookup = lookup
