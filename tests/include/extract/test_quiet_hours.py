"""When a source may be read again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.extract.quiet_hours import opens_at

LONDON = "Europe/London"


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        ("22:00-06:00", "2026-01-10 22:00", None),
        ("22:00-06:00", "2026-01-10 03:00", None),
        ("22:00-06:00", "2026-01-10 05:59", None),
        ("22:00-06:00", "2026-01-10 06:00", "2026-01-10 22:00"),
        ("22:00-06:00", "2026-01-10 21:59", "2026-01-10 22:00"),
        ("01:00-05:00", "2026-01-10 05:00", "2026-01-11 01:00"),
        ("01:00-05:00", "2026-01-10 00:30", "2026-01-10 01:00"),
        ("01:00-05:00", "2026-01-10 01:00", None),
        ("09:00-09:00", "2026-01-10 08:59", None),  # all of the day's hours
        ("22:00-06:00", "2026-07-10 20:59", "2026-07-10 21:00"),  # in summer London is an hour ahead of UTC
        ("22:00-06:00", "2026-07-10 21:00", None),
        ("22:00-06:00", "2026-07-10 05:00", "2026-07-10 21:00"),
        ("01:30-05:00", "2026-03-29 00:45", "2026-03-29 01:30"),  # 01:30 does not happen: it is 02:30 then
    ],
)
def test_the_hours_are_those_of_the_sources_clock(hours: str, now: str, opens: str | None) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = None if opens is None else datetime.fromisoformat(opens).replace(tzinfo=UTC)
    assert opens_at(hours, LONDON, at) == expected
