"""Can these customers be moved, and what would it change? (the task `check.move_cohort`: nothing is written but the
frozen list of those who will move)"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from include.catalogue import Catalogue
from include.errors import FormError
from include.merge.move import standing_statement
from include.run import Run
from include.steps.cohort_asked import Asked, read_asked
from include.steps.cohort_frozen import digest_of, freeze
from include.steps.job_form import id_of
from include.steps.move_effects import effects_of_move
from include.steps.move_made import Made, moved_customers, read_move
from include.steps.move_report import Keep, Report, raise_refused, shown
from include.steps.move_request import MOVE, MoveRequest
from include.steps.servers import Servers

log = logging.getLogger(__name__)
UNKNOWN, READY, THERE = "unknown", "ready", "already there"
_MEANS = {
    UNKNOWN: "nobody is known by these ids",
    "nobody speaks": "no system has had a present record of them",
    "no present record": "the other system has no present record that is linked to theirs",
    "two records there": "the other system has two present records that are linked to theirs, and only one can speak",
    "balance differs": "their open accounts have other balances there (`ignore_balances` moves them all the same)",
}


@dataclass
class _Found:
    """How those that were asked for stand: `others`, why not, to how each is told; `ready`: key to the system that
    speaks now."""

    others: dict[str, list[str]] = field(default_factory=dict)
    ready: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def unfit(self) -> dict[str, list[str]]:
        return {why: ids for why, ids in self.others.items() if why != THERE}


def check_move(catalogue: Catalogue, servers: Servers, run: Run, request: MoveRequest, keep: Keep) -> dict[str, Any]:
    """The report, and unless it is a dry run where the frozen list lies. Raises FormError, with the report kept, when
    the move cannot be made as the form asks for it: what a dry run is asked."""
    move_id, asked = id_of(run), read_asked(catalogue, servers, request)
    found = _standing(catalogue, servers, asked, request)
    if made := read_move(servers, move_id):
        return _made_already(servers, made, found, request)
    report = _report(catalogue, servers, request, asked, found)
    log.info("%s", report.text())
    told = {"move_id": move_id, "to_system": request.to_system, "dry_run": request.dry_run, **report.summary()}
    raise_refused(report, told, MOVE, keep)
    return told if request.dry_run else {**told, "list": freeze(servers, sorted(found.ready))}


def _standing(catalogue: Catalogue, servers: Servers, asked: Asked, request: MoveRequest) -> _Found:
    sql = standing_statement(catalogue, servers.cloud.table, ids_are_keys=asked.space is None)
    params: dict[str, Any] = {"ids": "\n".join(asked.ids), "to_system": request.to_system}
    params["ignore_balances"] = request.ignore_balances
    if asked.space:
        params |= {"system": asked.space.system, "id_space": asked.space.dataset}
    found = _Found()
    for row in servers.big_query.query(sql, params, where="the cohort"):
        standing = row["standing"] or UNKNOWN
        found.keys |= {row["customer_key"]} - {None}
        if standing == READY:
            found.ready[row["customer_key"]] = row["from_system"]
        else:
            told = asked.told(row["id"], is_known=standing != UNKNOWN)
            found.others.setdefault(standing, []).append(told)
    for ids in found.others.values():
        ids.sort(key=lambda told: (len(told), told))  # line 2 before line 10
    return found


def _report(catalogue: Catalogue, servers: Servers, request: MoveRequest, asked: Asked, found: _Found) -> Report:
    keys = sorted(found.ready)
    effects, read = effects_of_move(catalogue, servers, keys, request.to_system) if keys else ([], 0)
    vanishing = sum(effect.vanished for effect in effects)
    return Report(
        what=f"Move {len(keys):,} customers to {request.to_system}",
        why=request.why,
        asked=len(asked.ids) + asked.doubles,
        doubles=asked.doubles,
        moving=Counter(found.ready.values()),
        left_out={f"{why} ({_MEANS[why]})" if why in _MEANS else why: ids for why, ids in found.others.items()},
        effects=effects,
        cohort=digest_of(keys),
        bytes_read=read,
        needs_approval=len(keys) > servers.cloud.approve_moves_above,
        refused=list(_refusals(request, found, vanishing)),
    )


def _refusals(request: MoveRequest, found: _Found, vanishing: int) -> list[str]:
    """Why the move is not made as the form asks for it."""
    refused = []
    if not found.ready:
        refused.append("nobody is left to be moved")
    if (unfit := found.unfit()) and not request.leave_out_not_ready:
        said = "; ".join(f"{len(ids):,} {why} ({shown(ids)})" for why, ids in unfit.items())
        refused.append(f"not all of them can be moved: {said}. Correct the list, or choose `leave_out_not_ready`")
    if vanishing > request.allow_vanishing:
        refused.append(
            f"{vanishing:,} keys would vanish from the common model, and the form allows {request.allow_vanishing:,}: "
            f"see what they are, and trigger again with `allow_vanishing`: {vanishing}"
        )
    return refused


def _made_already(servers: Servers, made: Made, found: _Found, request: MoveRequest) -> dict[str, Any]:
    """An earlier try of this run has made the move. Raises FormError when it was another move: a run id that was used
    before names that one."""
    is_this = (made.to_system, made.reason) == (request.to_system, request.why)
    are_these = request.cohort_query or set(moved_customers(servers, made.move_id)) <= found.keys
    if not is_this or not are_these:
        raise FormError(
            f"a run of this id has made another move already ({made.move_id}, at {made.decided_at:%Y-%m-%d %H:%M} UTC)",
            where=f"the form of {MOVE}",
            remedy="nothing was changed: trigger again, under another run id",
        )
    return {**made.summary(), "made_already": True, "dry_run": request.dry_run, "needs_approval": False}
