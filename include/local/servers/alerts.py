"""Where do alerts go on a laptop? Every JSON that is posted here is a line of `<state>/alerts.jsonl`."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from include.local.laptop import HOST, Laptop
from include.local.servers.server import Server, request


def alerts_file(laptop: Laptop) -> Path:
    return laptop.state / "alerts.jsonl"


def alerts(laptop: Laptop) -> Server:
    return Server(
        name="alerts",
        command=(
            *(sys.executable, "-m", "include.local.servers.alerts"),
            *("--port", str(laptop.ports["alerts"]), "--file", str(alerts_file(laptop))),
        ),
        environ={},
        ports=("alerts",),
        is_ready=lambda began: "alerts" in request(laptop.url("alerts"), timeout=2),
    )


class Receiver(BaseHTTPRequestHandler):
    """GET says how many alerts came; POST takes one."""

    file: Path
    one_at_a_time = threading.Lock()

    def do_GET(self) -> None:
        count = self.file.read_bytes().count(b"\n") if self.file.exists() else 0
        self._answer(200, {"alerts": count})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            alert = json.loads(body)
        except ValueError:
            return self._answer(400, {"error": "an alert is JSON"})
        line = json.dumps({"received_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "alert": alert})
        with self.one_at_a_time, self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._answer(200, {})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        """Only alerts are worth a line."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    Receiver.file = options.file
    ThreadingHTTPServer((HOST, options.port), Receiver).serve_forever()


if __name__ == "__main__":
    main()
