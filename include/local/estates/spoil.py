"""How does a system spoil a value that was right?"""

from __future__ import annotations

import random
from datetime import date

from include.local.estates.chance import happens, weighted

OPEN_END = date(9999, 12, 31)
"""What two of the estates write for "not closed"."""


def name(rng: random.Random, right: str) -> str:
    """`right` as it is, or nothing, blanks alone, blanks around it."""
    return weighted(
        rng, ((15, ""), (15, "   "), (15, f"  {right}"), (15, f"{right} "), (10, f" {right}  "), (0, right))
    )


def missing[T](rng: random.Random, right: T, per_mille: int = 30) -> T | None:
    """`right`, or NULL though the documentation says that there always is one."""
    return None if happens(rng, per_mille) else right
