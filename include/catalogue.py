"""What is declared: which use cases are live, and what do the contracts and mappings say?

Read from the files alone: `sql/` by name, `dags/` by syntax tree, so that no Airflow is needed and no file is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import include
from include.errors import DeclarationError, raise_first
from include.names import DatasetName, MappingName, did_you_mean, place
from include.use_case import FIELDS, UseCase

if TYPE_CHECKING:
    from include.contract import DatasetContract, EntityContract
    from include.mapping import Mapping

Lines = dict[tuple[str, ...], int]
"""Part of a declaration to its line."""
CUSTOMER = "customer"
ROOT = Path(include.__file__).resolve().parent.parent


class Catalogue:
    """The declarations below a root folder (the checkout's or the image's own by default); each file is read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.sql, self.dags = root / "sql", root / "dags"
        self._datasets: dict[DatasetName, DatasetContract] = {}
        self._entities: dict[str, EntityContract] = {}
        self._mappings: dict[MappingName, Mapping] = {}
        self.broken: dict[str, DeclarationError] = {}
        self._lines: dict[str, Lines] = {}

    # -- what there is
    def dataset_names(self) -> list[DatasetName]:
        """Those with a contract; a folder whose name is none stops nobody else (`check` tells of it)."""
        found = sorted(self.sql.glob("sources/*/*/contract.yaml"))
        return _parsed(DatasetName.parse, [f"{path.parts[-3]}/{path.parts[-2]}" for path in found])

    def entity_names(self) -> list[str]:
        return sorted(path.parent.name for path in self.sql.glob("common_model/*/contract.yaml"))

    def mapping_names(self, entity: str | None = None) -> list[MappingName]:
        """All mappings, or those of one entity.

        Raises DeclarationError for a file that has no mapping's name: without it another system would be believed.
        """
        return [MappingName.parse(name, f"{place(path)}:1") for name, path in self._mapping_files(entity).items()]

    def well_named_mappings(self) -> list[MappingName]:
        """All but the files that have no mapping's name: for `check`, which tells of those by itself."""
        return _parsed(MappingName.parse, list(self._mapping_files(None)))

    def _mapping_files(self, entity: str | None) -> dict[str, Path]:
        """By the name that each file gives its mapping, in order."""
        found = sorted(self.sql.glob(f"common_model/{entity or '*'}/from_*.sql"))
        return {f"{path.parent.name}/{path.stem}": path for path in found}

    @cached_property
    def use_cases(self) -> dict[str, UseCase]:
        """The live use cases by name: those whose file lies in `dags/` and is right.

        A wrong file stops nobody else (Airflow shows it as an import error); `broken` says what is wrong with it.
        """
        found: dict[str, UseCase] = {}
        for path in sorted(self.dags.glob("*.py")):
            try:
                found |= {case.name: case for case in _use_cases(path, self._lines.setdefault(path.stem, {}))}
            except DeclarationError as error:
                self.broken[path.stem] = error
        return found

    def cohort_names(self) -> list[str]:
        """The reviewed queries that choose customers: `sql/cohorts/<name>.sql`."""
        return sorted(path.stem for path in self.sql.glob("cohorts/*.sql"))

    # -- what each says
    def dataset(self, name: DatasetName) -> DatasetContract:
        """Raises DeclarationError when there is no such contract or it is wrong."""
        if name not in self._datasets:
            self._require(name, self.dataset_names(), f"sql/sources/{name}/contract.yaml")
            from include.contract import read_dataset

            self._datasets[name] = read_dataset(self.dataset_path(name))
        return self._datasets[name]

    def entity(self, name: str) -> EntityContract:
        """Raises DeclarationError when there is no such contract or it is wrong."""
        if name not in self._entities:
            self._require(name, self.entity_names(), f"sql/common_model/{name}/contract.yaml")
            from include.contract import read_entity

            self._entities[name] = read_entity(self.entity_path(name))
        return self._entities[name]

    @staticmethod
    def _require(name: object, there: Sequence[object], where: str) -> None:
        if name not in there:
            remedy = f"write it, or correct the name; there are: {', '.join(map(str, there))}"
            raise DeclarationError(
                f"there is no contract of {name}{did_you_mean(name, there)}", where=where, remedy=remedy
            )

    def entity_folder(self, name: str) -> Path:
        return self.sql / "common_model" / name

    def entity_path(self, name: str) -> Path:
        return self.entity_folder(name) / "contract.yaml"

    def dataset_path(self, name: DatasetName) -> Path:
        return self.sql / "sources" / name.system / name.dataset / "contract.yaml"

    def mapping(self, name: MappingName) -> Mapping:
        """Raises DeclarationError when there is no such mapping or it is not row-local."""
        if name not in self._mappings:
            from include.mapping import read_mapping

            self._mappings[name] = read_mapping(self.mapping_path(name), name)
        return self._mappings[name]

    def cohort_path(self, name: str) -> Path:
        return self.sql / "cohorts" / f"{name}.sql"

    def mapping_path(self, name: MappingName) -> Path:
        return self.entity_folder(name.entity) / f"{name.file_stem}.sql"

    def use_case(self, name: str) -> UseCase:
        """Raises DeclarationError when no file in `dags/` declares it, or not rightly."""
        if name not in self.use_cases and name in self.broken:
            raise self.broken[name]
        if name not in self.use_cases:
            problem = f"no use case is called {name}{did_you_mean(name, self.use_cases)}"
            live = ", ".join(self.use_cases) or "none"
            raise DeclarationError(problem, where="dags/", remedy=f"live are: {live}")
        return self.use_cases[name]

    def where_in(self, case: UseCase, *at: str) -> str:
        """`path:line` of a part of a use case, ("claims", "sse/customer", "Surname"); of the nearest part around it."""
        return _nearest(case.where, self._lines.get(case.name, {}), at)

    def text_of(self, case: UseCase) -> str:
        """What the file says at its top: who asks, what breaks, what to do."""
        tree = ast.parse((self.dags / f"{case.name}.py").read_text(encoding="utf-8"))
        return ast.get_docstring(tree) or ""

    # -- what follows
    def claimed(self, name: DatasetName) -> list[str]:
        """The union of all live claims on a dataset, in the contract's order."""
        wanted = {column for case in self.use_cases.values() for column in case.claims.get(str(name), [])}
        return [column for column in self.dataset(name).columns if column in wanted]

    def merge_pool(self, entity: str) -> str:
        """The pool of an entity's merges: all that lock the customer's ledger share one. (Where a child that leads to
        the customer makes its parent lock it too, a retry is spared less.)"""
        return f"merge_{CUSTOMER}" if CUSTOMER in {entity, *self.ancestors(entity)} else f"merge_{entity}"

    def is_split(self, name: DatasetName) -> bool:
        """Whether a contract names `split_by`, by its text alone: a DAG is made also where the contract is wrong, so
        that its first task can say what is."""
        return re.search(r"^split_by:", self.dataset_path(name).read_text(encoding="utf-8"), re.MULTILINE) is not None

    def takes_over(self, name: MappingName) -> bool:
        """Whether a mapping says since when its system speaks (`taken_over_at`), by its text alone, as `is_split`."""
        text = self.mapping_path(name).read_text(encoding="utf-8")
        return re.search(r"^(?!--).*\bAS\s+`?taken_over_at\b", text, re.MULTILINE | re.IGNORECASE) is not None

    def topic(self, entity: str) -> str:
        """Of its events. Raises DeclarationError for an entity without one: nothing of it is ever published."""
        event = self.entity(entity).event
        if event is None:
            remedy = f"leave {entity} out of `publishes`, or add `event` to the contract"
            where = place(self.entity_path(entity))
            raise DeclarationError(f"{entity} has no event, so nothing of it is published", where=where, remedy=remedy)
        return event.topic

    def shards(self, entity: str) -> int:
        """How many publishers share the work on its topic."""
        event = self.entity(entity).event
        return event.shards if event else 1

    def published_entities(self) -> list[str]:
        """Those with a topic."""
        return [entity for entity in self.entity_names() if self.entity(entity).event]

    def customer_through(self, entity: str) -> list[str]:
        """The references that lead from an entity to its customer, [customer_id] or [account_id, customer_id]; the
        first one of the contract where several do. Empty where none does, and for the customer itself."""
        references = self.entity(entity).references
        own = [[name] for name, parent in references.items() if parent == CUSTOMER]
        through = [
            [name, *next_one]
            for name, parent in references.items()
            if parent in self.entity_names() and self.entity(parent).mastered == "by_customer"
            for next_one in [[n for n, p in self.entity(parent).references.items() if p == CUSTOMER]]
            if next_one
        ]
        return next(iter([*own, *through]), [])

    def ancestors(self, entity: str) -> set[str]:
        """What its references lead to, by whatever way; of a contract that is wrong none is known (`check` tells)."""
        found: set[str] = set()
        waiting = [entity]
        while waiting:
            with suppress(DeclarationError):
                parents = set(self.entity(waiting.pop()).references.values()) - found
                found |= parents
                waiting += parents
        return found

    def id_spaces(self, entity: str) -> dict[str, list[DatasetName]]:
        """Per system the datasets that an entity is made of; where it is one, `<system>:<id>` names a record."""
        found: dict[str, list[DatasetName]] = {}
        for name in self.mapping_names(entity):
            if name.source in self.dataset_names():  # without a contract it can have no record
                found.setdefault(name.source.system, []).append(name.source)
        return found

    def systems_of(self, entity: str) -> list[str]:
        """The systems that have a mapping to an entity, by the entity's precedence."""
        having = {mapping.source.system for mapping in self.mapping_names(entity)}
        return [system for system in self.entity(entity).precedence if system in having]


