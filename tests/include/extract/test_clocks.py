"""On the night when clocks go back, and on that alone, an hour comes twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from include.extract.clocks import went_back


@pytest.mark.parametrize(
    ("now", "offset", "is_ambiguous"),
    [
        ("2026-10-25 00:59", 60, False),  # 01:59 in London, for the first time
        ("2026-10-25 01:00", 0, True),
        ("2026-10-25 01:30", 0, True),
        ("2026-10-25 02:00", 0, False),  # 02:00 comes once
        ("2026-03-29 01:30", 60, False),  # in spring an hour is left out
        ("2026-07-01 01:30", 60, False),
        ("2026-11-01 06:30", -5 * 60, True),  # New York
        ("2026-11-01 06:30", 0, False),
        ("2026-04-04 15:10", 10 * 60 + 30, True),  # Lord Howe Island: by half an hour
    ],
)
def test_an_hour_comes_twice_when_the_clocks_have_just_gone_back(now: str, offset: int, is_ambiguous: bool) -> None:
    assert went_back(datetime.fromisoformat(now), timedelta(minutes=offset)) == is_ambiguous
