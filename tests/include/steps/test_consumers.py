"""Who follows a topic as `docs/consuming.md` says has what the common model has; the consumers shown there are run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import ROOT, Catalogue
from include.local.platform import Platform
from include.names import key_column
from include.publish.schema_files import written
from include.steps.publish_entity import publish_entity
from include.steps.request import Request
from tests.conftest import World
from tests.declarations import PEOPLE, copied
from tests.guard import INSTALL
from tests.include.steps.moving import Moving, sse_account, sse_customer

CONSUMERS = ROOT / "docs" / "consumers"
LIBRARIES = ("kafka/kafka-clients-*.jar", "kafka/jackson-*.jar", "kafka/slf4j-api-*.jar", "kafka/zstd-jni-*.jar")
AVRO = "schema_registry/lib/main/org.apache.avro.avro-*.jar"
Row = dict[str, Any]
Follow = Callable[[str], list[Row]]
"""An entity to the rows that a consumer has of it."""


@pytest.fixture(scope="module")
def moving(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Moving:
    """Published three times: rows come, then some change and some go, then one who went comes back."""
    catalogue = Catalogue(copied(Path(tmp_path_factory.mktemp("declarations")), *PEOPLE))
    found = Moving(new_world("consumers", catalogue).servers, catalogue)
    names = ("Name", None, "Größe", "O'Neill", "Doe", "Last")
    found.sse(
        [sse_customer(n, name, FirstName="Jo") for n, name in enumerate(names, 1)],
        [{**sse_account(f"A{n}", n, f"-{n}.2500"), "OpenedOn": "2020-02-29"} for n in range(1, 7)],
    )
    _publish(found)
    found.sse([sse_customer(1, "Other"), _gone(4), _gone(5)], [sse_account("A2", 2, "0.0000")])
    _publish(found)
    found.sse([sse_customer(5, "Back"), _gone(6)])
    _publish(found)
    return found


def _gone(number: int) -> Row:
    return sse_customer(number, Status="X")


def _publish(moving: Moving) -> None:
    for entity in PEOPLE:
        publish_entity(moving.catalogue, moving.servers, entity, Request())


@pytest.fixture(scope="module")
def java(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs Consumer.java, which is compiled now."""
    (compiler,) = INSTALL.glob("compiler/ecj-*.jar")
    jars = [str(jar) for pattern in (*LIBRARIES, AVRO) for jar in INSTALL.glob(pattern)]
    classes, runtime = tmp_path_factory.mktemp("classes"), str(platform.laptop.java)
    asked = ["-21", "-proc:none", "-cp", ":".join(jars), "-d", str(classes)]
    _run([runtime, "-jar", str(compiler), *asked, str(CONSUMERS / "Consumer.java")])
    return [runtime, "-cp", ":".join([str(classes), *jars]), "Consumer"]


@pytest.fixture(params=["Python", "Java"])
def follow(request: pytest.FixtureRequest, moving: Moving) -> Follow:
    is_java = request.param == "Java"
    program = request.getfixturevalue("java") if is_java else [sys.executable, str(CONSUMERS / "consumer.py")]
    return lambda entity: [json.loads(line, parse_float=Decimal) for line in _run([*program, *_given(moving, entity)])]


def _given(moving: Moving, entity: str) -> Iterable[str]:
    servers, topic = moving.servers, moving.catalogue.topic(entity)
    yield str(servers.kafka_settings.config["bootstrap.servers"])
    yield servers.connections.schema_registry().url
    yield servers.kafka_settings.topic(topic)
    yield str(written(moving.catalogue.entity_folder(entity), topic)[-1].path)


def _run(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def _as_told(value: Any, told: Any) -> Any:
    """What a consumer printed, in the type of the common model's value."""
    if isinstance(value, datetime | date) and told is not None:
        return type(value).fromisoformat(told)
    return Decimal(told) if isinstance(value, Decimal) and told is not None else told


@pytest.mark.parametrize("entity", PEOPLE)
def test_a_consumer_has_each_row_of_the_common_model_and_no_other(moving: Moving, follow: Follow, entity: str) -> None:
    key = key_column(entity)
    columns = [key, *moving.catalogue.entity(entity).published()]
    wanted = {row[key]: {name: row[name] for name in columns} for row in moving.rows("common_model", entity)}
    found = {row[key]: row for row in follow(entity)}
    assert found.keys() == wanted.keys()
    for one, row in wanted.items():
        assert {name: _as_told(row[name], told) for name, told in found[one].items()} == row


def test_there_were_tombstones_to_be_followed_and_one_who_came_back(moving: Moving) -> None:
    told = [change["operation"] for change in moving.changes() if change["customer_key"] == moving.key("5")]
    assert told == ["insert", "delete", "insert"]
    assert {moving.key(number) for number in ("4", "6")}.isdisjoint(moving.present())
