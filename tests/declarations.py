"""Declarations as they are shipped, in a folder of a test's own: what it changes there nobody else reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.catalogue import ROOT


def copied(root: Path) -> Path:
    """`sql/` and `dags/` below `root`; the same folder."""
    for folder in ("sql", "dags"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def edit(root: Path, file: str, old: str, new: str) -> int:
    """Replace `old` once in a file that must have it; the line on which it was."""
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
