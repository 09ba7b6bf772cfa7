"""Are these the very files that we tried everything with?

A list has the form of `sha256sum`: one line per file, the hash, two blanks, the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from include.errors import Refused

_CHUNK = 1 << 20


def sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_list(path: Path) -> dict[str, str]:
    """Name of each file on the list and its hash."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {name: digest for digest, name in lines}


def write_list(path: Path, files: Iterable[Path]) -> None:
    lines = sorted(f"{sha256(file)}  {file.name}\n" for file in files)
    path.write_text("".join(sorted(lines, key=lambda line: line.split()[1])), encoding="utf-8")


def verify(folder: Path, wanted: Path) -> list[Path]:
    """The files of `folder` in the order of the list `wanted`.

    Raises Refused, and deletes the file, when one differs from its hash; raises Refused when one is missing
    from the folder or from the list.
    """
    hashes = read_list(wanted)
    _same_names(folder, set(hashes), wanted)
    for name, digest in hashes.items():
        _verify_one(folder / name, digest, wanted)
    return [folder / name for name in hashes]


def _same_names(folder: Path, names: set[str], wanted: Path) -> None:
    present = {file.name for file in folder.iterdir() if file.is_file()}
    odd = sorted(present ^ names)
    if odd:
        raise Refused(
            f"the download and the list of checksums name different files: {', '.join(odd)}",
            where=str(wanted),
            remedy="if a version was changed on purpose, run `make lock` and look at what it changes",
        )


def _verify_one(file: Path, digest: str, wanted: Path) -> None:
    found = sha256(file)
    if found != digest:
        file.unlink()
        raise Refused(
            f"{file.name} is not the file that we know: its sha256 is {found}, the list says {digest}; it was deleted",
            where=str(wanted),
            remedy="run ./bootstrap again (a broken download); if it stays so, find out who changed the file",
        )
