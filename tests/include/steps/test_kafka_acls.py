"""A broker that asks for a login and allows the printed rights alone: everybody can do their work, and no more."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from include.catalogue import Catalogue
from include.clients.kafka import Kafka
from include.connections import KafkaSettings
from include.errors import ForbiddenError
from include.local.laptop import HOST, free_ports
from include.local.servers import kafka as server
from include.publish.position import POSITIONS_TOPIC
from include.run import Run
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from include.steps.grants import Accounts, kafka
from include.steps.replay_check import check_replay
from include.steps.replay_make import make_replay
from include.steps.replay_request import parse_replay
from tests.conftest import World, bare_world
from tests.guard import guarded
from tests.include.steps.way import Way, declare_way, make_way
from tests.waiting import wait_until

RUNNER, DEPLOYER, CONSUMER, STRANGER = "migration", "deployment", "correspondence", "somebody"
ACCOUNTS = Accounts(RUNNER, DEPLOYER, "")
TOPIC = "customer.changes.v1"
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_AUDIT = """logger.audit.name = kafka.authorizer.logger
logger.audit.level = debug
"""
Broker = tuple[dict[str, str], Path]
"""How an administrator reaches it, and its log."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The laptop's broker with a second door: there one logs in, and the authorizer tells its log what it decides."""
    (port,), shipped = free_ports(1), server._settings
    users = " ".join(f'user_{name}="pw-{name}"' for name in (RUNNER, DEPLOYER, CONSUMER, STRANGER))

    def with_a_door(laptop: Any, folder: Path) -> dict[str, str]:
        settings = shipped(laptop, folder)
        for name in ("listeners", "advertised.listeners"):
            settings[name] += f",SASL_PLAINTEXT://{HOST}:{port}"
        settings["listener.security.protocol.map"] += ",SASL_PLAINTEXT:SASL_PLAINTEXT"
        return settings | {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{_LOGIN} {users};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # who comes by the other door, the controller among them
        }

    with pytest.MonkeyPatch.context() as patch, guarded(tmp_path_factory.mktemp("acls")) as platform:
        patch.setattr(server, "_settings", with_a_door)
        patch.setattr(server, "_LOG4J", server._LOG4J + _AUDIT)
        platform.up(only=["kafka"], report=lambda text: None)
        yield {"door": f"{HOST}:{port}", "admin": platform.laptop.address("kafka")}, platform.laptop.log("kafka")


def _login(broker: Broker, user: str) -> dict[str, str]:
    return {
        "bootstrap.servers": broker[0]["door"],
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": f"pw-{user}",
    }


@pytest.fixture(scope="module")
def worlds(
    broker: Broker, platform: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Way, Callable[[str], World]]:
    """A way whose tables are applied, and a function that gives its world as somebody sees it."""
    world = bare_world(platform, "acls")

    def as_user(user: str) -> World:
        environment = dict(world.environment)
        connection = json.loads(environment["AIRFLOW_CONN_KAFKA_DEFAULT"])
        ours = {name: connection["extra"][name] for name in ("topic_prefix", "replication_factor")}
        connection["extra"] = _login(broker, user) | ours
        environment["AIRFLOW_CONN_KAFKA_DEFAULT"] = json.dumps(connection)
        return replace(world, environment=environment)

    way = make_way(as_user(RUNNER), declare_way(Path(tmp_path_factory.mktemp("declarations"))))
    apply_tables(way.catalogue, way.world.servers, lambda text: None)
    _grant(broker, list(kafka.lines(way.catalogue, way.world.servers.kafka_settings, ACCOUNTS)))
    return way, as_user


def _grant(broker: Broker, lines: list[str]) -> None:
    """What `kafka-acls` does with these arguments."""
    admin = AdminClient({"bootstrap.servers": broker[0]["admin"]})  # kept: one that is collected answers _DESTROY
    for done in admin.create_acls(_bindings(lines)).values():
        done.result(30)


def _bindings(lines: list[str]) -> list[AclBinding]:
    bindings = []
    for words in map(shlex.split, lines):
        assert words[:2] == ["kafka-acls", "--bootstrap-server"]
        given = dict(zip(words[words.index("--add") + 1 :: 2], words[words.index("--add") + 2 :: 2], strict=True))
        (kind,) = {"--topic", "--group", "--transactional-id"} & set(given)
        pattern = ResourcePatternType[given.get("--resource-pattern-type", "literal").upper()]
        for operation in re.findall(r"--operation (\w+)", " ".join(words)):
            right = AclOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()]
            resource = ResourceType["TRANSACTIONAL_ID" if kind == "--transactional-id" else kind[2:].upper()]
            who = given["--allow-principal"]
            bindings.append(AclBinding(resource, given[kind], pattern, who, "*", right, AclPermissionType.ALLOW))
    return bindings


