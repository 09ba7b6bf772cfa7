"""What do the tasks that read a large table hand on to one another?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from include.extract.ranges import Range
from include.stage.log import Part


@dataclass(frozen=True)
class Share:
    """One range of a batch that is being read: what the tasks of a run hand on, as plain values.

    batch, why, read_at, position, epoch: of the plan; read_as: the hash of what was declared and found then.
    parts, counted, query_hash, ended: what the range's task has read; `parts` is None where it has not.
    """

    batch: int
    why: str
    read_at: str
    position: Mapping[str, str]
    epoch: Mapping[str, Any]
    read_as: str
    range: Range
    parts: tuple[Part, ...] | None = None
    counted: int = 0
    query_hash: str = ""
    ended: Mapping[str, str] | None = None

    def handed_on(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def taken(cls, given: Mapping[str, Any]) -> Share:
        """Raises KeyError and TypeError for what another version of the code has handed on."""
        parts = given["parts"]
        parts = None if parts is None else tuple(Part(**part) for part in parts)
        return cls(**{**given, "range": Range(**given["range"]), "parts": parts})

    @property
    def plan(self) -> tuple[Any, ...]:
        """What all ranges of one batch have in common."""
        return self.batch, self.read_at, self.read_as, self.range.of, *self.position.values()

    @property
    def is_whole(self) -> bool:
        """Whether it was read, and what it names is what the source counted."""
        return self.parts is not None and sum(part.rows for part in self.parts) == self.counted
