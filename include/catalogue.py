"""What is declared: which use cases are live, and what do the contracts and mappings say?

Read from the files alone: `sql/` by name, `dags/` by syntax tree, so that no Airflow is needed and no file is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import include
from include.errors import DeclarationError
from include.names import DatasetName, MappingName, place
from include.use_case import FIELDS, UseCase

if TYPE_CHECKING:
    from include.contract import DatasetContract, EntityContract
    from include.mapping import Mapping

ROOT = Path(include.__file__).resolve().parent.parent


class Catalogue:
    """The declarations below a root folder (the checkout's or the image's own by default); each file is read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.sql, self.dags = root / "sql", root / "dags"
        self._datasets: dict[DatasetName, DatasetContract] = {}
        self._entities: dict[str, EntityContract] = {}
        self._mappings: dict[MappingName, Mapping] = {}
        self.broken: dict[str, DeclarationError] = {}

    # -- what there is
    def dataset_names(self) -> list[DatasetName]:
        found = sorted(self.sql.glob("sources/*/*/contract.yaml"))
        return [DatasetName.parse(f"{path.parts[-3]}/{path.parts[-2]}", place(path)) for path in found]

    def entity_names(self) -> list[str]:
        return sorted(path.parent.name for path in self.sql.glob("common_model/*/contract.yaml"))

    def mapping_names(self, entity: str | None = None) -> list[MappingName]:
        """All mappings, or those of one entity."""
        found = sorted(self.sql.glob(f"common_model/{entity or '*'}/from_*.sql"))
        return [MappingName.parse(f"{path.parent.name}/{path.stem}", place(path)) for path in found]

    @cached_property
    def use_cases(self) -> dict[str, UseCase]:
        """The live use cases by name: those whose file lies in `dags/` and is right.

        A wrong file stops nobody else (Airflow shows it as an import error); `broken` says what is wrong with it.
        """
        found: dict[str, UseCase] = {}
        for path in sorted(self.dags.glob("*.py")):
            try:
                found |= {case.name: case for case in _use_cases(path)}
            except DeclarationError as error:
                self.broken[path.stem] = error
        return found

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

            self._entities[name] = read_entity(self.entity_folder(name) / "contract.yaml")
        return self._entities[name]

    @staticmethod
    def _require(name: object, there: Sequence[object], where: str) -> None:
        if name not in there:
            remedy = f"write it, or correct the name; there are: {', '.join(map(str, there))}"
            raise DeclarationError(f"there is no contract of {name}", where=where, remedy=remedy)

    def entity_folder(self, name: str) -> Path:
        return self.sql / "common_model" / name

    def dataset_path(self, name: DatasetName) -> Path:
        return self.sql / "sources" / name.system / name.dataset / "contract.yaml"

    def mapping(self, name: MappingName) -> Mapping:
        """Raises DeclarationError when there is no such mapping or it is not row-local."""
        if name not in self._mappings:
            from include.mapping import read_mapping

            self._mappings[name] = read_mapping(self.mapping_path(name), name)
        return self._mappings[name]

    def mapping_path(self, name: MappingName) -> Path:
        return self.entity_folder(name.entity) / f"{name.file_stem}.sql"

    def use_case(self, name: str) -> UseCase:
        """Raises DeclarationError when no file in `dags/` declares it, or not rightly."""
        if name not in self.use_cases and name in self.broken:
            raise self.broken[name]
        if name not in self.use_cases:
            live = ", ".join(self.use_cases) or "none"
            raise DeclarationError(f"no use case is called {name}", where="dags/", remedy=f"live are: {live}")
        return self.use_cases[name]

    # -- what follows
    def claimed(self, name: DatasetName) -> list[str]:
        """The union of all live claims on a dataset, in the contract's order."""
        wanted = {column for case in self.use_cases.values() for column in case.claims.get(str(name), [])}
        return [column for column in self.dataset(name).columns if column in wanted]

    def merge_pool(self, entity: str) -> str:
        """The pool of an entity's merges: all that lock the customer's ledger share one."""
        return "merge_customer" if self.entity(entity).mastered == "by_customer" else f"merge_{entity}"

    def systems_of(self, entity: str) -> list[str]:
        """The systems that have a mapping to an entity, by the entity's precedence."""
        having = {mapping.source.system for mapping in self.mapping_names(entity)}
        return [system for system in self.entity(entity).precedence if system in having]


def _use_cases(path: Path) -> Iterator[UseCase]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=path.name)
    except SyntaxError as error:
        where = f"{place(path)}:{error.lineno}"
        raise DeclarationError(f"not Python: {error.msg}", where=where, remedy="mend the syntax") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UseCase":
            case = UseCase(**_literals(node, path))
            if case.name != path.stem:
                raise DeclarationError(
                    f"the use case is called {case.name}",
                    where=_line(path, node),
                    remedy="give file and use case one name",
                )
            yield case


def _literals(call: ast.Call, path: Path) -> dict[str, Any]:
    values = {}
    for keyword in call.keywords:
        if keyword.arg not in FIELDS:
            remedy = f"use {', '.join(FIELDS)}"
            raise DeclarationError(f"UseCase has no '{keyword.arg}'", where=_line(path, keyword.value), remedy=remedy)
        try:
            values[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise DeclarationError(
                f"'{keyword.arg}' is computed", where=_line(path, keyword.value), remedy="write it as a literal"
            ) from None
    missing = [name for name in FIELDS if name not in values]
    if missing:
        raise DeclarationError(
            f"UseCase lacks {', '.join(missing)}", where=_line(path, call), remedy="add them, by name"
        )
    return values


def _line(path: Path, node: ast.expr) -> str:
    return f"{place(path)}:{node.lineno}"
