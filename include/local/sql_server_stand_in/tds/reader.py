"""How are a message's bytes read, one piece after the other?"""

from __future__ import annotations

import struct
from typing import Any


class Reader:
    """A place in one message. Raises ValueError where it ends too soon."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def __bool__(self) -> bool:
        """Is there more?"""
        return self.at < len(self.data)

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("the message ends too soon")
        self.at += size
        return self.data[self.at - size : self.at]

    def unpack(self, layout: str) -> Any:
        """One little-endian value of `struct`."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))[0]

    def u8(self) -> int:
        return int(self.unpack("B"))

    def u16(self) -> int:
        return int(self.unpack("H"))

    def short_text(self) -> str:
        """B_VARCHAR."""
        return self.take(self.u8() * 2).decode("utf-16-le")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def skip_headers(self) -> None:
        """ALL_HEADERS: no transaction descriptor is needed, as a connection has one transaction at most."""
        total = struct.unpack_from("<I", self.data, self.at)[0]
        if 4 <= total <= len(self.data):
            self.take(total)

    def chunks(self) -> bytes | None:
        """A partially length-prefixed value (2.2.5.2.3); None for NULL."""
        if self.unpack("Q") == 0xFFFFFFFFFFFFFFFF:
            return None
        found = []
        while size := self.unpack("I"):
            found.append(self.take(size))
        return b"".join(found)
