"""Where does a new declaration go, and what is it called?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from include import names
from include.catalogue import ROOT
from include.errors import RequestError

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
HERE = "the command line"


def snake(name: str) -> str:
    """A source's name as one of ours: `AddressLine1` is `address_line1`, `BirthDate` `birth_date`."""
    return "_".join(part.lower() for part in _WORD.split(name) if part)


def in_yaml(name: str) -> str:
    """A name as YAML takes it for text: a column called `No` would be a boolean."""
    return name if yaml.safe_load(name) == name else json.dumps(name)


def title(name: str) -> str:
    """One of our names as words: `agent_service` is `Agent service`."""
    return name.replace("_", " ").capitalize()


def write_new(path: Path, text: str) -> str:
    """Writes the file and gives its place; raises RequestError when it is there already: nothing is overwritten."""
    refuse_if_there(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return from_root(path)


def refuse_if_there(path: Path) -> None:
    """Raises RequestError when there is such a file."""
    if path.exists():
        raise RequestError(
            f"{from_root(path)} is there already",
            where=from_root(path),
            remedy="edit it, or delete it first to begin anew",
        )


def from_root(path: Path) -> str:
    """The file as it is named from the checkout's root."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else names.place(path)
