"""Who may do what in Kafka? (kafka-acls commands; what another right implies is not named)"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import Catalogue
from include.clients.kafka import GROUP
from include.connections import KafkaSettings
from include.publish.position import POSITIONS_TOPIC
from include.publish.topics import HISTORY_SUFFIX
from include.steps.grants import Accounts

_ACLS = "kafka-acls --bootstrap-server <bootstrap> --command-config <admin.properties> --add"


def lines(catalogue: Catalogue, settings: KafkaSettings, accounts: Accounts) -> Iterator[str]:
    """The publisher reads and writes its topics in its own transactions and makes those of histories; the deployer
    makes the topics and stamps them; each consumer that a contract names reads its topics, in groups that begin with
    its name."""
    published = sorted({entity for case in catalogue.use_cases.values() for entity in case.publishes})
    topics = {entity: settings.topic(catalogue.topic(entity)) for entity in catalogue.published_entities()}
    positions = settings.topic(POSITIONS_TOPIC)
    for entity in published:
        own = f"--transactional-id {settings.topic(entity)}/ --resource-pattern-type prefixed"
        yield _acl(accounts.runner, ["Write"], own)
    for topic in [positions, *(topics[entity] for entity in published)]:
        yield _acl(accounts.runner, ["Read", "Write"], f"--topic {topic}")
    for entity in published:  # histories, which a job makes
        yield _acl(accounts.runner, ["Create", "Read", "Write"], _histories(topics[entity]))
    yield _acl(accounts.deployer, ["Create", "Read", "Write", "AlterConfigs"], f"--topic {positions}")
    for topic in topics.values():
        yield _acl(accounts.deployer, ["Create", "Describe", "AlterConfigs"], f"--topic {topic}")
    for reader in (accounts.runner, accounts.deployer):  # librdkafka looks for its coordinator, though nobody joins it
        yield _acl(reader, ["Describe"], f"--group {GROUP}")
    yield from _consumers(catalogue, topics)


def _consumers(catalogue: Catalogue, topics: dict[str, str]) -> Iterator[str]:
    consumers: dict[str, list[str]] = {}
    for entity in topics:
        for consumer in catalogue.entity(entity).consumers:
            consumers.setdefault(consumer, []).append(entity)
    for consumer, entities in sorted(consumers.items()):
        for entity in entities:
            yield _acl(consumer, ["Read"], f"--topic {topics[entity]}")
            yield _acl(consumer, ["Read"], _histories(topics[entity]))
        yield _acl(consumer, ["Read"], f"--group {consumer}")
        yield _acl(consumer, ["Read"], f"--group {consumer}. --resource-pattern-type prefixed")  # not those of crm-sync


def _histories(topic: str) -> str:
    return f"--topic {topic}{HISTORY_SUFFIX} --resource-pattern-type prefixed"


def _acl(principal: str, operations: list[str], resource: str) -> str:
    rights = " ".join(f"--operation {operation}" for operation in operations)
    return f"{_ACLS} --allow-principal User:{principal} {rights} {resource}"
