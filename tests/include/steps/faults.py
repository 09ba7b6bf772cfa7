"""How is an extract disturbed? (at the source, on our disk, on the way to the bucket; over once the block ends)"""

from __future__ import annotations

import http.client
import os
import resource
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from include.clients import sql_server
from include.clients.sql_server import connect
from include.local.laptop import free_ports
from tests.include.steps.way import Way

Disturbance = Callable[[Way, Path], AbstractContextManager[Way]]
"""The way by which to extract, while it lasts; the folder is empty."""
LASTS = 1_000_000
"""Times that are never over."""


# --- the source


@contextmanager
def _struck(kind: str, more: str, way: Way, folder: Path) -> Iterator[Way]:
    with connect(way.world.connections.sql_server("sse"), way.database) as control:
        control.execute(f"EXEC standin.fault @kind = '{kind}'{more}")
        yield way.with_connection("sse", lambda c: c["extra"].update(query_timeout=1))


def at_source(kind: str, **more: str | int) -> Disturbance:
    """A fault of the stand-in's, with more of its arguments."""
    return partial(_struck, kind, "".join(f", @{name} = '{value}'" for name, value in more.items()))


@contextmanager
def wrong_password(way: Way, folder: Path) -> Iterator[Way]:
    yield way.with_connection("sse", lambda c: c.update(password="hunter2-not-it"))


@contextmanager
def nobody_listens(way: Way, folder: Path) -> Iterator[Way]:
    (port,) = free_ports(1)
    with _quick_login():
        yield way.with_connection("sse", lambda c: c.update(port=port))


@contextmanager
def nobody_answers(way: Way, folder: Path) -> Iterator[Way]:
    with socket.create_server(("127.0.0.1", 0)) as silent, _quick_login():
        port = silent.getsockname()[1]
        yield way.with_connection("sse", lambda c: c.update(port=port))


@contextmanager
def _quick_login() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_server, "LOGIN_TIMEOUT", 2)
        yield


# --- our disk


@contextmanager
def _full(is_known: bool, way: Way, folder: Path) -> Iterator[Way]:
    """No file of this process may grow beyond 100 bytes: the same path as a full disk, without a disk of our own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder) if is_known else None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            yield way
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


full_disk: Disturbance = partial(_full, True)
full_disk_from_the_start: Disturbance = partial(_full, False)
"""Python has not yet looked for a folder that takes a file."""


# --- the bucket


class _Between(BaseHTTPRequestHandler):
    """Passes requests on to the bucket's server, but those in which `marked` stands."""

    def __init__(self, upstream: str, marked: bytes, answer: str, left: list[int], *arguments: Any) -> None:
        self._upstream, self._marked, self._answer, self._left = urlsplit(upstream), marked, answer, left
        super().__init__(*arguments)

    def _between(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if (self._marked in body or self._marked in self.path.encode()) and self._left[0] > 0:
            self._left[0] -= 1
            return self._disturb(body)
        self._send(*self._passed_on(body))

    do_GET = do_POST = do_PUT = do_DELETE = _between

    def _disturb(self, body: bytes) -> None:
        if self._answer.isdigit():
            return self._send(int(self._answer), {}, b"{}")
        if self._answer == "lost":
            self._passed_on(body)
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(str(self._upstream.hostname), self._upstream.port or 80)
        try:
            connection.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        ours = str(self.headers["Host"])
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value.replace(self._upstream.netloc, ours))  # where to send the rest
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def _disturbed(answer: str, marked: str, times: int, way: Way, folder: Path) -> Iterator[Way]:
    variable, left = "STORAGE_EMULATOR_HOST", [times]
    handler = partial(_Between, os.environ[variable], marked.encode(), answer, left)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, pytest.MonkeyPatch.context() as patch:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        patch.setenv(variable, f"http://127.0.0.1:{server.server_port}")
        if times == LASTS:  # Google's client tries again for two minutes as shipped
            patch.setattr(DEFAULT_RETRY, "_timeout", 1.0)
        try:
            yield way
        finally:
            server.shutdown()
            serving.join()
    assert left[0] < times, "it has met nothing"


def at_bucket(answer: str, marked: str, times: int = LASTS) -> Disturbance:
    """What has `marked` in it is answered with a status, is `cut` off, or is done and its answer `lost`."""
    return partial(_disturbed, answer, marked, times)
