"""What is to be set up, and is it there already?

A part is a folder with a stamp in it. The stamp is written last and holds a hash of all that the part was made from:
a folder without it is a half-made one and made again, a folder with another stamp is out of date.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STAMP = ".bootstrap-stamp"
_RECIPE = "1"  # raised when the way of making parts changes and what is there must be made again


@dataclass(frozen=True)
class Part:
    """`make` fills `folder` from `inputs`; `proof` is a file that the part is useless without.

    `in_place`: an out-of-date one is brought up to date rather than made from nothing, because programs may be
    running from it.
    """

    name: str
    folder: Path
    inputs: tuple[Path, ...]
    proof: Path
    needs_mb: int
    make: Callable[[], None]
    in_place: bool = False
    from_maven: bool = False
    made_for: str = ""

    @property
    def is_ready(self) -> bool:
        return self._stamp_text() == self.fingerprint() and self.proof.exists()

    def set_up(self) -> None:
        """Makes the part; a kill at any moment leaves a folder without a stamp."""
        if not (self.in_place and self._stamp_text() and self.proof.exists()):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._stamp.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make()
        unfinished = self._stamp.with_suffix(".unfinished")
        unfinished.write_text(self.fingerprint(), encoding="utf-8")
        os.replace(unfinished, self._stamp)

    def fingerprint(self) -> str:
        """Changes with the locks, with the machine, and when the checkout is moved (environments hold its path)."""
        digest = hashlib.sha256("\n".join((_RECIPE, str(self.folder), platform.machine(), self.made_for)).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def _stamp(self) -> Path:
        return self.folder / STAMP

    def _stamp_text(self) -> str:
        return self._stamp.read_text(encoding="utf-8") if self._stamp.exists() else ""
