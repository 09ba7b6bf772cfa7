"""Is a place empty, ours and unfinished, ours and done, or somebody else's?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from include.errors import RequestError


@dataclass(frozen=True)
class SeededBy:
    """What the marker says: which seed and size, and whether all of it was written."""

    seed: int
    customers: int
    is_done: bool


def is_done(where: str, marker: SeededBy | None, present: Collection[str], seed: int, customers: int) -> bool:
    """True when nothing is to be done at `where`, False when it is empty or half filled by a seed.

    `present` are the names of all tables that exist there. Raises RequestError when they are not ours to touch.
    """
    if marker is None and present:
        raise RequestError(
            f"{', '.join(sorted(present))} exist already, and were not made by a seed",
            where=where,
            remedy="point the connection at a server that may be filled; these tables stay as they are",
        )
    if marker is None or not marker.is_done:
        return False
    if (marker.seed, marker.customers) != (seed, customers):
        raise _other(where, marker, seed, customers)
    return True


def _other(where: str, marker: SeededBy, seed: int, customers: int) -> RequestError:
    return RequestError(
        f"the estates hold {marker.customers:,} customers from seed {marker.seed}, not {customers:,} from seed {seed}",
        where=where,
        remedy="go on with those (`make demo` without CUSTOMERS and SEED), "
        f"or begin anew: `make erase demo CUSTOMERS={customers} SEED={seed}`",
    )
