"""librdkafka itself takes what a connection says of a login; one that fails is told at once, and without a secret."""

from __future__ import annotations

import time
from typing import Any

import pytest

from include.clients.kafka import Kafka
from include.connections import kafka_settings
from include.errors import RequestError, Unavailable
from include.local.laptop import HOST, free_ports

SECRET = "hunter2"
SCRAM = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "migration"}
TLS = {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "https", "ssl.key.password": SECRET}
OAUTH = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "migration",
    "sasl.oauthbearer.client.secret": SECRET,
    "sasl.oauthbearer.scope": "kafka",
    "sasl.oauthbearer.extensions": "logicalCluster=lkc-1",
}


def _nobody(**more: Any) -> Kafka:
    """A cluster of which nobody is there, nor is whoever gives tokens."""
    brokers, tokens = free_ports(2)
    where = {"bootstrap.servers": f"{HOST}:{brokers}"}
    if "sasl.oauthbearer.method" in more:
        where["sasl.oauthbearer.token.endpoint.url"] = f"http://{HOST}:{tokens}/token"
    return Kafka(kafka_settings(where | more))


@pytest.mark.parametrize("login", [SCRAM | {"sasl.password": SECRET}, TLS], ids=["scram", "tls"])
def test_a_login_is_taken_as_it_is_said(login: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.clients.kafka.TIMEOUT", 0.3)
    with pytest.raises(Unavailable, match="did not answer within 0 s") as failed:  # not: no such setting
        _nobody(**login).partitions("a.v1")
    assert SECRET not in f"{failed.value} {failed.value.__cause__!r}"


def test_a_token_that_nobody_gives_is_told_at_once_and_tried_again() -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no token could be had for the login to Kafka") as failed:
        _nobody(**OAUTH).partitions("a.v1")
    assert time.monotonic() - began < 10
    assert "correct the extras sasl.oauthbearer" in failed.value.remedy
    assert SECRET not in f"{failed.value} {failed.value.__cause__!r}"


@pytest.mark.parametrize(("name", "value"), [("sasl.pasword", SECRET), ("security.protocol", SECRET)])
def test_a_setting_that_the_client_does_not_take_is_told_by_its_name(name: str, value: str) -> None:
    with pytest.raises(RequestError, match=f"the client of Kafka does not take the setting {name}") as refused:
        _nobody(**{name: value}).partitions("a.v1")
    assert "connection kafka_default" in refused.value.where
    assert SECRET not in str(refused.value)
