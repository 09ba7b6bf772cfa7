"""A SQL Server that forbids a column: what lies between us and the stand-in, which knows no permissions.

It passes everything on, but answers a SELECT that names the column as SQL Server does (error 230, severity 14), in
TDS and over a socket of its own: the driver and all of ours are as they are.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

BATCH, REPLY, LAST = 1, 4, 1
ERROR, DONE, DONE_WITH_ERROR = 0xAA, 0xFD, 2


@contextmanager
def forbidding(host: str, port: int, column: str, said: str) -> Iterator[int]:
    """The port of a server that is that of `host:port`, but refuses `column` with the words `said`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, host, port, column, said), daemon=True).start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, host: str, port: int, column: str, said: str) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        upstream = socket.create_connection((host, port))
        threading.Thread(target=_pass_on, args=(upstream, client), daemon=True).start()
        threading.Thread(target=_ask, args=(client, upstream, column, said), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with target:
        while data := source.recv(1 << 16):
            target.sendall(data)


def _ask(client: socket.socket, upstream: socket.socket, column: str, said: str) -> None:
    """Packet by packet: 8 bytes of header (kind, status, length), then the request's text in UTF-16."""
    with upstream, client.makefile("rb") as requests:
        while head := requests.read(8):
            kind, _, length = struct.unpack(">BBH", head[:4])
            body = requests.read(length - 8)
            if kind == BATCH and f"[{column}]".encode("utf-16-le") in body:
                client.sendall(_refusal(said))
            else:
                upstream.sendall(head + body)


def _refusal(said: str) -> bytes:
    text = struct.pack("<H", len(said)) + said.encode("utf-16-le")
    body = struct.pack("<iBB", 230, 1, 14) + text + b"\0\0" + struct.pack("<i", 1)
    tokens = struct.pack("<BH", ERROR, len(body)) + body + struct.pack("<BHHQ", DONE, DONE_WITH_ERROR, 0, 0)
    return struct.pack(">BBHHBB", REPLY, LAST, 8 + len(tokens), 0, 1, 0) + tokens
