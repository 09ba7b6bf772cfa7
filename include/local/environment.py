"""How do Airflow and the command line reach the laptop's servers?

By the same connections as in production (`include/connections.py`), only with other values.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from include.local.laptop import BUCKET, HOST, LOCATION, PROJECT, Laptop, write_private
from include.local.servers.schema_registry import API

TIERS = (1, 2, 3)


def connections(laptop: Laptop) -> dict[str, str]:
    """AIRFLOW_CONN_… and the addresses by which Google's clients find local servers."""
    found = {
        "sse": _sql_server(laptop),
        "mis": _sql_server(laptop),
        "google_cloud_default": _google_cloud(laptop),
        "kafka_default": _kafka(laptop),
        "schema_registry": {"conn_type": "http", "host": laptop.url("schema_registry") + API},
        **{f"alerts_tier_{tier}": _alerts(laptop) for tier in TIERS},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in found.items()} | _addresses(laptop)


def _addresses(laptop: Laptop) -> dict[str, str]:
    return {
        "BIGQUERY_EMULATOR_HOST": laptop.url("big_query"),
        "STORAGE_EMULATOR_HOST": laptop.url("cloud_storage"),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # else gcsfs asks Google about each bucket and waits for 60 s
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
    }


def _sql_server(laptop: Laptop) -> dict[str, Any]:
    return {
        "conn_type": "mssql",
        "host": HOST,
        "port": laptop.ports["sql_server"],
        "login": "sa",
        "password": laptop.secrets.sql_server_password,
        "extra": {"Encrypt": "yes", "TrustServerCertificate": "yes"},
    }


def _kafka(laptop: Laptop) -> dict[str, Any]:
    """(One broker: a topic on three could not be made.)"""
    return {"conn_type": "kafka", "extra": {"bootstrap.servers": laptop.address("kafka"), "replication_factor": 1}}


def _google_cloud(laptop: Laptop) -> dict[str, Any]:
    extra = {
        "is_anonymous": True,
        "project": PROJECT,
        "location": LOCATION,
        "bucket": BUCKET,
        "dataset_prefix": "",
        "storage_read_endpoint": laptop.url("big_query_read"),
    }
    return {"conn_type": "google_cloud_platform", "extra": extra}


def _alerts(laptop: Laptop) -> dict[str, Any]:
    address = f"json://{laptop.address('alerts')}/"
    return {"conn_type": "apprise", "extra": {"config": [{"path": address, "tag": "alerts"}]}}


def write_shell_file(laptop: Laptop, path: Path) -> None:
    """`. .local/env` gives a shell the connections; none of Airflow's own settings are in it."""
    values = {name: laptop.extra_environment.get(name, value) for name, value in connections(laptop).items()}
    lines = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in values.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != lines:
        write_private(path, lines)
