"""How do tests wait? (for what must come, never for a time; what does not come fails with its name)"""

from __future__ import annotations

import time
from collections.abc import Callable

LONG = 60.0
"""Seconds: a limit that only something broken reaches, on a machine however busy."""


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = LONG) -> None:
    """Returns as soon as `condition()` is true; fails when it is not within `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)
