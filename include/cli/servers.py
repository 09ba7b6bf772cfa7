"""Which servers does the command line speak to? (those of `AIRFLOW_CONN_*`, or else a laptop's `.local/env`)"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from include.connections import EnvironmentConnections, read_settings
from include.errors import Unavailable
from include.steps.servers import Servers

HOST = "127.0.0.1"
SETTINGS_FILE = Path(".local/env")


def servers() -> Servers:
    """Clients of those connections."""
    return Servers(connections())


def connections() -> EnvironmentConnections:
    """By the environment; only when it names no connection at all, by `.local/env` below the working directory.

    Never by both: a command must not speak to half of production and half of a laptop.
    """
    if not any(name.startswith("AIRFLOW_CONN_") for name in os.environ):
        settings = read_settings(SETTINGS_FILE)
        check_laptop(settings)
        os.environ.update(settings)
    return EnvironmentConnections(dict(os.environ))


def check_laptop(settings: Mapping[str, str]) -> None:
    """Raises Unavailable when a server of the laptop platform is down: its clients would try again for minutes.

    Looked at are the addresses on this machine that clients are given; a server that is elsewhere is not asked.
    """
    given = {name: value for name, value in settings.items() if re.fullmatch(r"AIRFLOW_CONN_.*|.*_EMULATOR_HOST", name)}
    down = sorted(name for name, value in given.items() if not all(map(_listens, _ports(value))))
    if down:
        raise Unavailable(
            "the laptop platform is not up, or not whole",
            where=", ".join(down),
            remedy="`make up` starts what is down, `make status` shows it",
        )


def _ports(setting: str) -> set[int]:
    """The ports on this machine that an address, or a connection as URI or JSON, names."""
    found = set(re.findall(r"127\.0\.0\.1:(\d+)", setting))
    found |= set(re.findall(r'"host": "127\.0\.0\.1", "port": (\d+)', setting))
    return {int(port) for port in found}


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True