def _parsed[T](parse: Callable[[str, str], T], names: Sequence[str]) -> list[T]:
    found = []
    for name in names:
        with suppress(DeclarationError):
            found.append(parse(name, ""))
    return found


def _use_cases(path: Path, lines: Lines) -> Iterator[UseCase]:
    """The use cases of a file; fills `lines` with the line of each part."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=path.name)
    except SyntaxError as error:
        where = f"{place(path)}:{error.lineno}"
        raise DeclarationError(f"not Python: {error.msg}", where=where, remedy="mend the syntax") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UseCase":
            values = _literals(node, path, lines)
            case = _made(values, path, lines)
            if case.name != path.stem:
                raise DeclarationError(
                    f"the use case is called {case.name}",
                    where=_nearest(place(path), lines, ("name",)),
                    remedy="give file and use case one name",
                )
            yield case


def _made(values: dict[str, Any], path: Path, lines: Lines) -> UseCase:
    try:
        return UseCase(**values)
    except DeclarationError as error:
        for mistake in error.all():
            mistake.where = _nearest(place(path), lines, mistake.at)
        raise


def _literals(call: ast.Call, path: Path, lines: Lines) -> dict[str, Any]:
    """The arguments. Raises DeclarationError, which knows all of them, for those that are no literals."""
    values: dict[str, Any] = {}
    mistakes: list[tuple[str, str, tuple[str, ...]]] = []
    lines[()] = call.lineno
    for keyword in call.keywords:
        name = keyword.arg or "**"
        _note_lines(keyword.value, (name,), lines)
        lines[(name,)] = keyword.lineno
        try:
            values[name] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            mistakes.append((f"'{name}' is computed", "write it as a literal", (name,)))
        if name not in FIELDS:
            mistakes.append((f"UseCase has no '{name}'", f"use {', '.join(FIELDS)}", (name,)))
        mistakes += [(f"{'.'.join(at)} is given twice", "keep one of them", at) for at in _doubled(keyword.value, name)]
    missing = [name for name in FIELDS if (name,) not in lines]
    if missing:
        mistakes.append((f"UseCase lacks {', '.join(missing)}", "add them, by name", ()))
    raise_first(DeclarationError(p, where=_nearest(place(path), lines, at), remedy=r) for p, r, at in mistakes)
    return values


def _note_lines(node: ast.expr, at: tuple[str, ...], lines: Lines) -> None:
    """The line of each key of a dictionary and of each word of a list."""
    lines.setdefault(at, node.lineno)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                lines[(*at, str(key.value))] = key.lineno
                _note_lines(value, (*at, str(key.value)), lines)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for item in node.elts:
            if isinstance(item, ast.Constant):
                lines[(*at, str(item.value))] = item.lineno


def _doubled(node: ast.expr, name: str) -> list[tuple[str, ...]]:
    """Keys that a dictionary has twice: Python keeps the last, and says nothing."""
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)] if isinstance(node, ast.Dict) else []
    return [(name, str(key)) for key in dict.fromkeys(keys) if keys.count(key) > 1]


def _nearest(file: str, lines: Lines, at: tuple[str, ...]) -> str:
    while at and at not in lines:
        at = at[:-1]
    return f"{file}:{lines[at]}" if at in lines else file
