"""What did the person who wants events sent once more ask for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from include.publish.replay import ANEW, GIVE_UP, HISTORY, STATE
from include.steps.job_form import OUR_KEY, Customers, JobForm, cohort_of
from include.steps.request import COHORTS

REPLAY = "replay_events"
_NUMBERS, _TIMES = ("from_change", "to_change"), ("from_time", "to_time")  # beginning and end
_KEYS = ("entity", "what", *COHORTS, "ids_of", *_NUMBERS, *_TIMES, "topic_was_restored", "why", "dry_run")
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_LAST = 2**63 - 1


@dataclass(frozen=True)
class Range:
    """Of a change log, both ends included: numbers and times, as far as they are given."""

    from_change: int = 1
    to_change: int = _LAST
    from_time: datetime = _EARLIEST
    to_time: datetime = _LATEST


@dataclass(frozen=True)
class ReplayRequest(Customers):
    """Which entity's events, and why.

    what: the current state into the entity's own topic (of everybody, or of some customers), every event anew into a
    topic that is empty, a part of the history into a topic of its own, or what is not done yet given up.
    topic_was_restored: the topic lacks what was sent to it, and we know why.
    """

    entity: str
    what: str
    why: str
    range: Range = Range()
    topic_was_restored: bool = False
    dry_run: bool = True


def parse_replay(given: Mapping[str, Any], entities: Sequence[str], spaces: Sequence[str]) -> ReplayRequest:
    """entities: those that are published; spaces: the datasets whose ids a list may hold. Raises FormError for an
    unknown field, a wrong type, an entity that is not published, and what does not go together."""
    form = JobForm(REPLAY, given, _KEYS)
    what = form.one_of("what", [STATE, HISTORY, ANEW, GIVE_UP])
    request = ReplayRequest(
        entity=form.one_of("entity", entities),
        what=what,
        why=form.reason(),
        range=_range(form),
        ids_of=form.one_of("ids_of", [OUR_KEY, *spaces], OUR_KEY),
        topic_was_restored=form.flag("topic_was_restored", False),
        dry_run=form.flag("dry_run", True),
        **cohort_of(form, optional=True),
    )
    if what != STATE and (request.is_for_some or request.topic_was_restored):
        field_ = "customers" if request.is_for_some else "topic_was_restored"
        raise form.refused(f"{what} does not go with {field_}", f"choose {STATE}, or leave it empty")
    if request.is_for_some and request.topic_was_restored:
        raise form.refused("a topic that was restored lacks events of everybody", "leave the customers empty")
    if what != HISTORY and request.range != Range():
        raise form.refused(f"{what} has no beginning and no end", f"choose {HISTORY}, or leave both empty")
    return request


def _range(form: JobForm) -> Range:
    numbers = {name: form.whole(name) for name in _NUMBERS if form.value(name) is not None}
    times = {name: _time(form, name) for name in _TIMES if form.value(name) is not None}
    given: dict[str, Any] = {**numbers, **times}
    found = Range(**given)
    for beginning, end in (_NUMBERS, _TIMES):
        if getattr(found, beginning) > getattr(found, end):
            raise form.refused(f"{beginning} comes after {end}", "exchange them, or leave one empty")
    return found


def _time(form: JobForm, name: str) -> datetime:
    remedy = "write date, time and zone: 2026-11-27T08:00:00Z"
    said = form.text(name, remedy.removeprefix("write "))
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise form.refused(f"{name} is no time", remedy) from None
    if at.tzinfo is None:
        raise form.refused(f"{name} has no zone", remedy)
    return at
