"""How does a template of `sql/` become a statement?

Only names are put into the text, each through a filter that checks and quotes it. Values are query parameters.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_SENTENCE = re.compile(r"[^'\"\\\n]+")
_TABLE = re.compile(r"([a-z0-9-]+\.[A-Za-z0-9_]+\.)?[A-Za-z0-9_]+")
_WORD = re.compile(r"[A-Za-z0-9_/.-]+")


def render(folder: Path, template: str, **context: Any) -> str:
    """The statement, with one empty line at most between its parts. Raises jinja2.UndefinedError for a missing name."""
    text = _environment(folder).get_template(template).render(**context)
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"


@cache
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML; the filters below check and quote
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"column": column, "path": path, "table": table, "word": word, "number": number}
    environment.filters |= {"sentence": sentence}
    return environment


def column(name: str) -> str:
    """A column's name in backticks."""
    return f"`{_checked(_COLUMN, name)}`"


def path(expression: str) -> str:
    """A column or a field of a STRUCT (`kafka_data.offset`), each part in backticks."""
    return ".".join(f"`{part}`" for part in _checked(_PATH, expression).split("."))


def table(name: str) -> str:
    """`project.dataset.table`, or the name of a temporary table, in backticks."""
    return f"`{_checked(_TABLE, name)}`"


def word(text: str) -> str:
    """A system, a dataset, an entity as a string literal."""
    return f"'{_checked(_WORD, text)}'"


def sentence(text: str) -> str:
    """What an error says, as a string literal."""
    return f"'{_checked(_SENTENCE, text)}'"


def number(value: int) -> str:
    """A whole number, as text."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a whole number")
    return str(value)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in a statement: {pattern.pattern}")
    return text
