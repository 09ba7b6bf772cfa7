"""One thread of a session reads its socket while another answers: over TLS neither may end the other."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.local.sql_server_stand_in.certificate import self_signed
from include.local.sql_server_stand_in.tds.wire import Wire

PACKETS = 3_000


class Watched:
    """The TLS of a wire, and how often one thread met another within it: OpenSSL itself complains now and then only."""

    def __init__(self, tls: ssl.SSLObject) -> None:
        self._tls, self._inside, self.met = tls, 0, 0

    def read(self, size: int) -> bytes:
        return self._within(self._tls.read, size)

    def write(self, data: bytes) -> int:
        return self._within(self._tls.write, data)

    def _within(self, touch: Callable[[Any], Any], what: Any) -> Any:
        self._inside += 1
        self.met += self._inside > 1
        try:
            time.sleep(0)  # let the other thread in, if nothing keeps it out
            return touch(what)
        finally:
            self._inside -= 1


def _over_tls(folder: Path) -> tuple[Wire, socket.socket, Any, ssl.MemoryBIO]:
    """A server's wire, the client's end of it, and the client's TLS with what it wants to send."""
    ours, theirs = socket.socketpair()
    wire, trusting = Wire(ours), ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(inward, outward)
    wire.bio_in, wire.bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    wire.tls = self_signed(folder).wrap_bio(wire.bio_in, wire.bio_out, server_side=True)
    done: set[Any] = set()
    while len(done) < 2:
        for side in (client, wire.tls):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
        wire.bio_in.write(outward.read())
        inward.write(wire.bio_out.read())
    return wire, theirs, client, outward


@pytest.mark.timeout(120)
def test_reading_and_answering_at_once_ends_no_session(tmp_path: Path) -> None:
    wire, theirs, client, outward = _over_tls(tmp_path)
    watched = Watched(wire.tls)
    wire.tls = watched

    def ask() -> None:
        for number in range(PACKETS):
            client.write(struct.pack(">BBHHBBI", 1, 1, 12, 0, 1, 0, number))
            theirs.sendall(outward.read())

    def answer() -> None:
        for _ in range(PACKETS):
            wire.send(b"x" * 2000)

    def listen() -> None:
        while theirs.recv(1 << 20):
            pass

    asking, answering, listening = (threading.Thread(target=each, daemon=True) for each in (ask, answer, listen))
    for thread in (asking, answering, listening):
        thread.start()
    numbers = [struct.unpack(">I", wire.read_packet()[2])[0] for _ in range(PACKETS)]
    answering.join()
    wire.sock.close()
    listening.join()
    assert numbers == list(range(PACKETS))
    assert watched.met == 0