def _administrator(broker: Broker) -> Kafka:
    return Kafka(KafkaSettings({"bootstrap.servers": broker[0]["admin"]}))


def _read(broker: Broker, user: str, group: str, topic: str) -> list[bytes]:
    """What a consumer's group gets of a topic; raises KafkaException when it is not allowed."""
    consumer = Consumer(
        {
            **_login(broker, user),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([topic])
    found, ends = [], set()
    try:
        while len(ends) < 12:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is None:
                found.append(message.key())
                consumer.commit(message, asynchronous=False)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ends.add(message.partition())
            else:
                raise KafkaException(message.error())
    finally:
        consumer.close()
    return found


# -- one story, in this order
def test_the_deployer_makes_the_topics_and_the_publisher_cannot(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]]
) -> None:
    way, as_user = worlds
    with pytest.raises(ForbiddenError, match="TOPIC_AUTHORIZATION_FAILED"):
        apply_topics(way.catalogue, as_user(RUNNER).servers, print)
    deployer = as_user(DEPLOYER).servers
    apply_topics(way.catalogue, deployer, print)
    admin, said = _administrator(broker), list[str]()
    for topic in map(deployer.kafka_settings.topic, (TOPIC, POSITIONS_TOPIC)):
        wait_until(partial(admin.partitions, topic), f"{topic} is known")  # a busy broker learns late what is decided
        admin.alter(topic, {"cleanup.policy": "delete"})
        wait_until(lambda at=topic: admin.config(at)["cleanup.policy"] == "delete", f"{topic} is altered")
    apply_topics(way.catalogue, deployer, said.append)
    assert len([line for line in said if "set {'cleanup.policy': 'compact'}" in line]) == 2
    register_schemas(way.catalogue, as_user(DEPLOYER).servers, print)


def test_the_publisher_sends_and_a_stranger_does_not_even_see_the_topic(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]]
) -> None:
    way, as_user = worlds
    way.customers([1, 2, 3])
    for step in (way.extract, way.load, way.merge):
        step()
    assert way.publish()["events"] == 3
    assert way.world.servers.kafka.has_committed(way.world.servers.kafka_settings.topic(TOPIC))
    servers = as_user(STRANGER).servers
    for topic in (TOPIC, "nobody.made.it.v1"):
        with pytest.raises(ForbiddenError, match="TOPIC_AUTHORIZATION_FAILED"):
            servers.kafka.partitions(servers.kafka_settings.topic(topic))
    with pytest.raises(ForbiddenError), as_user(DEPLOYER).servers.kafka.transactions("acls.customer/1/0"):
        pass


def test_a_consumer_reads_its_topics_in_its_own_groups_alone(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]]
) -> None:
    topic = worlds[0].world.servers.kafka_settings.topic
    catalogue = Catalogue()
    assert CONSUMER in catalogue.entity("customer").consumers
    assert CONSUMER not in catalogue.entity("account").consumers
    for group in (CONSUMER, f"{CONSUMER}.nightly"):
        assert len(_read(broker, CONSUMER, group, topic(TOPIC))) == 3
    for group, name in (("others", TOPIC), (f"{CONSUMER}-sync", TOPIC), (f"{CONSUMER}.nightly", "account.changes.v1")):
        with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
            _read(broker, CONSUMER, group, topic(name))


def test_the_publisher_makes_a_historys_topic_and_the_consumer_reads_it(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]]
) -> None:
    way, _ = worlds
    form = {"entity": "customer", "what": "history", "why": "what happened?", "dry_run": False}
    request = parse_replay(form, ["customer"], [])
    told = check_replay(way.catalogue, way.world.servers, Run.begin("replay_events", "acls", 1), request)
    for _ in range(2):  # the second time it finds all of it there
        assert make_replay(way.catalogue, way.world.servers, request, told)["events"] == 3
    assert len(_read(broker, CONSUMER, CONSUMER, told["topic"])) == 3


