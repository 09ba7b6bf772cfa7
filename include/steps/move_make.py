"""Is the move, or the roll-back, made once and whole? (the task `move.customers`: one transaction, or nothing)"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.catalogue import Catalogue
from include.errors import IntegrityError, Refused, TransactionConflict
from include.merge.move import move_statement, roll_back_statement
from include.run import Run
from include.steps.cohort_frozen import frozen
from include.steps.job_form import id_of
from include.steps.move_made import Made, read_move
from include.steps.move_request import MoveRequest, RollBackRequest
from include.steps.servers import Servers

log = logging.getLogger(__name__)
APPROVE = "Approve"


def move_customers(
    catalogue: Catalogue,
    servers: Servers,
    run: Run,
    request: MoveRequest | RollBackRequest,
    report: Mapping[str, Any],
    approval: Mapping[str, Any] | None,
    asked_by: str | None,
) -> dict[str, Any]:
    """What it did, and which entities must be published for it.

    report: the summary of this run's first task; approval: what somebody answered to it; asked_by: who has triggered
    the run.

    Raises Refused without an approval that is needed; IntegrityError when what it would change is no longer what the
    report says (nothing was changed); TransactionConflict, which is tried again.
    """
    move_id = id_of(run)
    publishes = _publishes(catalogue, report)
    if made := read_move(servers, move_id):  # an earlier try, whose answer was lost
        return _told(made, publishes)
    params = {**_params(servers, request, report), "move_id": move_id, "run_id": run.run_id, "attempt": run.token}
    params |= {"approved_by": _approved(report, approval), "requested_by": asked_by}
    statement = move_statement if isinstance(request, MoveRequest) else roll_back_statement
    sql = statement(catalogue, servers.cloud.table)
    try:
        servers.big_query.query(sql, params, job_id=f"move-{run.token}", where=f"the move {move_id}")
    except IntegrityError as error:
        if "no longer what the report says" in error.problem:
            raise _moved_on(error) from None
        if "has been made already" not in error.problem:
            raise
    made = read_move(servers, move_id)
    if made is None:
        raise TransactionConflict("the move was not made", where=f"the move {move_id}", remedy="tried again by itself")
    return _told(made, publishes)


def _publishes(catalogue: Catalogue, report: Mapping[str, Any]) -> list[str]:
    """The entities with events; all that could have some, where the report is of an earlier try's move."""
    mastered = [e for e in catalogue.published_entities() if catalogue.entity(e).mastered == "by_customer"]
    return [e for e in mastered if "effects" not in report or report["effects"].get(e, {}).get("events")]


def _told(made: Made, publishes: list[str]) -> dict[str, Any]:
    log.info(
        "%s %s: %d customers, %d changes, %d events", made.kind, made.move_id, made.customers, made.changes, made.events
    )
    return {**made.summary(), "publishes": publishes}


def _params(servers: Servers, request: MoveRequest | RollBackRequest, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for, and what the report says of it: the transaction counts once more."""
    changes = sum(e["inserted"] + e["updated"] + e["vanished"] for e in report["effects"].values())
    keys = frozen(servers, report["list"], report["cohort"])
    params: dict[str, Any] = {"ids": "\n".join(keys), "cohort_hash": report["cohort"], "reason": request.why}
    params |= {"customers": report["customers"], "changes": changes}
    params |= {"events": report["events"], "vanishing": report["vanishing"]}
    if isinstance(request, RollBackRequest):
        since = {name: sum(e[name] for e in report["effects"].values()) for name in ("opened", "lost")}
        return params | since | {"rolls_back": request.move_id}
    return params | {"to_system": request.to_system, "ignore_balances": request.ignore_balances}


def _approved(report: Mapping[str, Any], approval: Mapping[str, Any] | None) -> str | None:
    """Who has approved; None where nobody needs to. An approval of another list, or another report, is none."""
    if not report["needs_approval"]:
        return None
    given = approval or {}
    if given.get("chosen_options") != [APPROVE] or given.get("report_hash") != report["report_hash"]:
        raise Refused(
            "nobody has approved this move as the report has it now",
            where="the task `approve`",
            remedy="nothing was changed: trigger it again, and have somebody answer under *Required actions*",
        )
    who = given.get("responded_by_user") or {}
    return str(who.get("name") or who.get("id") or "somebody")


def _moved_on(error: IntegrityError) -> IntegrityError:
    remedy = "nothing was changed. The data has moved on since the report: trigger it again, and read the new one"
    return IntegrityError(error.problem, where=error.where, remedy=remedy)
