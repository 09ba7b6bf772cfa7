"""What speaks TDS on this machine, in a SQL Server's stead? (the command: `python -m ….server --port 14333`)"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path

from include.local.sql_server_stand_in.catalogue.boot import OtherLayout
from include.local.sql_server_stand_in.certificate import self_signed
from include.local.sql_server_stand_in.connection import Connection
from include.local.sql_server_stand_in.engine import Engine

KNOWN_TO_TESTS = "Standin-1"


class Server:
    """Listens on 127.0.0.1; port 0 picks a free one."""

    def __init__(self, port: int, folder: Path | None, password: str, tls: ssl.SSLContext | None) -> None:
        self.engine, self._tls = Engine(folder, {"sa": password}), tls
        self._sock = socket.create_server(("127.0.0.1", port))
        self.port = self._sock.getsockname()[1]

    def serve(self) -> None:
        while True:
            sock, _ = self._sock.accept()
            threading.Thread(target=Connection(self.engine, sock, self._tls).run, daemon=True).start()

    def stop(self) -> None:
        self._sock.close()
        self.engine.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, help="where the databases are kept; in memory without it")
    parser.add_argument("--password-file", type=Path, help="the password of sa; without it the one that tests know")
    parser.add_argument("--tls-folder", type=Path, help="where the certificate is kept; no encryption without it")
    return parser.parse_args()


def _password(file: Path | None) -> str:
    """From a file: among the arguments every user of the machine could read it."""
    return file.read_text(encoding="utf-8").strip() if file else KNOWN_TO_TESTS


def main() -> None:
    options = _options()
    tls = self_signed(options.tls_folder) if options.tls_folder else None
    try:
        server = Server(options.port, options.folder, _password(options.password_file), tls)
    except OtherLayout as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on 127.0.0.1:{server.port}", flush=True)
    try:
        server.serve()
    finally:
        server.stop()
        os._exit(0)  # threads that still sit in DuckDB must not meet an interpreter that is being taken down


if __name__ == "__main__":
    main()
