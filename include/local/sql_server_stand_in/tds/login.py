"""What does a client say when it logs in? (MS-TDS 2.2.6.4 and 2.2.6.5)"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_TEXTS = ("host", "user", "password", "application", "server", "extension", "library", "language", "database")
_TEXTS_BEGIN = 36
_END = 0xFF


def read_prelogin(data: bytes) -> dict[int, bytes]:
    """The options by number."""
    found, at = {}, 0
    while data[at] != _END:
        option, begins, size = struct.unpack(">BHH", data[at : at + 5])
        found[option] = data[begins : begins + size]
        at += 5
    return found


def prelogin(options: dict[int, bytes]) -> bytes:
    head, body, begins = b"", b"", 5 * len(options) + 1
    for option, value in sorted(options.items()):
        head += struct.pack(">BHH", option, begins + len(body), len(value))
        body += value
    return head + bytes((_END,)) + body


@dataclass(frozen=True)
class Login:
    packet_size: int
    user: str
    password: str = field(repr=False)
    database: str


def read_login(data: bytes) -> Login:
    texts = {}
    for at, name in enumerate(_TEXTS):
        begins, length = struct.unpack_from("<HH", data, _TEXTS_BEGIN + 4 * at)
        texts[name] = data[begins : begins + 2 * length]
    clear = bytes((byte ^ 0xA5) >> 4 | ((byte ^ 0xA5) << 4) & 0xF0 for byte in texts["password"])
    return Login(
        packet_size=struct.unpack_from("<I", data, 8)[0],
        user=texts["user"].decode("utf-16-le"),
        password=clear.decode("utf-16-le"),
        database=texts["database"].decode("utf-16-le"),
    )
