"""A receiver of alerts that a test starts, lets refuse, and stops."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from include.local.laptop import HOST, free_ports


class Receiver:
    """Keeps what is posted; refuses (503) the first `refuses` messages. It listens once `start` was called."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.port = free_ports(1)[0]
        self.messages: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self._refuses, self._server = refuses, None

    @property
    def address(self) -> str:
        """As Apprise has it."""
        return f"json://{HOST}:{self.port}/"

    @property
    def connection(self) -> str:
        """As Airflow's connection `alerts_tier_<n>` names it."""
        config = [{"path": self.address, "tag": "alerts"}]
        return json.dumps({"conn_type": "apprise", "extra": {"config": config}})

    def start(self) -> Receiver:
        self._server = ThreadingHTTPServer((HOST, self.port), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def of(self, use_case: str) -> list[dict[str, Any]]:
        """The messages whose title begins with the use case's name, in the order in which they came."""
        return [message for message in self.messages if message["title"].startswith(f"{use_case} ")]

    def _take(self, message: dict[str, Any]) -> int:
        if len(self.refused) < self._refuses:
            self.refused.append(message)
            return 503
        self.messages.append(message)
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(take(json.loads(body)))
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Only messages matter."""

        return Handler


def links_of(message: dict[str, Any]) -> list[str]:
    """The paths of the run's page and of the logs."""
    lines = [line for line in message["message"].splitlines() if line.startswith(("Link: ", "Log of "))]
    assert lines[0].startswith("Link: ")
    return [urlsplit(line.partition(": ")[2]).path for line in lines]


def as_the_api_has_it(page: str) -> str:
    """What the REST API calls the thing that a page of the UI shows."""
    names = page.split("/")  # '', dags, <dag>, runs, <run>, tasks, <task>, mapped, <index>
    path = f"/dags/{names[2]}/dagRuns/{names[4]}"
    task = f"/taskInstances/{names[6]}" if len(names) > 6 else ""
    return path + task + (f"/{names[8]}" if len(names) > 8 else "")
