"""What did the person who wants customers moved, or a move taken back, ask for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.steps.job_form import OUR_KEY, Customers, JobForm, cohort_of
from include.steps.request import COHORTS

MOVE, ROLL_BACK = "move_cohort", "roll_back_move"
REFUSE, LEAVE = "refuse", "leave"
_MOVE_KEYS = (
    *COHORTS,
    "ids_of",
    "to_system",
    "why",
    "leave_out_not_ready",
    "ignore_balances",
    "allow_vanishing",
    "dry_run",
)
_ROLL_BACK_KEYS = ("move_id", "why", "accounts_opened_since", "allow_vanishing", "dry_run")


@dataclass(frozen=True)
class MoveRequest(Customers):
    """Whom to move, to which system, and why.

    Exactly one of the three ways to name customers is given. leave_out_not_ready: move the others. ignore_balances:
    whose open balances differ between the two systems is ready too. allow_vanishing: as many keys may vanish. dry_run:
    the report alone.
    """

    to_system: str
    why: str
    leave_out_not_ready: bool = False
    ignore_balances: bool = False
    allow_vanishing: int = 0
    dry_run: bool = True


@dataclass(frozen=True)
class RollBackRequest:
    """Which move to take back, and why. accounts_opened_since: what becomes of those that would leave the common model
    with it: `refuse` the roll-back, or `leave` them where they are. allow_vanishing: as many keys may vanish that were
    there before the move."""

    move_id: str
    why: str
    accounts_opened_since: str = REFUSE
    allow_vanishing: int = 0
    dry_run: bool = True


def parse_move(given: Mapping[str, Any], systems: Sequence[str], spaces: Sequence[str]) -> MoveRequest:
    """systems: those that have customers; spaces: the datasets whose ids a list may hold. Raises FormError for an
    unknown field, a wrong type, a system or a dataset that does not exist, and for nobody."""
    form = JobForm(MOVE, given, _MOVE_KEYS)
    return MoveRequest(
        to_system=form.one_of("to_system", systems),
        why=form.reason(),
        ids_of=form.one_of("ids_of", [OUR_KEY, *spaces], OUR_KEY),
        leave_out_not_ready=form.flag("leave_out_not_ready", False),
        ignore_balances=form.flag("ignore_balances", False),
        allow_vanishing=form.whole("allow_vanishing"),
        dry_run=form.flag("dry_run", True),
        **cohort_of(form),
    )


def parse_roll_back(given: Mapping[str, Any]) -> RollBackRequest:
    """Raises FormError as parse_move does."""
    form = JobForm(ROLL_BACK, given, _ROLL_BACK_KEYS)
    return RollBackRequest(
        move_id=form.text("move_id", "the id that the move's summary and `python -m include customer <key>` name"),
        why=form.reason(),
        accounts_opened_since=form.one_of("accounts_opened_since", [REFUSE, LEAVE], REFUSE),
        allow_vanishing=form.whole("allow_vanishing"),
        dry_run=form.flag("dry_run", True),
    )
