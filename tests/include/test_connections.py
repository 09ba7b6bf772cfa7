"""Connections of the command line, in the two forms that Airflow reads; no secret in a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.connections import EnvironmentConnections, read_settings
from include.errors import RequestError

SQL_SERVER = {"conn_type": "mssql", "host": "db.example", "port": 1444, "login": "reader", "password": "p@ss/word"}


def test_json_and_uri_say_the_same() -> None:
    as_json = {**SQL_SERVER, "extra": {"TrustServerCertificate": "yes"}}
    as_uri = "mssql://reader:p%40ss%2Fword@db.example:1444/?TrustServerCertificate=yes"
    found = [
        EnvironmentConnections({"AIRFLOW_CONN_SSE": text}).sql_server("sse") for text in (json.dumps(as_json), as_uri)
    ]
    assert found[0] == found[1]
    assert (found[0].host, found[0].port, found[0].password) == ("db.example", 1444, "p@ss/word")
    assert found[0].options == {"TrustServerCertificate": "yes"}
    assert found[0].query_timeout == 900
    patient = {**SQL_SERVER, "extra": {"query_timeout": "60"}}
    settings = EnvironmentConnections({"AIRFLOW_CONN_SSE": json.dumps(patient)}).sql_server("sse")
    assert (settings.query_timeout, settings.options) == (60, {})


def test_extras_may_be_text_that_is_json() -> None:
    extra = json.dumps({"bootstrap.servers": "b:9092", "topic_prefix": "x."})
    environ = {"AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"conn_type": "kafka", "extra": extra})}
    kafka = EnvironmentConnections(environ).kafka()
    assert (kafka.config, kafka.topic("t")) == ({"bootstrap.servers": "b:9092"}, "x.t")


def test_extras_of_a_uri_may_be_nested() -> None:
    uri = "kafka://?__extra__=%7B%22bootstrap.servers%22%3A%20%22b%3A9092%22%7D"
    kafka = EnvironmentConnections({"AIRFLOW_CONN_KAFKA_DEFAULT": uri}).kafka()
    assert kafka.config == {"bootstrap.servers": "b:9092"}


SCRAM = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "migration",
    "sasl.password": "p@ss/word",
    "ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt",
    "ssl.endpoint.identification.algorithm": "https",
}
OAUTH = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "migration",
    "sasl.oauthbearer.client.secret": "p@ss/word",
    "sasl.oauthbearer.scope": "kafka",
    "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-1",
}
MUTUAL_TLS = {
    "security.protocol": "SSL",
    "ssl.keystore.location": "/run/secrets/client.p12",
    "ssl.keystore.password": "p@ss/word",
    "enable.ssl.certificate.verification": True,
}


@pytest.mark.parametrize("login", [SCRAM, OAUTH, MUTUAL_TLS], ids=["scram", "oauth", "mutual tls"])
def test_each_setting_of_a_login_to_kafka_reaches_its_client(login: dict[str, object]) -> None:
    where = {"bootstrap.servers": "b:9092", "sasl.oauthbearer.token.endpoint.url": "https://id.example/token"}
    ours = {"topic_prefix": "x.", "replication_factor": "1", "message.max.bytes": 2_000_000}
    environ = {"AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"extra": where | login | ours})}
    settings = EnvironmentConnections(environ).kafka()
    assert settings.config == where | login | {"message.max.bytes": 2_000_000}
    assert (settings.topic_prefix, settings.replication_factor, settings.record_bytes) == ("x.", 1, 2_000_000)
    assert "p@ss/word" not in repr(settings)


def test_a_cluster_of_production_is_not_asked_how_many_brokers_it_has() -> None:
    settings = EnvironmentConnections(
        {"AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"extra": {"bootstrap.servers": "b"}})}
    ).kafka()
    assert (settings.replication_factor, settings.record_bytes) == (3, 1_000_000)


def test_no_password_is_in_the_text_of_a_setting_or_an_error() -> None:
    connections = EnvironmentConnections({"AIRFLOW_CONN_SSE": json.dumps(SQL_SERVER)})
    broken = EnvironmentConnections({"AIRFLOW_CONN_SSE": '{"password": "p@ss/word", '})
    with pytest.raises(RequestError, match="not JSON") as refused:
        broken.sql_server("sse")
    texts = [repr(connections), repr(connections.sql_server("sse")), str(refused.value), repr(refused.value)]
    assert not [text for text in texts if "p@ss/word" in text]


@pytest.mark.parametrize(
    ("name", "given", "lacks"),
    [
        ("sse", {"host": "db"}, "a host and a login"),
        ("sse", {**SQL_SERVER, "extra": {"query_timeout": 0}}, "a whole number of seconds as query_timeout, not '0'"),
        ("google_cloud_default", {"extra": {"project": "p"}}, "location, bucket"),
        (
            "google_cloud_default",
            {"extra": {"project": "p", "location": "l", "bucket": "b", "maximum_bytes_billed": "1 TB"}},
            "a whole number of bytes as maximum_bytes_billed, not '1 TB'",
        ),
        ("kafka_default", {"extra": {}}, "bootstrap.servers"),
        (
            "kafka_default",
            {"extra": {"bootstrap.servers": "b:9092", "replication_factor": 0}},
            "a whole number of brokers as replication_factor, not '0'",
        ),
        (
            "kafka_default",
            {"extra": {"bootstrap.servers": "b:9092", "message.max.bytes": "1 MB"}},
            "a whole number of bytes as message.max.bytes, not '1 MB'",
        ),
        ("schema_registry", {"host": "registry"}, "whole URL"),
    ],
)
def test_what_a_connection_lacks_is_named(name: str, given: dict[str, object], lacks: str) -> None:
    connections = EnvironmentConnections({f"AIRFLOW_CONN_{name.upper()}": json.dumps(given)})
    ask = {
        "sse": lambda: connections.sql_server("sse"),
        "google_cloud_default": connections.google_cloud,
        "kafka_default": connections.kafka,
        "schema_registry": connections.schema_registry,
    }[name]
    with pytest.raises(RequestError, match=lacks) as refused:
        ask()
    assert f"connection {name}" in refused.value.where


def test_a_missing_connection_names_the_variable() -> None:
    with pytest.raises(RequestError) as refused:
        EnvironmentConnections({}).sql_server("mis")
    assert refused.value.where == "environment variable AIRFLOW_CONN_MIS"


def test_settings_are_read_as_a_shell_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "own.env"
    file.write_text("# a comment\nexport A='it''s'\nexport B=\"{\\\"x\\\": 1}\"  # more\nC=3\n", encoding="utf-8")
    assert read_settings(file) == {"A": "its", "B": '{"x": 1}'}
    assert read_settings(tmp_path / "none") == {}
