"""How do packets get over a socket, in clear or by TLS?"""

from __future__ import annotations

import socket
import ssl
import struct
import threading

from include.local.sql_server_stand_in.tds.codes import END_OF_MESSAGE, IGNORE, PRELOGIN

_TLS_RECORDS = 1 << 16


class Disconnected(Exception):
    """The client has gone."""


class Wire:
    """Packets over a socket, in clear or (after `start_tls`) through a pair of ssl.MemoryBIO.

    One thread reads while another writes. An SSL object bears one at a time: a read beside a write is told now and
    then that the connection has ended, and a session is lost. So each touches it under `tls_lock`, which is never held
    while the socket is waited for.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.size, self.spid = sock, 4096, 0
        self.tls: ssl.SSLObject | None = None
        self.bio_in, self.bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls_lock = threading.Lock()

    # --- bytes

    def _receive_some(self, size: int) -> bytes:
        if self.tls is None:
            return self.sock.recv(size)
        while True:
            try:
                with self.tls_lock:
                    return self.tls.read(size)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                pass
            raw = self.sock.recv(_TLS_RECORDS)
            if not raw:
                return b""
            with self.tls_lock:
                self.bio_in.write(raw)

    def _receive(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            part = self._receive_some(size - len(found))
            if not part:
                raise Disconnected
            found += part
        return bytes(found)

    def send(self, data: bytes) -> None:
        if self.tls is not None:
            view = memoryview(data)
            with self.tls_lock:
                for at in range(0, len(view), _TLS_RECORDS):
                    self.tls.write(view[at : at + _TLS_RECORDS])
                data = self.bio_out.read()
        self.sock.sendall(data)

    # --- packets

    def read_packet(self) -> tuple[int, int, bytes]:
        """Kind, status and content."""
        kind, status, length = struct.unpack(">BBH", self._receive(8)[:4])
        if length < 8:
            raise Disconnected
        return kind, status, self._receive(length - 8)

    def read_message(self) -> tuple[int, int, bytes]:
        """One whole request: its kind, its first packet's status, its bytes."""
        kind, first, body = self.read_packet()
        status, parts = first, [body]
        while not status & END_OF_MESSAGE:
            _, status, body = self.read_packet()
            parts.append(body)
            if status & IGNORE:
                return self.read_message()
        return kind, first, b"".join(parts)

    def write_message(self, kind: int, data: bytes) -> None:
        self.send(framed(data, self.size, kind, self.spid, 1, is_last=True)[0])

    def start_tls(self, context: ssl.SSLContext) -> None:
        """TDS 7: the handshake's records travel within prelogin packets, everything after it is bare TLS."""
        tls = context.wrap_bio(self.bio_in, self.bio_out, server_side=True)
        is_done = False
        while not is_done:
            try:
                tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            if self.bio_out.pending:
                self.write_message(PRELOGIN, self.bio_out.read())
            if not is_done:
                self.bio_in.write(self.read_message()[2])
        self.tls = tls


def framed(data: bytes, size: int, kind: int, spid: int, number: int, *, is_last: bool) -> tuple[bytes, int]:
    """The data cut into packets of the negotiated size, and the number of the packet after them."""
    found, step, view = [], size - 8, memoryview(data)
    for at in range(0, max(len(data), 1), step):
        part = view[at : at + step]
        ends = is_last and at + step >= len(data)
        found.append(struct.pack(">BBHHBB", kind, END_OF_MESSAGE if ends else 0, len(part) + 8, spid, number & 255, 0))
        found.append(bytes(part))
        number += 1
    return b"".join(found), number
