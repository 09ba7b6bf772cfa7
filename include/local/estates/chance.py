"""Where does the randomness come from, so that it is the same on every machine?

Each made row has a stream of its own, named by the seed and the row. A row therefore does not depend on the order in
which rows are made, nor on how many there are: customer 7 is the same at 2,000 customers and at 100,000, and a
business day can make customer 100,001 without making the others.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

REFERENCE = date(2026, 1, 1)
"""The day of the seed: whatever is made happened before it, whatever the clock says."""


def stream(seed: int, *path: str | int) -> random.Random:
    """The random numbers of `path`. A text is hashed by SHA-512 inside `Random`, never by hash()."""
    return random.Random("/".join(map(str, (seed, *path))))


def happens(rng: random.Random, per_mille: int) -> bool:
    """True in `per_mille` of 1,000 cases. Integers only, so that no rounding can differ."""
    return rng.randrange(1000) < per_mille


def weighted[T](rng: random.Random, choices: Sequence[tuple[int, T]]) -> T:
    """One of `choices`, each with its weight per mille; the last takes what is left of 1,000."""
    left = rng.randrange(1000)
    for per_mille, choice in choices:
        left -= per_mille
        if left < 0:
            return choice
    return choices[-1][1]


def day_between(rng: random.Random, first: date, last: date) -> date:
    """A day from `first` to `last`, both possible."""
    return first + timedelta(days=rng.randrange((last - first).days + 1))


def moment_between(rng: random.Random, first: date, last: date) -> datetime:
    """A whole second: SQL Server's `datetime` would round anything finer to .000, .003 or .007."""
    day = day_between(rng, first, last)
    return datetime(day.year, day.month, day.day) + timedelta(seconds=rng.randrange(86_400))


def pounds(rng: random.Random, least: int, most: int, *, exact_per_mille: int = 50) -> Decimal:
    """An amount between `least` and `most` pounds: pence, and at times four decimals, as unit prices leave them."""
    if happens(rng, exact_per_mille):
        return Decimal(rng.randrange(least * 10_000, most * 10_000) // 10 * 10 + rng.randrange(1, 10)).scaleb(-4)
    return Decimal(rng.randrange(least * 100, most * 100)).scaleb(-2)
