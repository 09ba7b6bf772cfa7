"""What does somebody need, how urgently, and from which columns?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial

from include.durations import duration
from include.errors import DeclarationError, raise_first
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
    freshness: a batch whose read began within it is used if one of the mappings has not merged it yet (`6h`).
    claims: the columns that it needs of each dataset. merges, publishes: mappings and entities.

    Raises DeclarationError: what is wrong, in which file, what to write; it knows all other mistakes too.
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
        raise_first(_kinds(self))
        raise_first([*_facts(self), *_ways(self)])

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


def _mistake(case: UseCase, problem: str, remedy: str, *at: str) -> DeclarationError:
    error = DeclarationError(f"use case {case.name}: {problem}", where=case.where, remedy=remedy)
    error.at = at
    return error


def _kinds(case: UseCase) -> Iterator[DeclarationError]:
    """Values that are no text, no number, no list: nothing more can be said of them."""
    for name in ("name", "purpose", "owner", "freshness"):
        if not isinstance(getattr(case, name), str):
            yield _mistake(case, f"{name} is {getattr(case, name)!r}", "write it as text, in quotes", name)
    if case.schedule is not None and not isinstance(case.schedule, str):
        yield _mistake(case, f"schedule is {case.schedule!r}", "write a cron in quotes, or None", "schedule")
    for name in ("merges", "publishes"):
        if not _is_names(getattr(case, name)):
            yield _mistake(case, f"{name} is not a list of names", 'write it as ["…", "…"]', name)
    if not isinstance(case.claims, Mapping):
        yield _mistake(case, "claims is not a dictionary", 'write {"sse/customer": ["Surname", …]}', "claims")
        return
    for dataset, columns in case.claims.items():
        if not isinstance(dataset, str) or not _is_names(columns):
            problem = f"the claim on {dataset} is not a list of columns"
            yield _mistake(case, problem, 'write "sse/customer": ["Surname", …]', "claims", str(dataset))


def _is_names(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(name, str) for name in value)


def _facts(case: UseCase) -> Iterator[DeclarationError]:
    yield from _parsed(case, lambda: identifier(case.name, case.where), "name")
    for name in ("purpose", "owner"):
        if not getattr(case, name).strip():
            yield _mistake(case, f"{name} is empty", f"say the {name} in words", name)
    if case.priority not in PRIORITIES:
        yield _mistake(case, f"priority is {case.priority!r}", "give a whole number from 1 (first) to 9", "priority")
    if case.tier not in TIERS:
        yield _mistake(case, f"tier is {case.tier!r}", "give 1, 2 or 3", "tier")
    if case.schedule is not None and not _is_cron(case.schedule):
        problem = f"schedule '{case.schedule}' is not a cron"
        yield _mistake(case, problem, "give five fields ('0 4 * * *') or None", "schedule")
    yield from _parsed(case, lambda: duration(case.freshness, case.where), "freshness")


def _is_cron(text: str) -> bool:
    """Five fields that name a day there is; the library would take seconds and years too, and words like @daily."""
    from croniter import croniter  # Airflow's own; loaded when there is something to judge

    return re.fullmatch(r"\S+( \S+){4}", text) is not None and croniter.is_valid(text, strict=True)


def _ways(case: UseCase) -> Iterator[DeclarationError]:
    """Each claim names columns; each mapping's dataset is claimed; what is published is merged; nothing twice."""
    for dataset, columns in case.claims.items():
        yield from _parsed(case, partial(DatasetName.parse, dataset, case.where), "claims", dataset)
        if not columns:
            problem = f"the claim on {dataset} has no column"
            yield _mistake(case, problem, "name the columns, or drop the claim", "claims", dataset)
        yield from _doubles(case, f"the claim on {dataset}", columns, "claims", dataset)
    yield from _doubles(case, "merges", case.merges, "merges")
    yield from _doubles(case, "publishes", case.publishes, "publishes")
    merged = set()
    for name in case.merges:
        yield from (wrong := list(_parsed(case, partial(MappingName.parse, name, case.where), "merges", name)))
        if wrong:
            continue
        mapping = MappingName.parse(name, case.where)
        merged.add(mapping.entity)
        if str(mapping.source) not in case.claims:
            problem = f"{mapping} reads {mapping.source}, which is not claimed"
            yield _mistake(case, problem, f"claim {mapping.source}, or correct the mapping's name", "merges", name)
    for entity in case.publishes:
        if entity not in merged:
            problem = f"it publishes {entity} but merges nothing into it"
            yield _mistake(case, problem, "add a mapping to merges", "publishes", entity)


def _doubles(case: UseCase, what: str, names: Sequence[str], *at: str) -> Iterator[DeclarationError]:
    for name in sorted({name for name in names if list(names).count(name) > 1}):
        yield _mistake(case, f"{what} names {name} twice", "name it once", *at, name)


def _parsed(case: UseCase, parse: Callable[[], object], *at: str) -> Iterator[DeclarationError]:
    """What a parser says against it, if anything."""
    try:
        parse()
    except DeclarationError as error:
        yield _mistake(case, error.problem, error.remedy, *at)