def test_every_right_that_was_granted_was_needed(broker: Broker, worlds: tuple[Way, Callable[[str], World]]) -> None:
    """By what the authorizer has told its log: one entity of all was published, one consumer has read."""
    line = r"Principal = User:(\S+) is Allowed operation = (\w+) .*? on resource = \w+:\w+:(\S+?) "
    allowed = set(re.findall(line, broker[1].read_text(encoding="utf-8")))
    settings = worlds[0].world.servers.kafka_settings
    others = [settings.topic(entity) for entity in Catalogue().entity_names() if entity != "customer"]
    bindings = _bindings(list(kafka.lines(Catalogue(), settings, ACCOUNTS)))
    bindings = [b for b in bindings if not b.name.startswith(tuple(others))]
    bindings = [b for b in bindings if b.principal in {f"User:{who}" for who in (RUNNER, DEPLOYER, CONSUMER)}]
    assert len(bindings) > 12
    assert [str(binding) for binding in bindings if not any(_serves(binding, *done) for done in allowed)] == []


def _serves(binding: AclBinding, who: str, operation: str, name: str) -> bool:
    is_prefix = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    fits = name.startswith(binding.name) if is_prefix else name == binding.name
    return fits and binding.principal == f"User:{who}" and binding.operation.name == operation


# -- a login or a right that is missing: told at once, without a password, and the change that waits is sent afterwards
Refused = Callable[..., None]


@pytest.fixture(scope="module")
def refused(broker: Broker, worlds: tuple[Way, Callable[[str], World]]) -> Refused:
    """A change waits. Who publishes it must be refused soon, with these words, and send nothing."""
    way = worlds[0]
    way.sql("UPDATE dbo.Customer SET Surname = Surname + N'x' WHERE CustomerId = 1")
    for step in (way.extract, way.load, way.merge):
        step()
    before = _events(broker, way)

    def refused(other: Way, *words: str) -> None:
        began = time.monotonic()
        with pytest.raises(ForbiddenError) as found:
            other.publish()
        assert time.monotonic() - began < 15
        said = f"{found.value} {found.value.__cause__!r}"
        assert [word for word in (*words, "correct the login of kafka_default") if word not in said] == []
        assert "hunter2" not in said
        assert _events(broker, way) == before

    return refused


def _events(broker: Broker, way: Way) -> list[str]:
    """The numbers of the changes on the topic, sorted."""
    events = _administrator(broker).committed(way.world.servers.kafka_settings.topic(TOPIC))
    return sorted(dict(event.headers())["ce_id"].decode() for event in events)


def test_a_wrong_password_is_told_at_once(worlds: tuple[Way, Callable[[str], World]], refused: Refused) -> None:
    other = worlds[0].with_connection("kafka_default", lambda c: c["extra"].update({"sasl.password": "hunter2"}))
    refused(other, "Kafka does not allow it (_AUTHENTICATION)", TOPIC)


def test_who_may_not_see_a_topic_is_not_told_to_make_it(
    worlds: tuple[Way, Callable[[str], World]], refused: Refused
) -> None:
    way, as_user = worlds
    refused(replace(way, world=as_user(STRANGER)), "TOPIC_AUTHORIZATION_FAILED", TOPIC, "include grants kafka")


@pytest.mark.parametrize(("kind", "name"), [("TOPIC", TOPIC), ("TOPIC", POSITIONS_TOPIC), ("TRANSACTIONAL_ID", "")])
def test_a_right_to_write_that_is_missing_is_told_at_once(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]], refused: Refused, kind: str, name: str
) -> None:
    way = worlds[0]
    granted = _bindings(list(kafka.lines(way.catalogue, way.world.servers.kafka_settings, ACCOUNTS)))
    of_runner = [b for b in granted if b.principal == f"User:{RUNNER}" and b.operation == AclOperation.WRITE]
    bindings = [b for b in of_runner if b.restype.name == kind and b.name.endswith(name)]
    assert bindings
    with _without(broker, bindings):
        refused(way, f"{kind}_AUTHORIZATION_FAILED", "include grants kafka")


def test_and_then_the_change_is_sent_once(
    broker: Broker, worlds: tuple[Way, Callable[[str], World]], refused: Refused
) -> None:
    assert worlds[0].publish()["events"] == 1
    assert _events(broker, worlds[0]) == ["customer:1", "customer:2", "customer:3", "customer:4"]


@contextmanager
def _without(broker: Broker, bindings: list[AclBinding]) -> Iterator[None]:
    admin = AdminClient({"bootstrap.servers": broker[0]["admin"]})
    filters = [
        AclBindingFilter(
            b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation, b.permission_type
        )
        for b in bindings
    ]
    for done in admin.delete_acls(filters).values():
        assert len(done.result(30)) == 1
    try:
        wait_until(lambda: not any(admin.describe_acls(one).result(30) for one in filters), "the rights are gone")
        yield
    finally:
        for made in admin.create_acls(bindings).values():
            made.result(30)
        wait_until(lambda: all(admin.describe_acls(one).result(30) for one in filters), "the rights are back")
