"""Where is everything that bootstrap makes?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of one checkout; all that is written is below `.venv` and `.local`."""

    root: Path

    @classmethod
    def of_this_checkout(cls) -> Layout:
        return cls(Path(__file__).resolve().parents[3])

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def local(self) -> Path:
        return self.root / ".local"

    @property
    def log(self) -> Path:
        return self.local / "logs" / "bootstrap.log"

    def requirements(self, name: str) -> Path:
        return self.root / name

    def lock(self, name: str) -> Path:
        return self.root / "include" / "local" / "locks" / name

    def installed(self, name: str) -> Path:
        return self.local / "install" / name
