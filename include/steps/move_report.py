"""What would a move, or its roll-back, change? (a report for people: numbers and ids, no value of anybody)"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.errors import FormError
from include.merge.move import SHOWN

Keep = Callable[[dict[str, Any]], None]
"""Where the summary of a report goes that ends in a refusal: people read why."""


@dataclass(frozen=True)
class Effect:
    """What becomes of one entity: keys that would be there anew, change or vanish; changes that consumers would see;
    for how many keys each column would be another; some of the keys that would vanish.

    Of a roll-back: how many of those that would vanish came since the move (opened, with some of the keys), and how
    many were there before it (lost: what spoke before has them no more). The others came with the move.

    not_there: the systems that would speak, and of which not all that they have of this entity was merged yet: what
    others say of it stays."""

    entity: str
    inserted: int = 0
    updated: int = 0
    vanished: int = 0
    events: int = 0
    opened: int = 0
    lost: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    vanishing: Sequence[str] = ()
    opened_keys: Sequence[str] = ()
    not_there: Sequence[str] = ()

    @property
    def changes(self) -> int:
        return self.inserted + self.updated + self.vanished


@dataclass(frozen=True)
class Report:
    """What was found; effects: also of what stays as it is. `left_out`: why, to the ids, or to their places in the
    list; `moving`: from which system (or to which: `way`) how many customers. cohort: the digest of their keys.
    refused: why it would not be done."""

    what: str
    why: str
    asked: int
    doubles: int
    moving: Mapping[str, int]
    left_out: Mapping[str, Sequence[str]]
    effects: Sequence[Effect]
    cohort: str
    bytes_read: int
    needs_approval: bool
    refused: Sequence[str] = ()
    way: str = "from"

    @property
    def customers(self) -> int:
        return sum(self.moving.values())

    def total(self, name: str) -> int:
        return sum(getattr(effect, name) for effect in self.effects)

    def summary(self) -> dict[str, Any]:
        """Everything as plain values; `report`: the text, by whose hash an approval is bound to it."""
        left_out = {why: {"customers": len(ids), "ids": list(ids[:SHOWN])} for why, ids in self.left_out.items()}
        return {
            "what": self.what,
            "asked": self.asked,
            "doubles": self.doubles,
            "customers": self.customers,
            self.way: dict(self.moving),
            "left_out": left_out,
            "effects": {e.entity: _as_dict(e) for e in self._changing()},
            "not_there": self._not_there(),
            "events": self.total("events"),
            "vanishing": self.total("vanished"),
            "cohort": self.cohort,
            "bytes_read": self.bytes_read,
            "needs_approval": self.needs_approval,
            "refused": list(self.refused),
            "report": (text := self.text()),
            "report_hash": hashlib.sha256(text.encode()).hexdigest(),
        }

    def text(self) -> str:
        """For a log, and for whoever must approve (Markdown)."""
        parts = [
            f"**{self.what}**",
            f"Why: {self.why}",
            *self._people(),
            *self._changes(),
            *self._stays(),
            *self._end(),
        ]
        return "\n\n".join(parts)

    def _changing(self) -> list[Effect]:
        return [effect for effect in self.effects if effect.changes]

    def _not_there(self) -> dict[str, list[str]]:
        """System to the entities that it does not have yet."""
        systems = sorted({system for effect in self.effects for system in effect.not_there})
        return {system: sorted(e.entity for e in self.effects if system in e.not_there) for system in systems}

    def _people(self) -> list[str]:
        twice = f" ({self.doubles:,} of them more than once)" if self.doubles else ""
        homes = ", ".join(f"{number:,} {self.way} {system}" for system, number in sorted(self.moving.items()))
        lines = [f"Asked for by {self.asked:,} ids{twice}. **To move: {self.customers:,}** ({homes or 'nobody'})."]
        lines += [f"- {why}: {len(ids):,} ({shown(ids)})" for why, ids in self.left_out.items() if ids]
        return ["\n".join(lines)]

    def _changes(self) -> list[str]:
        if not (changing := self._changing()):
            return []
        head = "| entity | new | changed | vanishing | events | columns that would differ |\n|---|---|---|---|---|---|"
        return ["\n".join([head, *(_row(effect) for effect in changing)])]

    def _stays(self) -> list[str]:
        """A line per system."""
        lines = [
            f"Not there yet in {to}, stay as they are: {', '.join(them)}." for to, them in self._not_there().items()
        ]
        return ["\n".join(lines)] if lines else []

    def _end(self) -> list[str]:
        lines = [
            f"Events that would follow: {self.total('events'):,}. Keys that would vanish: {self.total('vanished'):,}."
        ]
        lines += [
            f"- {e.entity}: {', '.join(e.vanishing)}{' …' * (e.vanished > len(e.vanishing))}"
            for e in self.effects
            if e.vanished
        ]
        lines.append(f"This report read {self.bytes_read:,} bytes; the move reads them once more.")
        lines += [f"**Refused:** {why}" for why in self.refused]
        return ["\n".join(lines)]


def raise_refused(report: Report, told: dict[str, Any], job: str, keep: Keep) -> None:
    """Raises FormError with all that is in the way, once the report is kept; nothing where nothing is."""
    if report.refused:
        keep(told)
        remedy = "nothing was changed; the whole report is in this task's log and its summary"
        raise FormError("; ".join(report.refused), where=f"the form of {job}", remedy=remedy)


def _as_dict(effect: Effect) -> dict[str, Any]:
    counts = {name: getattr(effect, name) for name in ("inserted", "updated", "vanished", "events", "opened", "lost")}
    return {**counts, "columns": dict(effect.columns)}


def shown(ids: Sequence[str]) -> str:
    more = f", and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"


def _row(effect: Effect) -> str:
    columns = ", ".join(f"{name} {number:,}" for name, number in effect.columns.items() if number) or "none"
    numbers = (effect.inserted, effect.updated, effect.vanished, effect.events)
    return f"| {effect.entity} | {' | '.join(f'{number:,}' for number in numbers)} | {columns} |"
