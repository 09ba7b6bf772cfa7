"""A hold is the last record of its entity; it is refused as what it is, and after a day as an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.errors import DataPlatformError, HeldTooLong, OnHold, Refused
from include.publish.hold import Hold, hold_key, hold_on, refuse
from include.publish.position import Position, positions_of

NOW = datetime.now(UTC)
HOLD = Hold(NOW, "letters are wrong")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([HOLD.to_json()], HOLD),
        ([HOLD.to_json(), None], None),
        ([HOLD.to_json(), None, Hold(NOW, "again").to_json()], Hold(NOW, "again")),
    ],
)
def test_the_last_record_says_whether_an_entity_is_held(values: list[bytes | None], found: Hold | None) -> None:
    others = [(b"customer/7", b"{}"), (hold_key("account"), HOLD.to_json())]
    assert hold_on("customer", [*((hold_key("customer"), value) for value in values), *others]) == found


def test_a_hold_is_no_position_of_an_entity_called_hold() -> None:
    position = Position(1, NOW.isoformat(), "epoch", 1)
    records: list[tuple[bytes, bytes | None]] = [
        (hold_key("customer"), HOLD.to_json()),
        (b"hold/3", position.to_json()),
    ]
    assert positions_of("hold", records) == {3: position}


@pytest.mark.parametrize(
    ("lasts", "error", "is_refused"), [(timedelta(hours=23), OnHold, False), (timedelta(hours=25), HeldTooLong, True)]
)
def test_after_a_day_a_hold_is_an_error(lasts: timedelta, error: type[DataPlatformError], is_refused: bool) -> None:
    hold = Hold(NOW - lasts, "letters are wrong")
    with pytest.raises(error) as raised:
        refuse("customer", hold, "topic publisher.positions")
    assert isinstance(raised.value, Refused) is is_refused, "what is refused is tried no second time"
    assert hold.began in raised.value.problem
    assert "letters are wrong" in raised.value.problem
    assert "hold publish customer --let-go" in raised.value.remedy
