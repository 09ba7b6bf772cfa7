"""Positions belong to one change log and one topic; when they do not, nothing is sent."""

from __future__ import annotations

import datetime as dt

import pytest

from include.errors import EpochBroken
from include.publish import position
from include.publish.position import ChangeLogState, Position

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STATE = ChangeLogState("epoch-1", 100)


def _position(number: int = 50, at: dt.datetime = AT, epoch: str = "epoch-1") -> Position:
    return Position(number, at.isoformat(), epoch, 1)


def test_the_last_record_of_a_slot_counts_and_other_entities_do_not() -> None:
    records = [
        (b"customer/0", _position(10).to_json()),
        (b"account/0", _position(99).to_json()),
        (b"customer/0", _position(20).to_json()),
        (b"customer/63", _position(30).to_json()),
    ]
    found = position.positions_of("customer", records)
    assert {slot: p.change_number for slot, p in found.items()} == {0: 20, 63: 30}
    assert position.lowest(found, [0, 63]) == 20
    assert position.lowest(found, [0, 1]) == 0


def test_slots_are_64_and_every_shard_has_its_own() -> None:
    shards = [position.Shard(number, 3).slots for number in range(3)]
    assert sorted(slot for slots in shards for slot in slots) == list(range(64))


def test_what_belongs_together_is_taken() -> None:
    position.check("customer", {0: _position()}, STATE, {50: AT}, True, None, "topic")
    position.check("customer", {}, STATE, {}, False, None, "topic")


@pytest.mark.parametrize(
    ("positions", "given_at", "has_events", "says"),
    [
        ({}, {}, True, "events on the topic, but no position"),
        ({0: _position(101)}, {}, True, "ends at 100"),
        ({0: _position(epoch="epoch-0")}, {50: AT}, True, "another change log"),
        ({0: _position()}, {50: AT + dt.timedelta(seconds=1)}, True, "change 50 is not the one"),
        ({0: _position()}, {}, True, "change 50 is not the one"),
    ],
)
def test_what_does_not_belong_together_is_refused(positions, given_at, has_events, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EpochBroken) as caught:
        position.check("customer", positions, STATE, given_at, has_events, None, "topic customer")
    assert says in caught.value.problem
