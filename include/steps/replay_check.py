"""What would be sent once more? (the task `check.replay_events`: nothing is written but a frozen list of customers)"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from include.catalogue import Catalogue
from include.errors import FormError, HeldTooLong, OnHold
from include.merge.entity_facts import entity_tables
from include.publish import replay
from include.publish.position import SLOTS
from include.publish.replay import ANEW, GIVE_UP, HISTORY, STATE, Replay
from include.publish.topics import history_topic
from include.rendering import render
from include.run import Run
from include.steps.cohort_asked import read_asked
from include.steps.cohort_frozen import digest_of, freeze
from include.steps.job_form import id_of
from include.steps.publication import Found, Publication, look, look_unchecked, publication
from include.steps.publish_again import customer_column, state_params, state_statement
from include.steps.publish_window import statement
from include.steps.replay_request import REPLAY, ReplayRequest
from include.steps.servers import Servers

log = logging.getLogger(__name__)
FOLDER = "replays"


def check_replay(catalogue: Catalogue, servers: Servers, run: Run, request: ReplayRequest) -> dict[str, Any]:
    """How many events would be sent, how many of them tombstones, and to which topic.

    Raises FormError for what cannot be sent so: a history without changes, an empty topic that is not empty, an entity
    of which nothing was published yet, customers of an entity that is not of customers, an entity that a person holds
    (but for a history); EpochBroken when change log, topic and positions do not belong together; else as publishing
    does.
    """
    p = publication(catalogue, servers, request.entity)
    told: dict[str, Any] = {"request": id_of(run), "entity": p.entity, "what": request.what, "topic": p.topic}
    with not_while_held(p.entity):
        told |= {"why": request.why, "dry_run": request.dry_run, **_FOUND[request.what](p, request, told["request"])}
    log.info("%s of %s, to %s: %s", request.what, p.entity, told["topic"], _shown(told))
    return told


@contextmanager
def not_while_held(entity: str) -> Iterator[None]:
    """Raises FormError for whoever asks while a person holds the entity: his task would be left out, and nobody would
    do later what he has asked for. (What was asked for before the hold waits.)"""
    try:
        yield
    except (OnHold, HeldTooLong) as held:
        raise FormError(
            held.problem,
            where=held.where,
            remedy=f"no replay was asked for: let it go (`python -m include hold publish {entity} --let-go`), then "
            "trigger this job again",
        ) from None


def _shown(told: dict[str, Any]) -> str:
    if "given_up" in told:
        return ", ".join(told["given_up"])
    return f"{told['events']} events, {told['tombstones']} of them tombstones"


def _pending(p: Publication, request: ReplayRequest, id_: str) -> dict[str, Any]:
    requests = {one.request for one in replay.pending(look_unchecked(p).replays, range(SLOTS)).values()}
    if not requests:
        raise _refused("no replay is waiting to be done", "there is nothing to give up")
    return {"given_up": sorted(requests)}


def _anew(p: Publication, request: ReplayRequest, id_: str) -> dict[str, Any]:
    require_empty(p, look_unchecked(p), id_)
    return _range(p, request)


def _history(p: Publication, request: ReplayRequest, id_: str) -> dict[str, Any]:
    return {"topic": history_topic(p.topic, id_).name, **_range(p, request)}


def require_empty(p: Publication, found: Found, request: str) -> None:
    """Raises FormError when the topic has events that are not of this request."""
    if found.replays.get(0, Replay("")).request != request and p.servers.kafka.has_committed(p.topic):
        raise _refused(
            f"{p.topic} has events",
            "to begin anew, a topic must be empty: name a new version of it in the contract (event.topic), deploy "
            "that, and tell the consumers",
        )


def require_no_other(found: Found, request: ReplayRequest, id_: str) -> None:
    """Raises FormError when somebody has asked for another replay that is not done; one for everybody replaces it."""
    others = {one.request for one in replay.pending(found.replays, range(SLOTS)).values()} - {id_}
    if others and request.is_for_some:
        raise _refused(
            f"another replay ({', '.join(sorted(others))}) is not done yet",
            "wait for it, or trigger one for everybody: it takes its place",
        )


def _state(p: Publication, request: ReplayRequest, id_: str) -> dict[str, Any]:
    found = look(p, topic_was_restored=request.topic_was_restored)
    if len(found.positions) < SLOTS:
        raise _refused(
            f"nothing of {p.entity} was published yet", "run a use case that publishes it: it sends everything"
        )
    require_no_other(found, request, id_)
    customers = _customers(p, request) if request.is_for_some else []
    params = state_params(replay.bounds(dict.fromkeys(range(SLOTS), Replay(id_)), found.positions), customers)
    sql = state_statement(p, "replay_counts.sql", customers)
    (counted,) = p.servers.big_query.query(sql, params, where=p.change_log)
    told = {"events": counted["events"], "tombstones": counted["tombstones"]}
    if not customers:
        return told
    told |= {"customers": len(customers), "digest": digest_of(customers)}
    return told if request.dry_run else told | {"list": freeze(p.servers, customers, FOLDER)}


def _customers(p: Publication, request: ReplayRequest) -> list[str]:
    """Their keys, sorted."""
    if customer_column(p) is None:
        raise _refused(f"a row of {p.entity} names no customer", "leave the customers empty: everybody's are sent")
    asked = read_asked(p.catalogue, p.servers, request, REPLAY)
    tables = entity_tables(p.servers.cloud.table, "customer")
    sql = render(p.catalogue.sql / "statements", "replay_asked.sql", customer=tables, ids_are_keys=asked.space is None)
    params = {"ids": "\n".join(asked.ids)}
    if asked.space:
        params |= {"system": asked.space.system, "id_space": asked.space.dataset}
    found = p.servers.big_query.query(sql, params, where="the customers of the form")
    unknown = [asked.told(row["id"], is_known=False) for row in found if row["customer_key"] is None]
    if unknown:
        raise _refused(f"{len(unknown):,} of the customers are unknown ({_some(unknown)})", "correct the list")
    return sorted({row["customer_key"] for row in found})


def _some(told: Sequence[str]) -> str:
    return ", ".join(sorted(told)[:20])


def _range(p: Publication, request: ReplayRequest) -> dict[str, Any]:
    params = {name: getattr(request.range, name) for name in ("from_change", "to_change", "from_time", "to_time")}
    (found,) = p.servers.big_query.query(statement(p, "replay_range.sql"), params, where=p.change_log)
    if found["first_change"] is None:
        raise _refused(f"the change log of {p.entity} has nothing there", "give another beginning or end")
    return {name: found[name] for name in ("first_change", "last_change", "events", "tombstones")}


def _refused(problem: str, remedy: str) -> FormError:
    return FormError(problem, where=f"the form of {REPLAY}", remedy=f"nothing was sent; {remedy}")


_FOUND = {STATE: _state, ANEW: _anew, HISTORY: _history, GIVE_UP: _pending}
"""What is found, by what is asked for: as a part of the report."""
