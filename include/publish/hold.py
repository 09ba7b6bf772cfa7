"""Does a person hold the publishing of an entity? (a record of `publisher.positions`, which whoever publishes reads)

The record is none of any transaction. Whoever begins later finds it beside the positions, which are read after
`init_transactions` up to the uncommitted end of the topic; whoever had begun before is fenced by who holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include.errors import HeldTooLong, OnHold
from include.publish.position import last_said

AT_MOST = timedelta(days=1)
"""So long a hold is nobody's alarm."""
_SECONDS = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Hold:
    """since: UTC. why: in the words of who holds it; empty when nothing was said."""

    since: datetime
    why: str = ""

    @property
    def began(self) -> str:
        return f"{self.since:{_SECONDS}} UTC"

    def to_json(self) -> bytes:
        return json.dumps({"since": self.since.isoformat(), "why": self.why}).encode()


def hold_key(entity: str) -> bytes:
    """`entity`: with the prefix of its topics, as its transactions name it."""
    return f"hold/{entity}".encode()


def hold_on(entity: str, records: Iterable[tuple[bytes, bytes | None]]) -> Hold | None:
    """What holds an entity, by the records of the positions topic in order (the last one counts); None: nothing."""
    said = last_said(records, hold_key(entity))
    return Hold(datetime.fromisoformat(said["since"]), said["why"]) if said else None


def refuse(entity: str, hold: Hold, where: str) -> None:
    """Raises OnHold; HeldTooLong when that has lasted for more than a day. `entity`: as contracts name it."""
    is_too_long = datetime.now(UTC) - hold.since > AT_MOST
    raised, lasts = (HeldTooLong, ", for more than a day") if is_too_long else (OnHold, "")
    raise raised(
        f"publishing of {entity} is held since {hold.began}{lasts} ({hold.why or 'nobody has said why'})",
        where=where,
        remedy=f"nothing is lost, its changes wait; to let it go: `python -m include hold publish {entity} --let-go`, "
        "then its next run sends them",
    )
