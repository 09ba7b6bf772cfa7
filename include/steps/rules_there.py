"""By which rules were the rows of an entity keyed and chosen, and may these rules go on with them?

The ledger's table tells in its description what decided (decision 0041): a merge looks only at rows that differ, so
under other rules some rows would be by the old ones, and some by the new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from include.contract import EntityContract
from include.errors import DriftError
from include.rendering import sentence, table

_NONE = "none"
_WRITTEN = re.compile(r"(mastered) (.+); (identified_by) (.+); (partitioned_by) (.+); (precedence) (.+)")


@dataclass(frozen=True)
class Rules:
    """The rules of an entity whose ledger is `name`, as `description` writes them."""

    name: str
    description: str

    def alteration(self, there: str | None) -> str | None:
        """What writes them down, where that is needed. Systems may join the precedence, wherever: nothing of theirs is
        there. One that has left it stays written: it is an older deployment that lacks it. Raises DriftError for any
        other difference."""
        was, are = _read(there), _read(self.description)
        if was and (other := [name for name in are if not _goes_on(name, was[name], are[name])]):
            text = "; ".join(f"{name} was {was[name]}, the contract says {are[name]}" for name in other)
            remedy = (
                "nothing was changed, because rows that are there would stay by the old rule until they are touched: "
            )
            remedy += "take it back, or see 'Another rule for an entity' in docs/deploying.md"
            raise DriftError(text, where=self.name, remedy=remedy)
        if was and len(was["precedence"]) >= len(are["precedence"]):
            return None
        return f"ALTER TABLE {table(self.name)} SET OPTIONS (description = {sentence(self.description)})"


def described(contract: EntityContract) -> str:
    """What decides keys, winners and months, as one line."""
    lists: dict[str, list[str]] = {
        "mastered": [contract.mastered],
        "identified_by": contract.identified_by,
        "partitioned_by": [contract.partitioned_by] if contract.partitioned_by else [],
        "precedence": contract.precedence,
    }
    return "; ".join(f"{name} {', '.join(words) or _NONE}" for name, words in lists.items())


def _read(description: str | None) -> Mapping[str, str]:
    """Nothing where no rules are written."""
    found = _WRITTEN.fullmatch(description or "")
    parts = found.groups() if found else ()
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _goes_on(name: str, was: str, now: str) -> bool:
    """Whether what was decided by the one is as the other decides."""
    if name != "precedence" or was == now:
        return was == now
    few, many = sorted((was.split(", "), now.split(", ")), key=len)
    return [system for system in many if system in few] == few
