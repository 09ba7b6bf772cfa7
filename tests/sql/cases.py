"""What does a mapping make of one row? Evaluated by GoogleSQL's own reference implementation, without a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from include.catalogue import Catalogue
from include.declare.case import CASES
from include.mapping import IS_PRESENT, SAME_AS, TAKEN_OVER_AT
from include.names import MappingName
from include.rendering import column as quoted
from include.yaml_file import line_of
from tests.sql.analyser import ROOT, Analyser

FOLDER = ROOT / CASES


@dataclass(frozen=True)
class Case:
    """A file of `cases/<entity>/<mapping>/`: a row of the source, and what must come of it. Values are text or None."""

    path: Path
    mapping: MappingName
    given: dict[str, str | None]
    expected: dict[str, str | None]

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))

    def line(self, *at: str) -> str:
        """Of a column that is given or expected."""
        return line_of(self.path, *at).rpartition(":")[2]


def all_cases() -> list[Case]:
    return [read_case(path) for path in sorted(FOLDER.rglob("*.yaml"))]


def read_case(path: Path) -> Case:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(data) == {"given", "expected"}, f"{path}: a case has `given` and `expected`"
    name = MappingName.parse(f"{path.parent.parent.name}/{path.parent.name}", str(path))
    return Case(path, name, _texts(data["given"]), _texts(data["expected"]))


def _texts(values: dict[Any, Any] | None) -> dict[str, str | None]:
    return {str(name): _text(value) for name, value in (values or {}).items()}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(case: Case, catalogue: Catalogue, analyser: Analyser) -> list[str]:
    """`place:line: what came instead`; for names that do not exist too."""
    types = expected_types(case.mapping, catalogue)
    columns = catalogue.dataset(case.mapping.source).columns
    unknown = [("given", name, case.mapping.source) for name in case.given if name not in columns]
    unknown += [("expected", name, case.mapping.entity) for name in case.expected if name not in types]
    if unknown:
        return [f"{case.place}:{case.line(part, name)}: {name} is no column of {of}" for part, name, of in unknown]
    row = evaluate(case, catalogue, analyser)
    return [
        f"{case.place}:{case.line('expected', name)}: {name} became {came}, expected was {wanted}"
        for name, (came, wanted) in row.items()
        if came != wanted
    ]


def expected_types(mapping: MappingName, catalogue: Catalogue) -> dict[str, str]:
    """The columns of a mapping's row: a reference is compared as text, as the source gives it."""
    beside = {IS_PRESENT: "BOOL", SAME_AS: "STRING", TAKEN_OVER_AT: "TIMESTAMP"}
    columns = catalogue.entity(mapping.entity).columns
    return {n: "STRING" if c.references else c.type for n, c in columns.items()} | beside


def evaluate(case: Case, catalogue: Catalogue, analyser: Analyser) -> dict[str, tuple[str, str]]:
    """Column to what came and what was expected, both as GoogleSQL writes the value."""
    mapping, types = catalogue.mapping(case.mapping), expected_types(case.mapping, catalogue)
    given = ", ".join(
        f"CAST({_literal(case.given.get(name))} AS {c.type}) AS {quoted(name)}"
        for name, c in catalogue.dataset(case.mapping.source).columns.items()
    )
    present = "" if mapping.tells_presence else f"TRUE AS {IS_PRESENT}, "
    if not case.expected:  # a case that nobody has filled in yet
        return {}
    came = [f"FORMAT('%T', CAST({quoted(name)} AS {types[name]}))" for name in case.expected]
    wanted = [f"FORMAT('%T', CAST({_literal(value)} AS {types[name]}))" for name, value in case.expected.items()]
    sql = f"SELECT {', '.join([*came, *wanted])} FROM (SELECT {present}{mapping.projections}\nFROM (SELECT {given}))"
    cells = analyser.evaluate(sql)
    half = len(case.expected)
    return {name: (cells[i], cells[half + i]) for i, name in enumerate(case.expected)}


def _literal(value: str | None) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
