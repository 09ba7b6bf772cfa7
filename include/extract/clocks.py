"""Have a server's clocks just gone back? (then an hour comes twice, and a time of it is no proof of what came first)"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

MOST = timedelta(hours=1)
"""By which clocks go back."""


def went_back(now: datetime, offset: timedelta) -> bool:
    """Whether they may have, within the time by which they go back: a server says its offset from UTC, not its zone.

    now: UTC, without zone as SQL Server has it. It is asked of all zones that have this offset now: on some nights of
    the year one of them has just gone back.
    """
    at = now.replace(tzinfo=UTC)
    return any(_offset(zone, at) == offset < _offset(zone, at - MOST) for zone in _zones())


def _zones() -> list[zoneinfo.ZoneInfo]:
    return [zoneinfo.ZoneInfo(name) for name in sorted(zoneinfo.available_timezones())]


def _offset(zone: zoneinfo.ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
