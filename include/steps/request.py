"""What did the person who triggered the run ask for?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from include.errors import FormError
from include.use_case import UseCase

COHORTS = ("cohort", "cohort_file", "cohort_query")
"""The fields that ask for some customers only."""
KEYS = ("dry_run", "full_refresh", "only", "allow_deletions", "ignore_quiet_hours", *COHORTS)
MOST_IN_FORM = 1_000
COHORT_FILE = r"cohorts/[^/].*\.(csv|xlsx)"


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Of cohort (ids), cohort_file (its path in the bucket) and cohort_query (its name in sql/cohorts) one at most is
    given: only these customers."""

    cohort: tuple[str, ...] = field(default=(), repr=False)
    cohort_file: str = ""
    cohort_query: str = ""

    @property
    def is_for_some(self) -> bool:
        """Whether it asks for some customers only."""
        return bool(self.cohort or self.cohort_file or self.cohort_query)


@dataclass(frozen=True)
class Request(Cohort):
    """The form's values, checked.

    dry_run: nothing is written. full_refresh: read everything. only: these datasets (empty: all).
    allow_deletions: dataset to the exact number of vanished keys that a person has allowed. ignore_quiet_hours: read
    also outside the hours that contracts name.
    """

    dry_run: bool = False
    full_refresh: bool = False
    only: tuple[str, ...] = ()
    allow_deletions: Mapping[str, int] = field(default_factory=dict)
    ignore_quiet_hours: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """What was asked for, for people: of a list of ids how many they are."""
        said = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items() if v}
        return said | ({"cohort": f"{len(self.cohort)} ids"} if self.cohort else {})

    def takes(self, dataset: str) -> bool:
        return not self.only or dataset in self.only


def parse_request(given: Mapping[str, Any], use_case: UseCase) -> Request:
    """Raises FormError for an unknown key, a wrong type, or a dataset that the use case does not claim."""
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise _refused(use_case, f"the form has no field {', '.join(unknown)}", f"use {', '.join(KEYS)}")
    only = _datasets(use_case, "only", _texts(use_case, given, "only", "sse/customer"))
    allowed = _allowed(use_case, _texts(use_case, given, "allow_deletions", "sse/customer=123"))
    flags = (_flag(use_case, given, name) for name in ("dry_run", "full_refresh", "ignore_quiet_hours"))
    dry_run, full_refresh, ignore_quiet_hours = flags
    request = replace(
        _cohort(use_case, given),
        dry_run=dry_run,
        full_refresh=full_refresh,
        only=only,
        allow_deletions=allowed,
        ignore_quiet_hours=ignore_quiet_hours,
    )
    if request.is_for_some and request.full_refresh:
        remedy = "ask for everything, or for some customers; both in one run would read the same rows twice"
        raise _refused(use_case, "full_refresh asks for every row, and a cohort for some", remedy)
    return request


def _cohort(use_case: UseCase, given: Mapping[str, Any]) -> Request:
    """Whose rows are asked for, by one field at most: of two lists it would not be known which holds."""
    lines = _texts(use_case, given, "cohort", "1000017")
    ids = tuple(line for line in lines if line)
    if lines and not ids:
        raise _refused(use_case, "cohort has empty lines alone", "write ids, or leave the field out")
    file, query = (_text(use_case, given, name) for name in ("cohort_file", "cohort_query"))
    named = [name for name, value in zip(COHORTS, (ids, file, query), strict=True) if value]
    if len(named) > 1:
        raise _refused(use_case, f"{' and '.join(named)} both name customers", "give one of them")
    if len(ids) > MOST_IN_FORM:
        remedy = f"at most {MOST_IN_FORM:,}: put them into a file, and its path into cohort_file"
        raise _refused(use_case, f"cohort has {len(ids):,} ids", remedy)
    if file and (not re.fullmatch(COHORT_FILE, file) or ".." in file):
        remedy = "name an object of the bucket below cohorts/ that ends in .csv or .xlsx: cohorts/moving_in_june.csv"
        raise _refused(use_case, f"cohort_file is {file!r}", remedy)
    return Request(cohort=ids, cohort_file=file, cohort_query=query)


def _text(use_case: UseCase, given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise _refused(use_case, f"{name} is no name", "write one name, or leave the field out")
    return value


def _texts(use_case: UseCase, given: Mapping[str, Any], name: str, example: str) -> list[str]:
    """A list of texts; empty when it was left out. Nothing else is taken for empty: that asks for everything."""
    value = given.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refused(use_case, f"{name} is not a list of texts", f'write ["{example}"]')
    return value


def _allowed(use_case: UseCase, texts: Sequence[str]) -> dict[str, int]:
    allowed: dict[str, int] = {}
    for text in texts:
        match = re.fullmatch(r"([^=]+)=([0-9]+)", text)
        if not match:
            remedy = "write <system>/<dataset>=<number>, the number that the refused run named"
            raise _refused(use_case, f"allow_deletions: '{text}' is not understood", remedy)
        (dataset,) = _datasets(use_case, "allow_deletions", [match[1]])
        if dataset in allowed:
            raise _refused(use_case, f"allow_deletions names {dataset} twice", "give one number for each dataset")
        allowed[dataset] = int(match[2])
    return allowed


def _datasets(use_case: UseCase, field_name: str, names: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in use_case.claims]
    if unknown:
        remedy = f"it claims: {', '.join(use_case.claims)}"
        raise _refused(use_case, f"{field_name}: the use case does not claim {', '.join(unknown)}", remedy)
    return tuple(names)


def _flag(use_case: UseCase, given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise _refused(use_case, f"{name} is {value!r}", "give true or false")
    return value


def _refused(use_case: UseCase, problem: str, remedy: str) -> FormError:
    return FormError(problem, where=f"the form of {use_case.name}", remedy=remedy)
