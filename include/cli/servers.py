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
        _check_laptop(settings)
        os.environ.update(settings)
    return EnvironmentConnections(dict(os.environ))


def _check_laptop(settings: Mapping[str, str]) -> None:
    """Raises Unavailable when a server of the laptop platform is down: its clients would try again for minutes."""
    for address in sorted(set(re.findall(r"127\.0\.0\.1:\d+", " ".join(settings.values())))):
        host, _, port = address.partition(":")
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
        except OSError:
            raise Unavailable(
                "the laptop platform is not up", where=address, remedy="`make up` starts it, `make status` shows it"
            ) from None
