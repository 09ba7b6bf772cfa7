"""Which topics must there be, and how must they be set?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.errors import IntegrityError
from include.publish.position import POSITIONS_TOPIC

DAY_MS = 86_400_000
PARTITIONS = 12
"""Of a topic of events, for ever."""


@dataclass(frozen=True)
class Topic:
    """A topic as it must be. The number of partitions is fixed for ever: another one breaks the order per key."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def event_topic(name: str) -> Topic:
    """A topic of events: compacted, but nothing younger than 7 days; tombstones stay 7 days after compaction."""
    config = {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(7 * DAY_MS),
        "delete.retention.ms": str(7 * DAY_MS),
    }
    return Topic(name, PARTITIONS, config)


HISTORY_SUFFIX = ".history."


def history_topic(topic: str, request: str) -> Topic:
    """The topic of a part of the history that somebody has asked for: every change in it, for 7 days. topic: of the
    entity, in full."""
    return Topic(
        f"{topic}{HISTORY_SUFFIX}{request}", PARTITIONS, {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)}
    )


def positions_topic() -> Topic:
    """The positions: one partition, so that they are read as one whole."""
    return Topic(POSITIONS_TOPIC, 1, {"cleanup.policy": "compact"})


@dataclass(frozen=True)
class Difference:
    """What must be done so that a topic is as it must be; nothing when `is_new` is False and `config` is empty."""

    topic: Topic
    is_new: bool
    config: Mapping[str, str]


def compare(wanted: Topic, partitions: int | None, config: Mapping[str, str], where: str) -> Difference:
    """`partitions` is None when there is no such topic. Raises IntegrityError when it has another number of them."""
    if partitions is None:
        return Difference(wanted, True, wanted.config)
    if partitions != wanted.partitions:
        raise IntegrityError(
            f"topic {wanted.name} has {partitions} partitions, it must have {wanted.partitions}",
            where=where,
            remedy="partitions are never added, because it breaks the order per key: make a new version of the topic",
        )
    return Difference(wanted, False, {k: v for k, v in wanted.config.items() if config.get(k) != v})
