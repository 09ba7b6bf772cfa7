"""May a source be read now, or when?"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def opens_at(hours: str, zone: str, now: datetime) -> datetime | None:
    """When the next of these hours begins (`22:00-06:00`, of any day, in `zone`); None when it is one of them now.

    `now` has a zone. An hour that the clock leaves out in spring begins when it would have.
    """
    begins, ends = (time.fromisoformat(text) for text in hours.split("-"))
    local = now.astimezone(ZoneInfo(zone))
    if _is_within(local.time(), begins, ends):
        return None
    day = local.date() if local.time() < begins else local.date() + timedelta(days=1)
    return datetime.combine(day, begins, ZoneInfo(zone)).astimezone(now.tzinfo)


def _is_within(at: time, begins: time, ends: time) -> bool:
    """The end is outside; hours that begin and end at one time are all of the day's."""
    if begins < ends:
        return begins <= at < ends
    return at >= begins or at < ends
