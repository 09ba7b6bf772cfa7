"""What the three systems say, batch by batch, in words that a story can be told with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.include.merge.model.declared import ENTITIES, KEY_TYPES, Entity

Value = str | int | Decimal | date | None


@dataclass(frozen=True)
class Record:
    """A system's record in one moment, in the entity's columns; a reference holds an id as the system writes it."""

    values: Mapping[str, Value]
    counts: bool = True
    copy_of: str | None = None
    taken_over_at: datetime | None = None

    def __repr__(self) -> str:
        words = [f"{name} {_said(value)}" for name, value in self.values.items()]
        words += [] if self.counts else ["does not count"]
        words += [f"a copy of {self.copy_of!r}"] if self.copy_of is not None else []
        words += [f"taken over on {self.taken_over_at:%-d %B}"] if self.taken_over_at else []
        return ", ".join(words)


@dataclass(frozen=True)
class Batch:
    """What was read of a dataset at once: `says` by the system's own id, None for a record that is gone.

    kind: full (every record; whom it lacks is gone), window (what changed), keys (a window, and every key that was
    there afterwards: whom those lack is gone, also if the window has a row of it).
    """

    system: str
    entity: Entity
    says: Mapping[str, Record | None]
    kind: str = "window"
    missing: frozenset[str] = frozenset()
    """Of `keys`: ids that the look at all keys does not find."""

    @property
    def place(self) -> tuple[str, str]:
        return self.system, self.entity.name

    def __repr__(self) -> str:
        said = [f"{key} is gone" if one is None else f"{key}: {one!r}" for key, one in self.says.items()]
        said += [f"{key} is no longer among the keys" for key in sorted(self.missing)]
        whole = {"full": ", everything", "keys": ", with a look at all keys"}.get(self.kind, "")
        return f"<{self.system} {self.entity.name}{whole}: {'; '.join(said) or 'nothing'}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """In a story the words, not the parts of the dataclass."""
        printer.text(repr(self))


def canonical(system: str, key: str) -> str:
    """An id as it is compared: the old warehouse is blind to case and trailing blanks."""
    return key.rstrip(" ").upper() if system == "mis" else key


def as_typed(system: str, key: str | None) -> Value:
    """An id as the system's column holds it."""
    return int(key) if key is not None and KEY_TYPES[system] == "INT64" else key


@dataclass(frozen=True)
class Read:
    """A batch as it came: rows by id (None: the row says that it is gone), and the keys of a look at all of them."""

    number: int
    rows: Mapping[str, Record | None]
    is_full: bool = False
    keys: frozenset[str] | None = None


@dataclass
class Source:
    """A dataset as its system has it (by canonical id), and what was read of it, oldest first."""

    system: str
    entity: Entity
    holds: dict[str, Record] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    reads: list[Read] = field(default_factory=list)
    merged: int = 0

    @property
    def place(self) -> tuple[str, str]:
        return self.system, self.entity.name

    def read(self, batch: Batch) -> Read:
        """The system takes what the batch says, and is read. SSE's rows that are gone are in no window; the platform's
        tombstones are in everything that landed, too."""
        for key, record in batch.says.items():
            if record is None:
                self.holds.pop(canonical(self.system, key), None)
                self.gone.add(key)
            else:
                self.holds[canonical(self.system, key)] = record
        rows = {key: one for key, one in batch.says.items() if one is not None or self.system != "sse"}
        for key in batch.missing:
            self.holds.pop(canonical(self.system, key), None)
        number, keys = len(self.reads) + 1, frozenset(self.holds) if batch.kind == "keys" else None
        found = Read(number, self._everything(), True) if batch.kind == "full" else Read(number, rows, keys=keys)
        self.reads.append(found)
        return found

    def _everything(self) -> dict[str, Record | None]:
        return {**dict.fromkeys(self.gone if self.system == "platform" else ()), **self.holds}

    @property
    def waiting(self) -> list[Read]:
        """What a merge takes: all that was not merged, or what is left of it from the latest full on."""
        return _from_latest_full(self.reads[self.merged :])

    def since_latest_full(self) -> list[Read]:
        """What a changed mapping takes again, of what was merged."""
        chain = _from_latest_full(self.reads[: self.merged])
        return chain if chain and chain[0].is_full else []


def sources() -> dict[tuple[str, str], Source]:
    return {(system, entity.name): Source(system, entity) for entity in ENTITIES for system in entity.systems}


def _from_latest_full(reads: list[Read]) -> list[Read]:
    fulls = [index for index, read in enumerate(reads) if read.is_full]
    return reads[fulls[-1] :] if fulls else reads


def _said(value: Any) -> str:
    return "unknown" if value is None else str(value)
