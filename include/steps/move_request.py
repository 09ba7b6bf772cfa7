"""What did the person who wants customers moved, or a move taken back, ask for?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.errors import FormError
from include.names import did_you_mean
from include.steps.request import COHORT_FILE, COHORTS, MOST_IN_FORM

MOVE, ROLL_BACK = "move_cohort", "roll_back_move"
OUR_KEY = "customer_key"
"""The ids of a list are keys of ours; otherwise `ids_of` names the dataset whose ids they are."""
REFUSE, LEAVE = "refuse", "leave"
SHORTEST_REASON, LONGEST_REASON = 10, 500
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
class MoveRequest:
    """Whom to move, to which system, and why.

    Of cohort (ids), cohort_file (its path in the bucket) and cohort_query (its name in sql/cohorts) exactly one is
    given; ids_of: whose ids a list holds. leave_out_not_ready: move the others. ignore_balances: whose open balances
    differ between the two systems is ready too. allow_vanishing: as many keys may vanish. dry_run: the report alone.
    """

    to_system: str
    why: str
    ids_of: str = OUR_KEY
    cohort: tuple[str, ...] = field(default=(), repr=False)
    cohort_file: str = ""
    cohort_query: str = ""
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
    form = _Form(MOVE, given, _MOVE_KEYS)
    return MoveRequest(
        to_system=form.one_of("to_system", systems),
        why=form.reason(),
        ids_of=form.one_of("ids_of", [OUR_KEY, *spaces], OUR_KEY),
        leave_out_not_ready=form.flag("leave_out_not_ready", False),
        ignore_balances=form.flag("ignore_balances", False),
        allow_vanishing=form.whole("allow_vanishing"),
        dry_run=form.flag("dry_run", True),
        **_cohort(form),
    )


def parse_roll_back(given: Mapping[str, Any]) -> RollBackRequest:
    """Raises FormError as parse_move does."""
    form = _Form(ROLL_BACK, given, _ROLL_BACK_KEYS)
    return RollBackRequest(
        move_id=form.text("move_id", "the id that the move's summary and `python -m include customer <key>` name"),
        why=form.reason(),
        accounts_opened_since=form.one_of("accounts_opened_since", [REFUSE, LEAVE], REFUSE),
        allow_vanishing=form.whole("allow_vanishing"),
        dry_run=form.flag("dry_run", True),
    )


class _Form:
    """The values of one form; what is wrong with them is said of it."""

    def __init__(self, name: str, given: Mapping[str, Any], keys: Sequence[str]) -> None:
        self._name, self._given = name, given
        if unknown := sorted(set(given) - set(keys)):
            raise self.refused(f"the form has no field {', '.join(unknown)}", f"use {', '.join(keys)}")

    def refused(self, problem: str, remedy: str) -> FormError:
        return FormError(problem, where=f"the form of {self._name}", remedy=remedy)

    def value(self, name: str) -> Any:
        return self._given.get(name)

    def text(self, name: str, what: str) -> str:
        value = self.value(name)
        if not isinstance(value, str) or not value.strip():
            raise self.refused(f"{name} is not given", f"write {what}")
        return value.strip()

    def reason(self) -> str:
        why = self.text(
            "why", "why, for whoever reads the history: it is kept for good, so write nobody's data into it"
        )
        if not SHORTEST_REASON <= len(why) <= LONGEST_REASON or not why.replace("\n", " ").isprintable():
            raise self.refused(
                f"why has {len(why)} characters, or some that cannot be printed",
                f"write {SHORTEST_REASON} to {LONGEST_REASON} characters that somebody understands in a year",
            )
        return why

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self.value(name) if self.value(name) is not None else default
        if value not in choices:
            said = f"{name} is {value!r}{did_you_mean(value, choices)}" if value else f"{name} is not given"
            raise self.refused(said, f"choose one of {', '.join(choices)}")
        return str(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise self.refused(f"{name} is {value!r}", "give true or false")
        return value

    def whole(self, name: str) -> int:
        value = self._given.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refused(f"{name} is {value!r}", "give a whole number, 0 or more")
        return value


def _cohort(form: _Form) -> dict[str, Any]:
    """Who is moved, by exactly one field: nothing never means everybody; of two lists it is not known which holds."""
    ids = form.value("cohort") or []
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise form.refused("cohort is not a list of texts", 'write ["1000017"]')
    filled = tuple(each for each in ids if each)
    file, query = (form.value(name) or "" for name in COHORTS[1:])
    named = [name for name, value in zip(COHORTS, (filled, file, query), strict=True) if value]
    if len(named) != 1:
        problem = f"{' and '.join(named)} both name customers" if named else "the form names no customer"
        raise form.refused(problem, f"give exactly one of {', '.join(COHORTS)}")
    if len(filled) > MOST_IN_FORM:
        remedy = f"at most {MOST_IN_FORM:,}: put them into a file, and its path into cohort_file"
        raise form.refused(f"cohort has {len(filled):,} ids", remedy)
    if file and (not isinstance(file, str) or not re.fullmatch(COHORT_FILE, file) or ".." in file):
        remedy = "name an object of the bucket below cohorts/ that ends in .csv or .xlsx: cohorts/moving_in_june.csv"
        raise form.refused(f"cohort_file is {file!r}", remedy)
    if query and not isinstance(query, str):
        raise form.refused("cohort_query is no name", "write the name of a query of sql/cohorts")
    return {"cohort": filled, "cohort_file": file, "cohort_query": query}
