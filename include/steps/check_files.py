"""Does each file lie where it is looked for? (what lies elsewhere would be passed over in silence)"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from include.catalogue import Catalogue
from include.errors import DeclarationError
from include.names import DatasetName, MappingName, identifier, place

CONTRACT = "contract.yaml"


def misplaced(catalogue: Catalogue) -> Iterator[DeclarationError]:
    for folder in _folders(catalogue.sql / "sources", "*/*"):
        yield from _unnamed(DatasetName.parse, f"{folder.parent.name}/{folder.name}", folder / CONTRACT)
        yield from _without_contract(folder)
    for folder in _folders(catalogue.sql / "common_model", "*"):
        yield from _unnamed(identifier, folder.name, folder / CONTRACT)
        yield from _without_contract(folder)
        yield from _strangers(folder)
    for path in sorted((catalogue.sql / "cohorts").glob("[!.]*")):
        if path.suffix != ".sql":
            yield DeclarationError(
                f"{path.name} is no query", where=f"{place(path)}:1", remedy="call it <name>.sql, or take it away"
            )
    for path in sorted(catalogue.dags.glob("*.py")):
        yield from _silent_file(path)


def _folders(root: Path, pattern: str) -> list[Path]:
    return sorted(path for path in root.glob(pattern) if path.is_dir() and any(path.iterdir()))


def _unnamed(parse: Callable[[str, str], object], name: str, path: Path) -> Iterator[DeclarationError]:
    """What is wrong with a name that the file's place gives."""
    try:
        parse(name, f"{place(path)}:1")
    except DeclarationError as error:
        yield error


def _without_contract(folder: Path) -> Iterator[DeclarationError]:
    if not (folder / CONTRACT).exists():
        yield DeclarationError(
            f"{place(folder / CONTRACT)} is missing",
            where=f"{place(next(iter(sorted(folder.iterdir()))))}:1",
            remedy="write it (`python -m include new source` or `new entity`), or take the folder away",
        )


def _strangers(folder: Path) -> Iterator[DeclarationError]:
    """Files of an entity that nobody would read."""
    for path in sorted(folder.glob("*.sql")):
        if path.name.startswith("from_"):
            yield from _unnamed(MappingName.parse, f"{folder.name}/{path.stem}", path)
        elif path.name != "checks.sql":
            yield DeclarationError(
                f"{path.name} is no mapping's name",
                where=f"{place(path)}:1",
                remedy="call it from_<system>_<dataset>.sql after the dataset that it reads",
            )


def _silent_file(path: Path) -> Iterator[DeclarationError]:
    """A file whose use case cannot be read from its text, or that says nothing of it. (Syntax is told elsewhere.)"""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    if not any(alias.name in ("UseCase", "use_case_dag") for alias in imports):
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "UseCase"]
    if len(made) != 1:
        yield DeclarationError(
            f"the file declares {len(made) or 'no'} use cases that can be read from its text",
            where=f"{place(path)}:{made[1].lineno if made else 1}",
            remedy="write dag = use_case_dag(UseCase(name=…, …), doc=__doc__), once per file",
        )
    if not (ast.get_docstring(tree) or "").strip():
        yield DeclarationError(
            "the use case has no text",
            where=f"{place(path)}:1",
            remedy="begin the file with one: who asks, what breaks when it is late, what to do at 3 a.m.",
        )
