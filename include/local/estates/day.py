"""What is a business day, and how much happens on it?"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from include.clients.sql_server import Session
from include.local.estates.chance import REFERENCE, stream

MOST = 500
"""Changes of one kind on one day: each is a transaction of its own, so a great estate's day must end some time."""
Counts = dict[str, int]


@dataclass(frozen=True)
class Day:
    """The day `number` (1, 2, …) after the reference, at estates of `customers` customers made from `seed`."""

    seed: int
    number: int
    customers: int

    @property
    def on(self) -> date:
        return REFERENCE + timedelta(days=self.number)

    @property
    def noon(self) -> datetime:
        """Without zone, as SQL Server's columns have it."""
        return datetime(self.on.year, self.on.month, self.on.day, 12)

    @property
    def noon_utc(self) -> datetime:
        return self.noon.replace(tzinfo=UTC)

    @property
    def share(self) -> int:
        """How often a usual thing happens: to 2 % of the customers."""
        return max(5, min(self.customers * 2 // 100, MOST))

    @property
    def few(self) -> int:
        """How often a rare thing happens, such as a deletion: a contract refuses batches with more than 1 %."""
        return max(1, min(self.customers * 3 // 1000, MOST))

    @property
    def some(self) -> int:
        """How often each of the many small things of a day happens."""
        return max(5, self.share // 4)

    @property
    def rare(self) -> int:
        """Half of `few`: two such deletions meet one table."""
        return max(1, self.few // 2)

    def stream(self, *path: str | int) -> random.Random:
        return stream(self.seed, "day", self.number, *path)

    def deck[T](self, system: str, what_for: str, keys: Iterable[T]) -> Iterator[T]:
        """All keys once, in the order of this day."""
        return shuffled(self.stream(system, what_for), keys)


def shuffled[T](rng: random.Random, keys: Iterable[T]) -> Iterator[T]:
    """All keys once, in a random order: dealt from one deck, no customer is renamed and deleted on one day."""
    deck = list(keys)
    rng.shuffle(deck)
    return iter(deck)


def each(session: Session, statements: Iterable[str]) -> int:
    """Every statement a transaction of its own; how many there were."""
    count = 0
    for statement in statements:
        session.execute(statement)
        count += 1
    return count


def deal[T](deck: Iterator[T], how_many: int) -> list[T]:
    """The next of the deck; fewer when it is at its end."""
    return list(islice(deck, how_many))
