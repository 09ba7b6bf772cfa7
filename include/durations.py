"""How long is `6h`?"""

from __future__ import annotations

import re
from datetime import timedelta

from include.errors import DeclarationError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(rf"(\d+)([{''.join(_UNITS)}])")


def duration(text: str, where: str) -> timedelta:
    """`15m`, `6h`, `7d` as a timedelta; raises DeclarationError."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise DeclarationError(
            f"'{text}' is not a duration", where=where, remedy="write a whole number and a unit: 30s, 15m, 6h, 7d or 2w"
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
