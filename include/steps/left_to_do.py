"""What have the declarations left for a person to say? (the marks of `new`: a NULL that nobody chose is one)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.catalogue import Catalogue

_MARK = re.compile(r'\bto do:|: to do\.|"to-do"', re.IGNORECASE)
_WHERE = ("dags/*.py", "sql/sources/*/*/*.yaml", "sql/common_model/*/*.yaml", "sql/common_model/*/*.sql")
_CASES = "tests/sql/cases/*/*/*.yaml"


@dataclass(frozen=True)
class ToDo:
    """A line of a file, from the checkout's root, and what stands there."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def left_to_do(catalogue: Catalogue) -> list[ToDo]:
    """Of the live use cases, the contracts, the mappings and their test cases; in the files' order."""
    root = catalogue.sql.parent
    files = sorted(path for pattern in (*_WHERE, _CASES) for path in root.glob(pattern))
    return [todo for path in files for todo in _of_file(path, str(path.relative_to(root)))]


def _of_file(path: Path, name: str) -> Iterator[ToDo]:
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if _MARK.search(line):
            yield ToDo(name, number, " ".join(line.split()))
