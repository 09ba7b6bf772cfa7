"""What of an entity's topic must be sent once more? (records of `publisher.positions`, one per slot)

Somebody asks, whoever publishes does it: before anything new, each key's last change at or below its slot's position,
tombstones included. How far that is stands beside the positions, committed with the events: so a publisher that was
killed or fenced in the middle is followed by one that goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from include.publish.position import SLOTS, Position, Record, last_said, record_key

STATE, ANEW, HISTORY = "current state", "begin anew", "history"
"""Each key's last event into the entity's own topic; every event into a topic that is empty; the events of a part of
the change log into a topic of its own."""
GIVE_UP = "give up"
"""What was asked for and is not done yet is no longer wanted."""


@dataclass(frozen=True)
class Replay:
    """What was asked for by `request`: of the slot's keys all whose last change is at or below `reached` were sent.
    keys: the list in the bucket of the customers whose rows are meant, and its digest; empty for everybody's."""

    request: str
    reached: int = 0
    is_done: bool = False
    keys: str = ""
    digest: str = ""


def _owner(entity: str) -> str:
    return f"replay/{entity}"


def replays_of(entity: str, records: Iterable[tuple[bytes, bytes | None]]) -> dict[int, Replay]:
    """Slot to the replay that was asked for last, from the records of the positions topic in order."""
    found: dict[int, Replay] = {}
    for key, value in records:
        owner, _, slot = key.decode().rpartition("/")
        if owner == _owner(entity) and value is not None:
            found[int(slot)] = Replay(**json.loads(value))
    return found


def pending(replays: Mapping[int, Replay], slots: Iterable[int]) -> dict[int, Replay]:
    """Those of these slots that are not done."""
    return {slot: replays[slot] for slot in slots if slot in replays and not replays[slot].is_done}


def bounds(replays: Mapping[int, Replay], positions: Mapping[int, Position]) -> tuple[list[int], list[int]]:
    """For each of the 64 slots: after which change, and up to which, a key's last change is still to be sent. Nothing
    is above a slot's position, and nothing of a slot without replay."""
    above = [replays[slot].reached if slot in replays else 0 for slot in range(SLOTS)]
    up_to = [positions[slot].change_number if slot in replays else 0 for slot in range(SLOTS)]
    return above, up_to


def moved(replays: Mapping[int, Replay], reached: int) -> dict[int, Replay]:
    return {slot: replace(one, reached=max(one.reached, reached)) for slot, one in replays.items()}


def done(replays: Mapping[int, Replay]) -> dict[int, Replay]:
    return {slot: replace(one, is_done=True) for slot, one in replays.items()}


def as_records(entity: str, replays: Mapping[int, Replay]) -> list[Record]:
    """The records that say so: key, value, no headers."""
    owner = _owner(entity)
    return [(record_key(owner, slot), json.dumps(one.__dict__).encode(), []) for slot, one in replays.items()]


@dataclass(frozen=True)
class Mark:
    """To which topic an entity was published, and where the topic's partitions ended then: offsets never go back."""

    topic: str
    ends: tuple[int, ...]

    def problem(self, topic: str, ends: Sequence[int]) -> str | None:
        """Why this topic cannot be the one that was sent to."""
        if topic != self.topic:
            return f"its events went to {self.topic} so far, and {topic} has none of them"
        if len(ends) != len(self.ends):
            return f"{topic} had {len(self.ends)} partitions and has {len(ends)} now: keys lie elsewhere"
        behind = [n for n, (now, then) in enumerate(zip(ends, self.ends, strict=True)) if now < then]
        if behind:
            n = behind[0]
            return f"partition {n} of {topic} ended at offset {self.ends[n]} and ends at {ends[n]} now: events are gone"
        return None


def mark_of(entity: str, records: Iterable[tuple[bytes, bytes | None]]) -> Mark | None:
    """What was said last; None before anything was sent."""
    said = last_said(records, _mark_key(entity))
    return Mark(said["topic"], tuple(said["ends"])) if said else None


def mark_record(entity: str, mark: Mark) -> Record:
    return _mark_key(entity), json.dumps({"topic": mark.topic, "ends": list(mark.ends)}).encode(), []


def _mark_key(entity: str) -> bytes:
    return f"topic/{entity}".encode()
