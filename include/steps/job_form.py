"""What did somebody write into the form of a job? (and what is wrong with it)"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.errors import FormError
from include.names import did_you_mean
from include.run import Run
from include.steps.request import COHORT_FILE, COHORTS, MOST_IN_FORM, Cohort

OUR_KEY = "customer_key"
"""The ids of a list are keys of ours; otherwise `ids_of` names the dataset whose ids they are."""
SHORTEST_REASON, LONGEST_REASON = 10, 500


@dataclass(frozen=True, kw_only=True)
class Customers(Cohort):
    """Those whom a form means. ids_of: whose ids a list holds."""

    ids_of: str = OUR_KEY


def id_of(run: Run) -> str:
    """What is asked for by a job's run: the same for every try of it, and for no other run."""
    return hashlib.sha256(f"{run.use_case}/{run.run_id}".encode()).hexdigest()[:12]


class JobForm:
    """The values of one form; what is wrong with them is said of it."""

    def __init__(self, name: str, given: Mapping[str, Any], keys: Sequence[str]) -> None:
        self.name, self._given = name, given
        if unknown := sorted(set(given) - set(keys)):
            raise self.refused(f"the form has no field {', '.join(unknown)}", f"use {', '.join(keys)}")

    def refused(self, problem: str, remedy: str) -> FormError:
        return FormError(problem, where=f"the form of {self.name}", remedy=remedy)

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


def cohort_of(form: JobForm, *, optional: bool = False) -> dict[str, Any]:
    """Which customers are meant, by exactly one field: of two lists it is not known which holds. Nothing means nobody,
    and is refused, unless everybody may be meant: optional. Keyword arguments of `Customers`."""
    ids = form.value("cohort") or []
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise form.refused("cohort is not a list of texts", 'write ["1000017"]')
    filled = tuple(each for each in ids if each)
    file, query = (form.value(name) or "" for name in COHORTS[1:])
    named = [name for name, value in zip(COHORTS, (filled, file, query), strict=True) if value]
    if len(named) > 1 or not (named or optional):
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
