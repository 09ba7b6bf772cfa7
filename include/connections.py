"""How do we reach the servers?

Plain settings, the same on a laptop and in production. The plugin makes them from Airflow's connections
(`orchestration/connections.py`), the command line from `AIRFLOW_CONN_<ID>` in the environment.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from include.errors import RequestError

APPROVE_MOVES_ABOVE = 1_000
"""Customers: a larger move waits for a person's approval."""
QUERY_TIMEOUT = 900
"""Seconds: a count of the largest tables is silent for some minutes, and a task may last hours."""

_KAFKA, _RECORD_BYTES = "kafka_default", "message.max.bytes"
REPLICATION_FACTOR = 3
"""Brokers on which a topic is, unless its connection says another number."""
RECORD_BYTES = 1_000_000
"""The largest record that librdkafka hands over when `message.max.bytes` says nothing else."""


@dataclass(frozen=True)
class SqlServerSettings:
    """A SQL Server: Airflow connection `<system>` of type mssql; its extras are keywords of the driver, but for
    `query_timeout`: for so many seconds a server may be silent in the middle of a statement."""

    system: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    query_timeout: int = QUERY_TIMEOUT


@dataclass(frozen=True)
class GoogleCloudSettings:
    """Connection `google_cloud_default`.

    `bucket` holds the staged parts and the log. `dataset_prefix` goes before the name of every dataset of ours,
    so that two worlds can live in one project. `storage_read_endpoint` (`http://host:port` without TLS,
    `https://…` with it) is None for Google's own. A query that would be billed for more than `maximum_bytes_billed`
    is refused before it costs anything; None: the project's own quota alone. A move of more than `approve_moves_above`
    customers waits for a person's approval.
    """

    project: str
    location: str
    bucket: str
    dataset_prefix: str = ""
    storage_read_endpoint: str | None = None
    maximum_bytes_billed: int | None = None
    approve_moves_above: int = APPROVE_MOVES_ABOVE
    credentials: Any = field(default=None, repr=False)

    def table(self, dataset: str, name: str) -> str:
        """`project.dataset.table` of a table of ours."""
        return f"{self.project}.{self.dataset_prefix}{dataset}.{name}"


@dataclass(frozen=True)
class KafkaSettings:
    """Connection `kafka_default`: librdkafka's own settings; `topic_prefix` goes before every topic of ours, and
    `replication_factor` is on how many brokers each of them is. `record_bytes`: of the largest record that is sent (its
    key, value and headers, before they are compressed), from the same settings."""

    config: Mapping[str, Any] = field(repr=False)
    topic_prefix: str = ""
    replication_factor: int = REPLICATION_FACTOR
    record_bytes: int = RECORD_BYTES

    def topic(self, name: str) -> str:
        return self.topic_prefix + name


@dataclass(frozen=True)
class RegistrySettings:
    """Connection `schema_registry`: the Confluent-compatible API's base URL and, where asked for, `user:password`."""

    url: str
    user_info: str | None = field(default=None, repr=False)


class Connections(Protocol):
    """Where settings come from: Airflow or the environment. Each raises RequestError when a connection is missing."""

    def sql_server(self, system: str) -> SqlServerSettings: ...
    def google_cloud(self) -> GoogleCloudSettings: ...
    def kafka(self) -> KafkaSettings: ...
    def schema_registry(self) -> RegistrySettings: ...


def sql_server_settings(
    system: str, host: str | None, port: int | None, login: str | None, password: str | None, extra: Mapping[str, Any]
) -> SqlServerSettings:
    """Settings from the fields of an Airflow connection of type mssql."""
    if not host or not login:
        raise _incomplete(system, "a host and a login")
    options = {str(k): str(v) for k, v in extra.items() if k != "query_timeout"}
    patience = _whole(system, "query_timeout", "seconds", extra.get("query_timeout")) or QUERY_TIMEOUT
    return SqlServerSettings(system, host, port or 1433, login, password or "", options, patience)


def google_cloud_settings(extra: Mapping[str, Any], credentials: Any) -> GoogleCloudSettings:
    """Settings from the extras of the connection `google_cloud_default`."""
    missing = [name for name in ("project", "location", "bucket") if not extra.get(name)]
    if missing:
        raise _incomplete("google_cloud_default", f"the extras {', '.join(missing)}")
    above = extra.get("approve_moves_above")
    approve_above = _whole("google_cloud_default", "approve_moves_above", "customers", above, least=0)
    return GoogleCloudSettings(
        project=extra["project"],
        location=extra["location"],
        bucket=extra["bucket"],
        dataset_prefix=extra.get("dataset_prefix", ""),
        storage_read_endpoint=extra.get("storage_read_endpoint"),
        maximum_bytes_billed=_whole(
            "google_cloud_default", "maximum_bytes_billed", "bytes", extra.get("maximum_bytes_billed")
        ),
        approve_moves_above=APPROVE_MOVES_ABOVE if approve_above is None else approve_above,
        credentials=credentials,
    )


