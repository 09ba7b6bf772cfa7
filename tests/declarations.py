"""Declarations as they are shipped, in a folder of a test's own: what it changes there nobody else reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.catalogue import ROOT

PEOPLE = ("customer", "account")
"""Most tests need no other entities: deployments and merges take a fifth of the time."""


def copied(root: Path, *entities: str) -> Path:
    """`sql/` and `dags/` below `root`, or of them these entities alone, and the use cases that need no other; the same
    folder."""
    for folder in ("sql", "dags"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    model = root / "sql" / "common_model"
    others = [folder.name for folder in model.iterdir() if entities and folder.name not in entities]
    for name in others:
        shutil.rmtree(model / name)
    for case in (root / "dags").glob("*.py"):
        if any(f'"{name}/from_' in case.read_text(encoding="utf-8") for name in others):
            case.unlink()
    return root


def edit(root: Path, file: str, old: str, new: str) -> int:
    """Replace `old` once in a file that must have it; the line on which it was."""
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
