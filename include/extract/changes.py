"""What has become of a source's columns since the batch before? (wider: goes on; anything else: a full is needed)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from include.extract.types import SourceColumn

_TOLD = re.compile(r"(?P<type>\w+)(?:\((?P<numbers>[\d,]+|max)\))?(?: (?P<collation>\w+))?(?P<required> not null)?")
_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_GROUPS = (
    _INTEGERS,
    ("decimal", "numeric"),
    ("smallmoney", "money"),
    ("real", "float"),
    ("smalldatetime", "datetime"),
    ("char", "varchar", "text", "nchar", "nvarchar", "ntext"),
    ("binary", "varbinary", "image"),
    ("time",),
    ("datetime2",),
    ("datetimeoffset",),
)
_FILLED_UP = ("char", "nchar", "binary")
"""Types that write every value in their whole length: longer is other, not wider."""
_IN_ORDER = ("smallmoney", "money", "real", "float", "smalldatetime", "datetime", *_INTEGERS)
_NARROW_TEXTS = ("char", "varchar", "text")
_LARGE = ("text", "ntext", "image")


@dataclass
class Changes:
    """What may go on, and what may not."""

    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def changed_types(columns: Sequence[SourceColumn], before: Mapping[str, str]) -> Changes:
    """Both sides of each column that is another than `before`; a column that was not there is no change."""
    found = Changes()
    for column in columns:
        was, now = before.get(column.name), column.told()
        if was is None or was == now:
            continue
        verb, is_harmless = _change(was, now)
        text = f"{column.name} was {was} when it was last read, and is {now} now: {verb}"
        (found.notes if is_harmless else found.refused).append(text)
    return found


def _change(was: str, now: str) -> tuple[str, bool]:
    """What happened, and whether every row that was read is still what it was."""
    old, new = _TOLD.fullmatch(was), _TOLD.fullmatch(now)
    if not old or not new:
        return "another type", False
    if (old["type"], old["numbers"], old["collation"]) == (new["type"], new["numbers"], new["collation"]):
        return (
            ("may be NULL now", True) if old["required"] else ("never NULL now: `required: true` may be written", True)
        )
    if new["collation"] and old["collation"] != new["collation"] and new["type"] in _NARROW_TEXTS:
        return "another collation, so perhaps another code page", False
    if _holds(new, old):
        return "wider", True
    return ("narrower", False) if _holds(old, new) else ("another type", False)


def _holds(wide: re.Match[str], narrow: re.Match[str]) -> bool:
    """Is every value of `narrow` the same value in `wide`?"""
    one, other = wide["type"], narrow["type"]
    if not any(one in group and other in group for group in _GROUPS):
        return False
    if one in _IN_ORDER:
        return _IN_ORDER.index(one) >= _IN_ORDER.index(other)
    if one in _NARROW_TEXTS and other.startswith("n"):
        return False
    if one in _FILLED_UP and (one, wide["numbers"]) != (other, narrow["numbers"]):
        return False
    return _numbers_hold(_numbers(wide), _numbers(narrow))


def _numbers_hold(wide: tuple[int, ...], narrow: tuple[int, ...]) -> bool:
    if len(wide) == len(narrow) == 2:
        (precision, scale), (old_precision, old_scale) = wide, narrow
        return scale >= old_scale and precision - scale >= old_precision - old_scale
    return wide >= narrow


_UNLIMITED = 1 << 31


def _numbers(told: re.Match[str]) -> tuple[int, ...]:
    text = "max" if told["type"] in _LARGE else told["numbers"]
    return () if text is None else (_UNLIMITED,) if text == "max" else tuple(map(int, text.split(",")))
