"""A stand-in as a process of its own, and Microsoft's driver to speak to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mssql_python
import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

ROOT = Path(__file__).parents[4]
UNTIL_INPUT_ENDS = """
import os, sys, threading
from include.local.sql_server_stand_in.server import main
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
main()
"""
COMMAND = [sys.executable, "-c", UNTIL_INPUT_ENDS, "--port", "0"]

mssql_python.pooling(enabled=False)


class StandIn:
    """Listens on a port that it chose; `stop` ends it, as a crash would when asked with SIGKILL.

    When the tests are killed its input ends, and so does it.
    """

    def __init__(self, *arguments: str) -> None:
        self.tls = "--tls-folder" in arguments
        self.proc = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.proc.stdout
        self.port = int(self.proc.stdout.readline().rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.proc.send_signal(number)
        assert self.proc.stdin
        assert self.proc.stdout
        self.proc.stdout.close()
        code = self.proc.wait(20)
        self.proc.stdin.close()
        return code


@pytest.fixture(scope="session")
def start() -> Iterator[Any]:
    started: list[StandIn] = []

    def begin(*arguments: str) -> StandIn:
        started.append(StandIn(*arguments))
        return started[-1]

    yield begin
    for server in started:
        if server.proc.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def connect() -> Any:
    def log_in(server: Any, db: str = "master", autocommit: bool = True, pwd: str = "Standin-1", **options: Any) -> Any:
        words = {
            "Server": f"127.0.0.1,{server.port}",
            "Database": db,
            "UID": "sa",
            "PWD": pwd,
            "Encrypt": "yes" if server.tls else "no",
            "TrustServerCertificate": "yes",
            **options,
        }
        return mssql_python.connect(";".join(f"{key}={value}" for key, value in words.items()), autocommit=autocommit)

    return log_in


@pytest.fixture(scope="session")
def server(start: Any) -> StandIn:
    """Shared by the files that need none of their own: each has its own database."""
    return start()


@pytest.fixture(scope="module")
def database(server: StandIn, connect: Any, request: pytest.FixtureRequest) -> str:
    """A new one, named after the file of tests; snapshots are allowed."""
    name = request.module.__name__.rpartition(".")[2]
    with connect(server) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name}; ALTER DATABASE {name} SET ALLOW_SNAPSHOT_ISOLATION ON")
    return name


@pytest.fixture
def asking(server: StandIn, connect: Any, database: str) -> Iterator[Callable[..., Asking]]:
    """Opens connections to the file's database; they are closed after the test."""
    opened: list[Asking] = []

    def open_one(db: str = database, **options: Any) -> Asking:
        opened.append(Asking(connect(server, db, **options)))
        return opened[-1]

    yield open_one
    for each in opened:
        each.connection.close()


@pytest.fixture
def client(asking: Callable[..., Asking]) -> Asking:
    return asking()
