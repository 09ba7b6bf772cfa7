"""Which topics must there be, and how must they be set?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from include.connections import RECORD_BYTES, REPLICATION_FACTOR
from include.publish.position import POSITIONS_TOPIC

DAY_MS = 86_400_000
OF_EVENTS = 12
"""Partitions of a topic of events, for ever."""
HISTORY_SUFFIX = ".history."
_FRAMING = 48_588
"""Bytes that a topic takes beside those of the largest record: with the client's default it is Kafka's own default."""
PARTITIONS, REPLICAS = "partitions", "replicas"
_FIXED = (PARTITIONS, REPLICAS)


@dataclass(frozen=True)
class Topic:
    """A topic as it must be. The number of partitions is fixed for ever: another one breaks the order per key."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


def event_topic(name: str, replicas: int = REPLICATION_FACTOR, record_bytes: int = RECORD_BYTES) -> Topic:
    """A topic of events: compacted, but nothing younger than 7 days; tombstones stay 7 days after compaction."""
    week = {"min.compaction.lag.ms": str(7 * DAY_MS), "delete.retention.ms": str(7 * DAY_MS)}
    return Topic(name, OF_EVENTS, replicas, {"cleanup.policy": "compact", **week, **_safe(replicas, record_bytes)})


def history_topic(
    topic: str, request: str, replicas: int = REPLICATION_FACTOR, record_bytes: int = RECORD_BYTES
) -> Topic:
    """The topic of a part of the history that somebody has asked for: every change in it, for 7 days. topic: of the
    entity, in full."""
    config = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), **_safe(replicas, record_bytes)}
    return Topic(f"{topic}{HISTORY_SUFFIX}{request}", OF_EVENTS, replicas, config)


def positions_topic(replicas: int = REPLICATION_FACTOR, record_bytes: int = RECORD_BYTES) -> Topic:
    """The positions: one partition, so that they are read as one whole. Who reads them begins at their start each time,
    so that a tombstone need not wait for anybody longer than a day."""
    config = {"cleanup.policy": "compact", "delete.retention.ms": str(DAY_MS)}
    return Topic(POSITIONS_TOPIC, 1, replicas, {**config, **_safe(replicas, record_bytes)})


def _safe(replicas: int, record_bytes: int) -> dict[str, str]:
    """What is confirmed is on all brokers but one, so that one may be away, or lost; and a record that is too large is
    refused by the client, which knows its name, and not by the broker."""
    return {"min.insync.replicas": str(max(1, replicas - 1)), "max.message.bytes": str(record_bytes + _FRAMING)}


@dataclass(frozen=True)
class There:
    """A topic as it is. config: with what it has from its broker."""

    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """A setting of a topic that is another than it must be. `of`: what it is now, None when there is no such topic."""

    setting: str
    of: str | None
    must_be: str

    @property
    def is_fixed(self) -> bool:
        """Whether no deployment may change it."""
        return self.of is not None and self.setting in _FIXED


def differences(wanted: Topic, there: There | None) -> Iterator[Difference]:
    """All settings of a topic that is not there; of one that is, those that must become others."""
    config = there.config if there else {}
    fixed = {PARTITIONS: there.partitions, REPLICAS: there.replicas} if there else {}
    is_now = {name: str(number) for name, number in fixed.items()} | dict(config)
    must_be = {PARTITIONS: str(wanted.partitions), REPLICAS: str(wanted.replicas), **wanted.config}
    for setting, value in must_be.items():
        if is_now.get(setting) != value:
            yield Difference(setting, is_now.get(setting, "") if there else None, value)
