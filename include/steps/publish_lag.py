"""How far is a topic behind the change log? (how many changes wait, and for how long the oldest of them does)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from include.catalogue import Catalogue
from include.publish.position import SLOTS, Position, lowest
from include.steps.publication import given_at
from include.steps.servers import Servers


@dataclass(frozen=True)
class Lag:
    """The changes after the lowest position of the 64 slots, and the age of the first of them in seconds; None when
    none waits.

    A change waits until all slots are past it: one that has no event, and one whose slot is ahead of the others (of a
    shard that is done), count as the others do. Neither can be known without reading the changes themselves.
    """

    changes: int
    oldest_s: int | None

    @property
    def told(self) -> dict[str, Any]:
        """As a part of a task's summary."""
        return {"changes_waiting": self.changes, "oldest_waiting_s": self.oldest_s}


def lag(catalogue: Catalogue, servers: Servers, entity: str, found: Mapping[int, Position], last: int) -> Lag:
    """found: slot to position. last: the change log's last number. One query of one change, none when nothing waits."""
    done = lowest(found, range(SLOTS))
    if done >= last:
        return Lag(0, None)
    at = given_at(catalogue, servers, entity, [done + 1]).get(done + 1)
    return Lag(last - done, max(0, int((datetime.now(UTC) - at).total_seconds())) if at else None)
