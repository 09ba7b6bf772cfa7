"""What is one transaction? (events, and the records that say how far we are)"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from include.clients.kafka_producer import Record, TransactionalProducer
from include.publish.position import topic_lacks_events
from include.publish.replay import Mark, mark_record
from include.steps.publication import Publication

PER_TRANSACTION = 10_000


def send(
    p: Publication,
    producer: TransactionalProducer,
    rows: pa.RecordBatch | None,
    moved: Sequence[Record],
    topic: str = "",
) -> None:
    """One transaction: the events of `rows` (to the entity's topic, or to another one), then the records that say how
    far we are, then the commit."""
    with producer.transaction():
        if rows is not None:
            producer.send_all(topic or p.topic, p.encoder.encode(rows))
        producer.send_all(p.positions_topic, moved)


def mark(p: Publication, producer: TransactionalProducer, before: Mark | None) -> None:
    """Note where the topic's partitions end, so that a topic that was emptied, made anew or restored is recognised;
    before: what was noted last. Raises EpochBroken when that has happened since."""
    ends = tuple(p.servers.kafka.end_offsets(p.topic))
    if before is not None and (problem := before.problem(p.topic, ends)):
        raise topic_lacks_events(p.entity, problem, f"topic {p.topic}")
    if before is not None and before.ends == ends:
        return
    with producer.transaction():
        producer.send_all(p.positions_topic, [mark_record(p.entity, Mark(p.topic, ends))])
