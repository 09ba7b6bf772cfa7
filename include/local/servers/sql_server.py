"""What is SQL Server here? (a stand-in, over TLS as a real one; it holds the databases of SSE and MIS)"""

from __future__ import annotations

import socket
import struct
import sys

from include.local.laptop import Laptop, write_private
from include.local.servers.server import Server, here

_PRELOGIN = bytes.fromhex(
    "00 000b 0006 01 0011 0001 ff 000000000000 02".replace(" ", "")
)  # a version, no wish for encryption


def sql_server(laptop: Laptop) -> Server:
    folder, password = laptop.state / "sql_server", laptop.state / "sql_server_password"

    def prepare() -> None:
        (folder / "databases").mkdir(parents=True, exist_ok=True)
        write_private(password, laptop.secrets.sql_server_password)

    return Server(
        name="sql_server",
        command=(
            *(sys.executable, "-m", "include.local.sql_server_stand_in.server"),
            *("--port", str(laptop.ports["sql_server"]), "--folder", str(folder / "databases")),
            *("--tls-folder", str(folder), "--password-file", str(password)),
        ),
        environ={},
        ports=("sql_server",),
        is_ready=lambda began: _answers_prelogin(laptop.ports["sql_server"]),
        prepare=prepare,
    )


def _answers_prelogin(port: int) -> bool:
    """The first message of a TDS connection (MS-TDS 2.2.6.5): packet type 18 out, type 4 back."""
    with socket.create_connection(here(port), timeout=2) as connection:
        connection.sendall(struct.pack(">BBHHBB", 18, 1, 8 + len(_PRELOGIN), 0, 1, 0) + _PRELOGIN)
        return connection.recv(1) == b"\x04"
