"""How is an answer put together? (tokens, MS-TDS 2.2.7)"""

from __future__ import annotations

import struct

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.tds.codes import DONE, PROGRAM, REPLY, SERVER_NAME, VERSION
from include.local.sql_server_stand_in.tds.wire import Wire, framed

_ENOUGH = 1 << 18
_LONGEST_TEXT = 4000


def short_text(text: str) -> bytes:
    """B_VARCHAR."""
    raw = text.encode("utf-16-le")
    return bytes((len(raw) // 2,)) + raw


def _long_text(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return struct.pack("<H", len(raw) // 2) + raw


class Reply:
    """One answer: tokens are appended, whole packets leave as they fill, `finish` sends the last."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._waiting, self._number = wire, bytearray(), 1

    def add(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Sends what fills packets; something always stays for the last one."""
        step = self._wire.size - 8
        whole = (len(self._waiting) - 1) // step * step
        if whole > 0:
            self._send(bytes(memoryview(self._waiting)[:whole]), is_last=False)
            del self._waiting[:whole]

    def finish(self) -> None:
        self._send(bytes(self._waiting), is_last=True)
        self._waiting = bytearray()

    def _send(self, data: bytes, *, is_last: bool) -> None:
        wire = self._wire
        packets, self._number = framed(data, wire.size, REPLY, wire.spid, self._number, is_last=is_last)
        wire.send(packets)

    # --- tokens

    def done(self, status: int = 0, rows: int = 0, command: int = 0, token: int = DONE) -> None:
        self.add(struct.pack("<BHHQ", token, status, command, rows))

    def message(self, number: int, text: str, severity: int, state: int = 1) -> None:
        """An error above severity 10, else something to know."""
        body = struct.pack("<iBB", number, state, severity) + _long_text(text[:_LONGEST_TEXT])
        body += short_text(SERVER_NAME) + short_text("") + struct.pack("<i", 1)
        self._sized(0xAA if severity > 10 else 0xAB, body)

    def error(self, error: SqlError) -> None:
        self.message(error.number, error.text, error.severity, error.state)

    def change(self, kind: int, new: str | bytes, old: str | bytes = "") -> None:
        """The client's environment has changed."""
        self._sized(0xE3, bytes((kind,)) + _either(new) + _either(old))

    def login_acknowledged(self) -> None:
        body = b"\x01\x74\x00\x00\x04" + short_text(PROGRAM)
        self._sized(0xAD, body + bytes(VERSION[:2]) + struct.pack(">H", VERSION[2]))

    def _sized(self, token: int, body: bytes) -> None:
        self.add(struct.pack("<BH", token, len(body)) + body)

    def return_status(self, value: int) -> None:
        self.add(struct.pack("<Bi", 0x79, value))

    def return_int(self, value: int) -> None:
        """The output parameter of sp_prepare and sp_prepexec: the handle."""
        head = struct.pack("<BH", 0xAC, 0) + short_text("") + b"\x01" + struct.pack("<IH", 0, 1)
        self.add(head + b"\x26\x04" + b"\x04" + struct.pack("<i", value))


def _either(value: str | bytes) -> bytes:
    return bytes((len(value),)) + value if isinstance(value, bytes) else short_text(value)
