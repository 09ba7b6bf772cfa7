"""What is BigQuery here? (local-bigquery in its own environment; `big_query_launcher` mends what we need)"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from include.local.laptop import PROJECT, Laptop
from include.local.servers.server import Server, here, request

THREADS = "BIG_QUERY_THREADS"
"""How many DuckDB may use: as many as there are cores, unless several servers share them."""


def big_query(laptop: Laptop) -> Server:
    url = laptop.url("big_query")

    def is_ready(began: float) -> bool:
        socket.create_connection(here(laptop.ports["big_query_read"]), timeout=2).close()
        return "kind" in request(f"{url}/bigquery/v2/projects/{PROJECT}/datasets")

    return Server(
        name="big_query",
        command=(
            *(
                str(laptop.installed("big_query", "bin", "python")),
                "-P",
            ),  # -P: our folder's names must not hide packages
            *(str(Path(__file__).with_name("big_query_launcher.py")), "--project", PROJECT),
            *("--port", str(laptop.ports["big_query"]), "--read-port", str(laptop.ports["big_query_read"])),
            *("--folder", str(laptop.state / "big_query")),
        ),
        environ={
            "HOME": str(laptop.install / "big_query" / "home"),  # where bootstrap put DuckDB's extensions
            "STORAGE_EMULATOR_HOST": laptop.url("cloud_storage"),
            **({THREADS: os.environ[THREADS]} if THREADS in os.environ else {}),
        },
        ports=("big_query", "big_query_read"),
        is_ready=is_ready,
    )
