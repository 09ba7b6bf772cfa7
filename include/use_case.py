"""What does somebody need, how urgently, and from which columns?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

from include.durations import duration
from include.errors import DeclarationError
from include.names import DatasetName, MappingName, identifier

PRIORITIES = range(1, 10)
TIERS = range(1, 4)


@dataclass(frozen=True)
class UseCase:
    """One bite: declared in a file of `dags/`, with literals only, so that it can be read without running it.

    name: what the business calls it, also the file's and the DAG's name.
    purpose, owner: shown in the UI and in alerts.
    priority: 1 eats first. tier: 1 wakes somebody, 2 next working day, 3 next sprint.
    schedule: cron in Europe/London, or None for manual runs only.
    freshness: a batch whose read began within it is used again (`6h`).
    claims: the columns that it needs of each dataset. merges, publishes: mappings and entities.

    Raises DeclarationError: what is wrong, in which file, what to write.
    """

    name: str
    purpose: str
    owner: str
    priority: int
    tier: int
    schedule: str | None
    freshness: str
    claims: Mapping[str, Sequence[str]]
    merges: Sequence[str]
    publishes: Sequence[str]

    def __post_init__(self) -> None:
        identifier(self.name, self.where)
        for field in ("purpose", "owner"):
            self._require(bool(str(getattr(self, field)).strip()), f"{field} is empty", f"say the {field} in words")
        self._require(
            self.priority in PRIORITIES, f"priority is {self.priority!r}", "give a whole number from 1 (first) to 9"
        )
        self._require(self.tier in TIERS, f"tier is {self.tier!r}", "give 1, 2 or 3")
        cron = self.schedule is None or re.fullmatch(r"\S+( \S+){4}", self.schedule) is not None
        self._require(cron, f"schedule '{self.schedule}' is not a cron", "give five fields ('0 4 * * *') or None")
        duration(self.freshness, self.where)
        self._check_ways()

    def _check_ways(self) -> None:
        """Each claim is used by a mapping or is at least a dataset; each mapping's dataset is claimed; and so on."""
        for dataset, columns in self.claims.items():
            DatasetName.parse(dataset, self.where)
            self._require(
                len(columns) > 0, f"the claim on {dataset} has no column", "name the columns, or drop the claim"
            )
            self._no_doubles(f"the claim on {dataset}", columns)
        self._no_doubles("merges", self.merges)
        self._no_doubles("publishes", self.publishes)
        for mapping in self.mappings:
            claimed = str(mapping.source) in self.claims
            self._require(claimed, f"{mapping} reads {mapping.source}, which is not claimed", f"claim {mapping.source}")
        merged = {mapping.entity for mapping in self.mappings}
        for entity in self.publishes:
            self._require(
                entity in merged, f"it publishes {entity} but merges nothing into it", "add a mapping to merges"
            )

    def _no_doubles(self, what: str, names: Sequence[str]) -> None:
        doubled = sorted({name for name in names if list(names).count(name) > 1})
        self._require(not doubled, f"{what} names {', '.join(doubled)} twice", "name it once")

    def _require(self, true: bool, problem: str, remedy: str) -> None:
        if not true:
            raise DeclarationError(f"use case {self.name}: {problem}", where=self.where, remedy=remedy)

    @property
    def where(self) -> str:
        return f"dags/{self.name}.py"

    @property
    def fresh_for(self) -> timedelta:
        return duration(self.freshness, self.where)

    @property
    def datasets(self) -> list[DatasetName]:
        """The claimed datasets, in the order of the claims."""
        return [DatasetName.parse(name, self.where) for name in self.claims]

    @property
    def mappings(self) -> list[MappingName]:
        """The mappings, in the order of `merges`."""
        return [MappingName.parse(name, self.where) for name in self.merges]


FIELDS = tuple(field.name for field in fields(UseCase))