def _whole(connection: str, name: str, of: str, given: Any, least: int = 1) -> int | None:
    """An extra that is a whole number; the UI gives numbers, a URI text."""
    if given in (None, ""):
        return None
    if isinstance(given, bool) or not re.fullmatch(r"0|[1-9][0-9]*", str(given)) or int(given) < least:
        raise _incomplete(connection, f"a whole number of {of} as {name}, not '{given}'")
    return int(given)


def kafka_settings(extra: Mapping[str, Any]) -> KafkaSettings:
    """Settings from the extras of the connection `kafka_default`."""
    config = {k: v for k, v in extra.items() if k not in ("topic_prefix", "replication_factor")}
    if not config.get("bootstrap.servers"):
        raise _incomplete(_KAFKA, "the extra bootstrap.servers")
    replicas = _whole(_KAFKA, "replication_factor", "brokers", extra.get("replication_factor")) or REPLICATION_FACTOR
    record_bytes = _whole(_KAFKA, _RECORD_BYTES, "bytes", config.get(_RECORD_BYTES)) or RECORD_BYTES
    return KafkaSettings(config, extra.get("topic_prefix", ""), replicas, record_bytes)


def registry_settings(host: str | None, login: str | None, password: str | None) -> RegistrySettings:
    """Settings from the fields of the connection `schema_registry` (type http, the whole base URL as host)."""
    if not host or not host.startswith(("http://", "https://")):
        raise _incomplete("schema_registry", "a host that is a whole URL, http:// or https://")
    return RegistrySettings(host, f"{login}:{password or ''}" if login else None)


def _incomplete(connection: str, needs: str) -> RequestError:
    return RequestError(
        f"the connection '{connection}' needs {needs}",
        where=f"connection {connection}",
        remedy="edit it under Admin > Connections, in the secrets backend, "
        f"or in AIRFLOW_CONN_{connection.upper()} for the command line",
    )


@dataclass(frozen=True)
class EnvironmentConnections:
    """Connections of the command line: `AIRFLOW_CONN_<ID>` as JSON or URI, the two forms that Airflow reads."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def sql_server(self, system: str) -> SqlServerSettings:
        c = self._read(system)
        return sql_server_settings(system, c["host"], c["port"], c["login"], c["password"], c["extra"])

    def google_cloud(self) -> GoogleCloudSettings:
        extra = self._read("google_cloud_default")["extra"]
        settings = google_cloud_settings(extra, None)  # what is missing is said before credentials are looked for
        return replace(settings, credentials=_credentials(extra))

    def kafka(self) -> KafkaSettings:
        return kafka_settings(self._read("kafka_default")["extra"])

    def schema_registry(self) -> RegistrySettings:
        c = self._read("schema_registry")
        return registry_settings(c["host"], c["login"], c["password"])

    def _read(self, connection: str) -> dict[str, Any]:
        name = f"AIRFLOW_CONN_{connection.upper()}"
        text = self.environ.get(name)
        if not text:
            raise RequestError(
                f"there is no connection '{connection}'",
                where=f"environment variable {name}",
                remedy="set it as Airflow would read it (JSON or URI); on a laptop `make demo` writes .local/env",
            )
        return _from_json(name, text) if text.lstrip().startswith("{") else _from_uri(text)


def read_settings(path: Path) -> dict[str, str]:
    """The `export NAME='value'` lines of a file that a shell can read too; empty when there is none."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        words = shlex.split(line, comments=True)
        if len(words) == 2 and words[0] == "export":
            name, _, value = words[1].partition("=")
            found[name] = value
    return found


def _from_json(name: str, text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
        extra = given.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except ValueError as error:
        raise RequestError(
            "the connection is not JSON", where=f"environment variable {name}", remedy="mend its quotes and commas"
        ) from error
    return {key: given.get(key) for key in ("host", "login", "password")} | {
        "port": int(given["port"]) if given.get("port") else None,
        "extra": extra,
    }


def _from_uri(text: str) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(text)
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    unquoted = [urllib.parse.unquote(x) if x else None for x in (parts.hostname, parts.username, parts.password)]
    return {"host": unquoted[0], "login": unquoted[1], "password": unquoted[2], "port": parts.port, "extra": extra}


_HOOK_ONLY = ("key_secret_name", "impersonation_chain", "credential_config_file", "idp_issuer_url")


def _credentials(extra: Mapping[str, Any]) -> Any:
    """Google credentials as Airflow's hook makes them: none, from a key (file or JSON), else the machine's default.

    Raises RequestError for what only the hook can do: silently another identity would be worse.
    """
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2 import service_account

    unknown = sorted(name for name in _HOOK_ONLY if extra.get(name))
    if unknown:
        raise RequestError(
            f"the command line cannot use the extra {', '.join(unknown)}",
            where="connection google_cloud_default",
            remedy="leave it out and log in as that account (`gcloud auth application-default login`), or use key_path",
        )
    if str(extra.get("is_anonymous", "")).lower() == "true":
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    if extra.get("key_path"):
        return service_account.Credentials.from_service_account_file(extra["key_path"])
    if extra.get("keyfile_dict"):
        key = extra["keyfile_dict"]
        return service_account.Credentials.from_service_account_info(json.loads(key) if isinstance(key, str) else key)
    return google.auth.default()[0]
