"""Kafka or the registry lacks something or is silent: the message says where and what to do, no topic was touched."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from include.clients import schema_registry
from include.errors import NotDeployed, Unavailable
from include.local.laptop import free_ports
from tests.include.wrong_input.witness import Witness


def test_kafka_is_down(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.clients.kafka.TIMEOUT", 2.0)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    down = witness.way.with_connection("kafka_default", lambda c: c["extra"].update({"bootstrap.servers": address}))
    words = ("Kafka did not answer within 2 s", f"Kafka {address}, {witness.topic('customer.changes.v1')}")
    with witness.refused(Unavailable, *words, "tried again by itself; if it lasts, ask whether the brokers are up"):
        down.publish()


def test_the_registry_is_down(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_registry, "TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # worse than a closed port: nothing ever comes
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        down = witness.way.with_connection("schema_registry", lambda c: c.update(host=url))
        words = ("did not answer 3 requests of", f"registry {url}, {witness.topic('customer.changes.v1')}-value")
        with witness.refused(Unavailable, *words, "tried again by itself; if it lasts, ask whether the registry is up"):
            down.publish()


def test_a_topic_was_not_applied(witness: Witness) -> None:
    elsewhere = witness.way.with_connection("kafka_default", lambda c: c["extra"].update(topic_prefix="no-topics."))
    words = (
        "there is no topic no-topics.customer.changes.v1",
        "entity customer, Kafka 127.0.0.1:",
        "python -m include topics apply",
    )
    with witness.refused(NotDeployed, *words):
        elsewhere.publish()


def test_a_schema_was_not_applied(witness: Witness, tmp_path: Path) -> None:
    entity = "sql/common_model/customer/contract.yaml"
    other = witness.with_declaration(tmp_path, entity, "withhold: [birth_date]", "withhold: [birth_date, email]")
    words = ("this version of the schema is not registered", f"{witness.topic('customer.changes.v1')}-value")
    with witness.refused(NotDeployed, *words, "python -m include schemas register"):
        other.publish()


def test_and_the_next_run_goes_on(witness: Witness) -> None:
    witness.goes_on()
