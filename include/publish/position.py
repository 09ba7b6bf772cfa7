"""Up to which change has an entity been published? (`publisher.positions`, written in the events' own transactions)

Keys hash to 64 fixed slots (`sql/statements/slots.sql`); each slot of an entity has its own position, so that the
number of shards can change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from include.errors import EpochBroken

POSITIONS_TOPIC = "publisher.positions"
SLOTS = 64
_NEVER = 2**63 - 1
_ENVIRONMENT = b"environment"
Record = tuple[bytes, bytes, list[Any]]
"""Of the positions' topic: key, value (JSON), no headers."""


@dataclass(frozen=True)
class Position:
    """A slot is published up to `change_number`, which the change log gave at `changed_at` in its `epoch`."""

    change_number: int
    changed_at: str
    epoch: str
    shards: int

    def to_json(self) -> bytes:
        return json.dumps(self.__dict__, sort_keys=True).encode()


@dataclass(frozen=True)
class ChangeLogState:
    """What the warehouse says: the change log's epoch and last number, and when the number of a position was given."""

    epoch: str
    last_number: int


@dataclass(frozen=True)
class Shard:
    """One of `of` publishers of an entity; `number` counts from 0. Each slot is one shard's."""

    number: int
    of: int

    @property
    def slots(self) -> range:
        return range(self.number, SLOTS, self.of)

    def transactional_id(self, entity: str) -> str:
        """`entity`: with the prefix of its topics, as in all that names it to Kafka."""
        return f"{entity}/{self.of}/{self.number}"

    def __str__(self) -> str:
        return f"shard {self.number + 1} of {self.of}"


def shards_of(numbers: Iterable[int]) -> list[Shard]:
    """Every shard of each number of shards."""
    return [Shard(number, of) for of in sorted(numbers) for number in range(of)]


def claiming_id(entity: str) -> str:
    """Of the transaction in which a number of shards takes over all slots: one for all numbers, so that of two who
    want another number one comes after the other."""
    return f"{entity}/claim"


def claim_record(entity: str, of: int) -> Record:
    """That so many shards are about to publish the entity: from then on no other number begins."""
    return _claim_key(entity), json.dumps({"shards": of}).encode(), []


def claim_of(entity: str, records: Iterable[tuple[bytes, bytes | None]]) -> int | None:
    """How many shards have claimed the entity last; None when nobody has."""
    said = last_said(records, _claim_key(entity))
    return int(said["shards"]) if said else None


def _claim_key(entity: str) -> bytes:
    return f"claim/{entity}".encode()


def last_said(records: Iterable[tuple[bytes, bytes | None]], key: bytes) -> dict[str, Any] | None:
    """What the last record of a key says; None without one, or when it is a tombstone."""
    said = [value for of, value in records if of == key]
    return json.loads(said[-1]) if said and said[-1] is not None else None


def record_key(entity: str, slot: int) -> bytes:
    return f"{entity}/{slot}".encode()


def positions_of(entity: str, records: Iterable[tuple[bytes, bytes | None]]) -> dict[int, Position]:
    """Slot to position of an entity, from the records of the positions topic in order (the last one counts)."""
    found: dict[int, Position] = {}
    for key, value in records:
        owner, _, slot = key.decode().rpartition("/")
        if owner == entity and value is not None and slot.isdigit():  # `topic/customer` is no slot of an entity `topic`
            found[int(slot)] = Position(**json.loads(value))
    return found


def environment_record(datasets: str) -> tuple[bytes, bytes]:
    """The record that says to which datasets the topics of this prefix belong."""
    return _ENVIRONMENT, json.dumps({"datasets": datasets}).encode()


def environment_of(records: Iterable[tuple[bytes, bytes | None]]) -> str | None:
    """What that record says; None without it."""
    said = last_said(records, _ENVIRONMENT)
    return str(said["datasets"]) if said else None


def check(
    entity: str,
    positions: Mapping[int, Position],
    state: ChangeLogState,
    given_at: Mapping[int, datetime],
    topic_has_events: bool,
    topic_problem: str | None,
    where: str,
) -> None:
    """Raises EpochBroken when the positions cannot belong to this change log and topic.

    given_at: when the change log gave the numbers that the positions name. topic_problem: why the topic cannot be the
    one that was sent to.
    """
    problem = _problem(positions, state, given_at, topic_has_events)
    if problem:
        raise EpochBroken(
            f"{entity}: {problem}",
            where=where,
            remedy="find out what was restored or emptied (warehouse, topic or publisher.positions), and to when; then "
            "go on as docs/replay.md says under *Restored*",
        )
    if topic_problem:
        raise topic_lacks_events(entity, topic_problem, where)


def topic_lacks_events(entity: str, problem: str, where: str) -> EpochBroken:
    return EpochBroken(
        f"{entity}: {problem}",
        where=where,
        remedy="once nobody restores anything any more, trigger replay_events: the current state, with `The topic was "
        "emptied or restored`",
    )


def _problem(
    positions: Mapping[int, Position], state: ChangeLogState, given_at: Mapping[int, datetime], topic_has_events: bool
) -> str | None:
    if topic_has_events and not numbers(positions):
        return "there are events on the topic, but no position: publishing would repeat them"
    for slot, position in sorted(positions.items()):
        number = position.change_number
        if not number:
            continue
        if position.epoch != state.epoch:
            return f"slot {slot} was published from another change log"
        if number > state.last_number:
            return f"slot {slot} was published up to change {number}, but the change log ends at {state.last_number}"
        if number not in given_at or given_at[number].isoformat() != position.changed_at:
            return f"change {number} is not the one that slot {slot} was published up to"
    return None


def lowest(positions: Mapping[int, Position], slots: Iterable[int]) -> int:
    """The change number after which some slot still needs events; 0 when a slot has never been published."""
    return min((positions[slot].change_number if slot in positions else 0) for slot in slots)


def published(positions: Mapping[int, Position], slots: Iterable[int]) -> list[int]:
    """Up to which change each of the 64 slots is published; those that are none of `slots`: to the end of all days."""
    return [positions[slot].change_number if slot in slots else _NEVER for slot in range(SLOTS)]


def named(positions: Mapping[int, Position]) -> set[int]:
    """The numbers of shards that the positions name."""
    return {position.shards for position in positions.values()}


def claimed(positions: Mapping[int, Position], epoch: str, of: int) -> list[tuple[int, Position]]:
    """The same positions for all 64 slots, in the name of `of` shards; a slot that has none is at the beginning."""
    nothing = Position(0, "", epoch, of)
    return [(slot, replace(positions.get(slot, nothing), shards=of)) for slot in range(SLOTS)]


def numbers(positions: Mapping[int, Position]) -> list[int]:
    """The distinct change numbers that positions name, without 0."""
    return sorted({position.change_number for position in positions.values()} - {0})


def as_records(entity: str, positions: Iterable[tuple[int, Position]]) -> list[Record]:
    """The records that move slots to their positions: key, value, no headers."""
    return [(record_key(entity, slot), position.to_json(), []) for slot, position in positions]
