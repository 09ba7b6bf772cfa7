"""How do the topics in Kafka differ from those that there must be? (all is compared before anything is changed)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.catalogue import Catalogue
from include.errors import IntegrityError
from include.publish.position import POSITIONS_TOPIC
from include.publish.topics import (
    PARTITIONS,
    REPLICAS,
    Difference,
    There,
    Topic,
    differences,
    event_topic,
    positions_topic,
)
from include.steps.environment import check_datasets, datasets_of, topics_are_ours
from include.steps.servers import Servers

_REMEDY = {
    PARTITIONS: "partitions are never added, because it breaks the order per key: make a new version of the topic "
    "(….v2), and let its consumers follow",
    REPLICAS: "correct the extra replication_factor of kafka_default, or have whoever runs the brokers reassign the "
    "partitions (kafka-reassign-partitions)",
}


@dataclass(frozen=True)
class Compared:
    """A topic as it must be, its name with the prefix, and how what is there differs."""

    topic: Topic
    name: str
    differences: Sequence[Difference]

    @property
    def is_new(self) -> bool:
        return any(one.of is None for one in self.differences)


def compared(catalogue: Catalogue, servers: Servers) -> list[Compared]:
    """The topic of positions first, then those of the events."""
    return [_compared(topic, servers) for topic in _wanted(catalogue, servers)]


def _wanted(catalogue: Catalogue, servers: Servers) -> Iterator[Topic]:
    settings = servers.kafka_settings
    needs = (settings.replication_factor, settings.record_bytes)
    yield positions_topic(*needs)
    for entity in catalogue.published_entities():
        yield event_topic(catalogue.topic(entity), *needs)


def _compared(topic: Topic, servers: Servers) -> Compared:
    kafka, name = servers.kafka, servers.kafka_settings.topic(topic.name)
    partitions = kafka.partitions(name)
    there = None if partitions is None else There(partitions, kafka.replicas(name), kafka.config(name))
    return Compared(topic, name, list(differences(topic, there)))


def refuse_fixed(found: Sequence[Compared]) -> None:
    """Raises IntegrityError, of all topics together, for what no deployment changes."""
    wrong = [(topic.name, one) for topic in found for one in topic.differences if one.is_fixed]
    if wrong:
        settings = dict.fromkeys(one.setting for _, one in wrong)
        raise IntegrityError(
            "; ".join(f"topic {name} has {one.of} {one.setting}, it must have {one.must_be}" for name, one in wrong),
            where=f"topics {', '.join(dict.fromkeys(name for name, _ in wrong))}",
            remedy="; ".join(_REMEDY[setting] for setting in settings) + ". Nothing was changed",
        )


def plan(catalogue: Catalogue, servers: Servers) -> tuple[list[Compared], list[dict[str, str]]]:
    """What `topics apply` would find, and what it would change: a row for each setting, one for a topic that it would
    create. Raises IntegrityError for topics of another environment. Changes nothing."""
    check_datasets(servers)
    is_stamped = topics_are_ours(servers)
    found = compared(catalogue, servers)
    rows = [row for one in found for row in _rows(one)]
    if not is_stamped:
        positions, ours = servers.kafka_settings.topic(POSITIONS_TOPIC), datasets_of(servers.cloud)
        rows.append({"topic": positions, "setting": "the mark of its datasets", "is": "not there", "must be": ours})
    return found, rows


def _rows(found: Compared) -> list[dict[str, str]]:
    if found.is_new:
        must_be = ", ".join(f"{one.setting}={one.must_be}" for one in found.differences)
        return [{"topic": found.name, "setting": "(all)", "is": "not there: would be created", "must be": must_be}]
    return [
        {"topic": found.name, "setting": one.setting, "is": one.of or "", "must be": one.must_be}
        for one in found.differences
    ]
