"""Is all there that the parts are made with?

Small tools are fetched on the way, because only that shows that they can be had; nothing big is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from include.local.bootstrap.interpreters import WANTED, downloaded_python, find_python
from include.local.bootstrap.journal import last_words
from include.local.bootstrap.layout import Layout
from include.local.bootstrap.maven import Maven
from include.local.bootstrap.missing import Lacking, Machine, Missing, too_little_disk, unsupported
from include.local.bootstrap.package_installer import clean, use_uv
from include.local.bootstrap.parts import Part
from include.local.bootstrap.recipes import Recipes, Tools

_PYTHON_OF_JGO = (3, 11)  # it is started with -P


def look(layout: Layout, recipes: Recipes, outdated: Sequence[Part]) -> list[Missing]:
    """All that is missing to make `outdated`; fills `recipes.tools`."""
    missing = unsupported(Machine.this_one())
    missing += too_little_disk(layout.root, sum(part.needs_mb for part in outdated))
    missing += _get_uv(layout, recipes)
    missing += _get_python(layout.local / "python", recipes.tools)
    if any(part.from_maven for part in outdated):
        missing += _get_maven(layout, recipes)
    return missing


def _get_uv(layout: Layout, recipes: Recipes) -> list[Missing]:
    part = recipes.uv()
    try:
        _make(part, recipes.tools)
    except Lacking as error:
        return error.missing
    recipes.tools.uv = use_uv(part.folder, layout.local, recipes.tools.journal)
    return []


def _get_python(downloads: Path, tools: Tools) -> list[Missing]:
    tools.python = find_python(downloads, clean(os.environ))
    said = "" if tools.python else _download_python(downloads, tools)
    if tools.python:
        tools.journal.say(f"  Python {WANTED}: {tools.python}")
        return []
    return [
        Missing(
            f"Python {WANTED}",
            f"no python{WANTED} on the PATH or of pyenv, and none could be downloaded: {said}",
            f"install Python {WANTED} (pyenv install {WANTED}, or your distribution's), or let uv download one",
        )
    ]


def _download_python(downloads: Path, tools: Tools) -> str:
    """Lets uv download an interpreter; gives what it said when it could not."""
    if not tools.uv:
        return "uv, which could do so, is missing itself"
    tools.journal.say(f"  no Python {WANTED} here: asking uv to download one …")
    code, said = tools.uv.attempt("python", "install", "--no-bin", "--install-dir", str(downloads), WANTED)
    tools.python = downloaded_python(downloads)
    return last_words(said) if code else "it does not run"


def _get_maven(layout: Layout, recipes: Recipes) -> list[Missing]:
    tools = recipes.tools
    python = tools.python or (Path(sys.executable) if sys.version_info >= _PYTHON_OF_JGO else None)
    if not (tools.uv and python):
        return [
            Missing(
                "the Maven repository, perhaps",
                "whether it answers can only be tried with what is missing above",
                "nothing yet: the next run will say",
            )
        ]
    part = recipes.jgo(tools.uv, python)
    _make(part, tools)
    tools.maven = Maven(part.folder, python, layout.local / "cache" / "maven", tools.journal, tools.uv.environ)
    return tools.maven.lacks()


def _make(part: Part, tools: Tools) -> None:
    if not part.is_ready:
        with tools.journal.step(part.name):
            part.set_up()
