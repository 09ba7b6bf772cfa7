"""What is wrong around us: the message says where and what to do, and tables, log and topic stay as they were."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from include.errors import DataPlatformError, NotDeployed, SourceRefused, SourceUnavailable, Unavailable
from tests.conftest import World
from tests.include.steps.way import Way
from tests.whole_runs.pictures import events, tables

Edit = Callable[[dict[str, Any]], None]
Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module", autouse=True)
def as_it_was(way: Way) -> tuple[Any, ...]:
    """What one right run has left; a change waits at the source."""
    way.customers([1, 2, 3])
    way.extract()
    way.load()
    way.merge()
    way.publish()
    way.sql("UPDATE dbo.Customer SET Surname = N'Changed' WHERE CustomerId = 1")
    return _picture(way.world)


def _picture(world: World) -> tuple[Any, ...]:
    objects = [(blob.name, blob.generation) for blob in world.servers.bucket._bucket.list_blobs()]
    return tables(world), events(world, "customer"), objects


@pytest.fixture
def refused() -> Refused:
    """The block is refused with these words in what is said."""

    @contextmanager
    def check(kind: type[DataPlatformError], *words: str) -> Iterator[None]:
        with pytest.raises(kind) as caught:
            yield
        said = str(caught.value)
        assert type(caught.value) is kind
        assert [word for word in words if word not in said] == []

    return check


def _with(way: Way, connection: str, edit: Edit) -> Way:
    """The same way, with a connection that somebody has changed."""
    name = f"AIRFLOW_CONN_{connection.upper()}"
    given = json.loads(way.world.environment[name])
    edit(given)
    return replace(way, world=replace(way.world, environment={**way.world.environment, name: json.dumps(given)}))


def _port_of_nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# -- sources
def test_a_source_that_is_down(way: Way, refused: Refused) -> None:
    port = _port_of_nobody()
    down = _with(way, "sse", lambda c: c.update(port=port))
    with refused(SourceUnavailable, f"connection sse (127.0.0.1:{port})", "tried again by itself"):
        down.extract()


def test_a_source_that_refuses_the_login(way: Way, refused: Refused) -> None:
    wrong = _with(way, "sse", lambda c: c.update(password="not-it"))
    with refused(SourceRefused, "Login failed", "way on connection sse", "correct login and password"):
        wrong.extract()


def test_no_password_is_in_what_is_said(way: Way) -> None:
    wrong = _with(way, "sse", lambda c: c.update(password="hunter2-not-it"))
    with pytest.raises(SourceRefused) as caught:
        wrong.extract()
    assert "hunter2" not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


# -- the warehouse and the bucket
def test_a_bucket_that_is_not_there(way: Way, refused: Refused) -> None:
    elsewhere = _with(way, "google_cloud_default", lambda c: c["extra"].update(bucket="nobody-made-it"))
    with refused(NotDeployed, "there is no bucket nobody-made-it", "google_cloud_default"):
        elsewhere.extract()


def test_datasets_that_were_not_applied(way: Way, refused: Refused) -> None:
    elsewhere = _with(way, "google_cloud_default", lambda c: c["extra"].update(dataset_prefix="nobody_applied_"))
    with refused(NotDeployed, "nobody_applied_ledger", "python -m include tables apply"):
        elsewhere.extract()


# -- Kafka and the registry
def test_topics_that_were_not_applied(way: Way, refused: Refused) -> None:
    elsewhere = _with(way, "kafka_default", lambda c: c["extra"].update(topic_prefix="nobody-applied."))
    with refused(NotDeployed, "nobody-applied.customer.changes.v1"):
        elsewhere.publish()


def test_kafka_that_is_down(way: Way, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.clients.kafka.TIMEOUT", 3.0)
    address = f"127.0.0.1:{_port_of_nobody()}"
    down = _with(way, "kafka_default", lambda c: c["extra"].update({"bootstrap.servers": address}))
    with refused(Unavailable, f"Kafka {address}", "ask whether the brokers are up"):
        down.publish()


def test_a_registry_that_is_down(way: Way, refused: Refused) -> None:
    url = f"http://127.0.0.1:{_port_of_nobody()}"
    down = _with(way, "schema_registry", lambda c: c.update(host=url))
    with refused(Unavailable, url, "ask whether the registry is up"):
        down.publish()


def test_all_that_has_changed_nothing_and_the_next_run_goes_on(way: Way, as_it_was: tuple[Any, ...]) -> None:
    assert _picture(way.world) == as_it_was
    way.extract()
    way.load()
    assert way.merge()["updated"] == 1
    assert way.publish()["events"] == 1
