"""Airflow's connections become the very settings that the command line reads: all of them, each in its place."""

from __future__ import annotations

import json

import pytest
from google.auth.credentials import AnonymousCredentials

from include.connections import EnvironmentConnections
from include.errors import RequestError
from orchestration.connections import AirflowConnections

ENVIRONMENT = {
    f"AIRFLOW_CONN_{name}": json.dumps(connection)
    for name, connection in {
        "SSE": {
            "conn_type": "mssql",
            "host": "db.example",
            "port": 1444,
            "login": "reader",
            "password": "secret",
            "extra": {"TrustServerCertificate": "yes"},
        },
        "GOOGLE_CLOUD_DEFAULT": {
            "conn_type": "google_cloud_platform",
            "extra": {"project": "p", "location": "EU", "bucket": "b", "dataset_prefix": "x_", "is_anonymous": True},
        },
        "KAFKA_DEFAULT": {"conn_type": "kafka", "extra": {"bootstrap.servers": "b:9092", "topic_prefix": "x."}},
        "SCHEMA_REGISTRY": {"conn_type": "http", "host": "https://registry", "login": "key", "password": "secret"},
    }.items()
}


def test_airflow_and_the_command_line_reach_the_same_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, connection in ENVIRONMENT.items():
        monkeypatch.setenv(name, connection)
    in_airflow, in_a_shell = AirflowConnections(), EnvironmentConnections(ENVIRONMENT)
    assert in_airflow.sql_server("sse") == in_a_shell.sql_server("sse")
    assert in_airflow.kafka() == in_a_shell.kafka()
    assert in_airflow.schema_registry() == in_a_shell.schema_registry()
    google, theirs = in_airflow.google_cloud(), in_a_shell.google_cloud()
    assert isinstance(google.credentials, AnonymousCredentials)
    assert {**vars(google), "credentials": None} == {**vars(theirs), "credentials": None}


def test_a_connection_that_airflow_does_not_know_is_named_with_where_to_make_it() -> None:
    with pytest.raises(RequestError, match="there is no connection 'mis'") as refused:
        AirflowConnections().sql_server("mis")
    assert "Admin > Connections" in refused.value.remedy
