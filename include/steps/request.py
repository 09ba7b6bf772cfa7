"""What did the person who triggered the run ask for?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.errors import FormError
from include.use_case import UseCase

KEYS = ("dry_run", "full_refresh", "only", "allow_deletions", "ignore_quiet_hours")


@dataclass(frozen=True)
class Request:
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

    def takes(self, dataset: str) -> bool:
        return not self.only or dataset in self.only


def parse_request(given: Mapping[str, Any], use_case: UseCase) -> Request:
    """Raises FormError for an unknown key, a wrong type, or a dataset that the use case does not claim."""
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise _refused(use_case, f"the form has no field {', '.join(unknown)}", f"use {', '.join(KEYS)}")
    only = _datasets(use_case, "only", _texts(use_case, given, "only", "sse/customer"))
    allowed = _allowed(use_case, _texts(use_case, given, "allow_deletions", "sse/customer=123"))
    flags = {name: _flag(use_case, given, name) for name in ("dry_run", "full_refresh", "ignore_quiet_hours")}
    return Request(**flags, only=only, allow_deletions=allowed)


def _texts(use_case: UseCase, given: Mapping[str, Any], name: str, example: str) -> list[str]:
    """A list of texts; empty when it was left out. Nothing else is taken for empty: that asks for everything."""
    value = given.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refused(use_case, f"{name} is {value!r}, which is not a list of texts", f'write ["{example}"]')
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
