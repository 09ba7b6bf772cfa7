"""Can a move be taken back, and what would that change? (the task `check.roll_back_move`)"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.catalogue import Catalogue
from include.errors import FormError
from include.merge.move import back_standing_statement
from include.run import Run
from include.steps.cohort_frozen import digest_of, freeze
from include.steps.job_form import id_of
from include.steps.move_effects import effects_of_roll_back
from include.steps.move_made import Made, read_move, to_be_rolled_back
from include.steps.move_report import Effect, Keep, Report, raise_refused, shown
from include.steps.move_request import REFUSE, ROLL_BACK, RollBackRequest
from include.steps.servers import Servers

log = logging.getLogger(__name__)
READY = "ready"


@dataclass
class _Found:
    """How a move's customers stand: `others`, what is in the way, to their keys; `ready`: key to the system that would
    speak again."""

    others: dict[str, list[str]] = field(default_factory=dict)
    ready: dict[str, str] = field(default_factory=dict)


def check_roll_back(
    catalogue: Catalogue, servers: Servers, run: Run, request: RollBackRequest, keep: Keep
) -> dict[str, Any]:
    """The report, and unless it is a dry run where the frozen list lies. Raises FormError, with the report kept, when
    the move cannot be taken back as the form asks for it: what a dry run is asked."""
    move_id = id_of(run)
    if made := read_move(servers, move_id):
        return _made_already(made, request)
    moved = to_be_rolled_back(servers, request.move_id)
    found = _standing(catalogue, servers, request)
    report = _report(catalogue, servers, request, moved, found)
    log.info("%s", report.text())
    told = {"move_id": move_id, "rolls_back": request.move_id, "dry_run": request.dry_run, **report.summary()}
    raise_refused(report, told, ROLL_BACK, keep)
    return told if request.dry_run else {**told, "list": freeze(servers, sorted(found.ready))}


def _standing(catalogue: Catalogue, servers: Servers, request: RollBackRequest) -> _Found:
    sql, found = back_standing_statement(catalogue, servers.cloud.table), _Found()
    for row in servers.big_query.query(sql, {"rolls_back": request.move_id}, where=f"the move {request.move_id}"):
        if row["standing"] == READY:
            found.ready[row["customer_key"]] = row["to_system"]
        else:
            found.others.setdefault(row["standing"], []).append(row["customer_key"])
    return found


def _report(catalogue: Catalogue, servers: Servers, request: RollBackRequest, moved: Made, found: _Found) -> Report:
    keys = sorted(found.ready)
    effects, read = effects_of_roll_back(catalogue, servers, request.move_id) if not found.others else ([], 0)
    return Report(
        what=f"Roll the move {moved.move_id} of {moved.customers:,} customers to {moved.to_system} back",
        why=f"{request.why} (moved {moved.decided_at:%Y-%m-%d %H:%M} UTC: {moved.reason})",
        asked=moved.customers,
        doubles=0,
        moving=Counter(found.ready.values()),
        way="to",
        left_out={why: sorted(keys) for why, keys in found.others.items()},
        effects=effects,
        cohort=digest_of(keys),
        bytes_read=read,
        needs_approval=len(keys) > servers.cloud.approve_moves_above,
        refused=list(_refusals(request, found, effects)),
    )


def _refusals(request: RollBackRequest, found: _Found, effects: Sequence[Effect]) -> Iterator[str]:
    """Why the move is not taken back as the form asks for it."""
    for why, keys in found.others.items():
        yield f"{len(keys):,} of its customers {why} ({shown(sorted(keys))})"
    for effect in effects:
        if effect.opened and request.accounts_opened_since == REFUSE:
            yield (
                f"{effect.opened:,} keys of {effect.entity} were opened since the move and would leave the common "
                f"model ({', '.join(effect.opened_keys)}): choose in `accounts_opened_since` what becomes of them"
            )
    lost = sum(effect.lost for effect in effects)
    if lost > request.allow_vanishing:
        yield (
            f"{lost:,} keys that were there before the move would vanish, because the old system has them no more, and "
            f"the form allows {request.allow_vanishing:,}: see what they are, and trigger again with "
            f"`allow_vanishing`: {lost}"
        )


def _made_already(made: Made, request: RollBackRequest) -> dict[str, Any]:
    """An earlier try of this run has rolled it back. Raises FormError when it was another move: a run id that was used
    before names that one."""
    if made.rolls_back != request.move_id:
        raise _refused(f"a run of this id has made {made.move_id} already", "trigger again, under another run id")
    return {**made.summary(), "made_already": True, "dry_run": request.dry_run, "needs_approval": False}


def _refused(problem: str, remedy: str) -> FormError:
    return FormError(problem, where=f"the form of {ROLL_BACK}", remedy=remedy)
