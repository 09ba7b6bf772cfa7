"""What does the owner of an entity promise? (`sql/common_model/<entity>/contract.yaml`)"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from include.contract.words import (
    NOT_FOR_KEYS,
    RESERVED,
    Privacy,
    column_names,
    known_type,
    same_but_for_case,
)
from include.names import SYSTEMS
from include.parts import Mistake, Strict, Whole, as_far_as_right
from include.yaml_file import read_model


class EntityColumn(Strict):
    """A column of an entity. One with `references` holds the source's id in a mapping and becomes `<entity>_key`.

    required: a row without it is quarantined.
    """

    type: str = "STRING"
    required: bool = False
    privacy: Privacy = "none"
    describes: str = ""
    references: str | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_type(value)


class Event(Strict):
    """The topic of an entity; withheld columns are not part of an event. `shards`: how many publishers share the work,
    each with its own keys."""

    topic: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*\.v[1-9][0-9]*$")
    withhold: list[str] = Field(default_factory=list)
    shards: int = Field(default=1, ge=1, le=64)


class Retention(Strict):
    keep: str = Field(pattern=r"^[1-9][0-9]*[dmy]$")
    after: str


class EntityContract(Whole):
    """`sql/common_model/<entity>/contract.yaml`.

    mastered: by the system that speaks for its customer, or always: by `precedence` among those that have it.
    identified_by: columns whose values are facts of the world; two records that agree in them are one thing. Without
    it each record is a thing of its own, until a link says otherwise.
    partitioned_by: the DATE or TIMESTAMP whose months part its tables. event: None, and nothing is ever published.
    """

    describes: str
    owner: str
    mastered: Literal["by_customer", "always"]
    identified_by: list[str] = Field(default_factory=list)
    partitioned_by: str | None = None
    precedence: list[str]
    event: Event | None = None
    consumers: list[str] = Field(default_factory=list)
    retention: Retention
    columns: dict[str, EntityColumn]

    @field_validator("columns")
    @classmethod
    def _names(cls, columns: dict[str, EntityColumn]) -> dict[str, EntityColumn]:
        return column_names(columns)

    def mistakes(self) -> Iterator[Mistake]:
        return as_far_as_right(
            self._precedence_mistakes,
            self._identity_mistakes,
            self._partition_mistakes,
            self._withheld_mistakes,
            self._consumer_mistakes,
            self._retention_mistakes,
            self._column_mistakes,
            lambda: same_but_for_case(self.columns),
        )

    def _precedence_mistakes(self) -> Iterator[Mistake]:
        if sorted(self.precedence) != sorted(set(self.precedence)) or set(self.precedence) - set(SYSTEMS):
            yield ("precedence",), f"precedence lists each of {', '.join(SYSTEMS)} at most once, the first wins"

    def _identity_mistakes(self) -> Iterator[Mistake]:
        at, names = ("identified_by",), self.identified_by
        if names and self.mastered != "always":
            yield at, "identified_by is for mastered: always; what a customer's system speaks for has that system's id"
        for name in dict.fromkeys(names):
            column = self.columns.get(name)
            if names.count(name) > 1:
                yield at, f"identified_by names {name} twice"
            if column is None:
                yield at, f"identified_by names {name}, which is not among the columns"
                continue
            if column.type in NOT_FOR_KEYS:
                yield at, f"identified_by names {name}, which is {column.type}, and a key is compared as text"
            if not column.required:
                yield ("columns", name), f"{name}, which identified_by names, must say required: true"

    def _partition_mistakes(self) -> Iterator[Mistake]:
        at, name = ("partitioned_by",), self.partitioned_by
        if name is None:
            return
        if self.mastered != "always":
            yield at, "partitioned_by is for mastered: always: a move of a customer would touch every month"
        column = self.columns.get(name)
        if column is None:
            yield at, f"partitioned_by names {name}, which is not among the columns"
        elif column.references or column.type not in ("DATE", "TIMESTAMP"):
            yield at, f"partitioned_by names {name}, which must be a DATE or a TIMESTAMP"
        elif not column.required:
            yield ("columns", name), f"{name}, which partitioned_by names, must say required: true"

    def _consumer_mistakes(self) -> Iterator[Mistake]:
        if self.consumers and not self.event:
            yield ("consumers",), "consumers follow a topic, and without `event` there is none: add it, or name nobody"

    def _withheld_mistakes(self) -> Iterator[Mistake]:
        for name in self.event.withhold if self.event else []:
            if name not in self.columns:
                yield ("event",), f"event.withhold names {name}, which is not among the columns"

    def _retention_mistakes(self) -> Iterator[Mistake]:
        after, at = self.retention.after, ("retention", "after")
        if after not in self.columns:
            yield at, f"retention.after names {after}, which is not among the columns"
        elif self.columns[after].references or self.columns[after].type not in ("DATE", "TIMESTAMP", "DATETIME"):
            yield at, f"retention.after names {after}, which is neither a date nor a moment"

    def _column_mistakes(self) -> Iterator[Mistake]:
        referred: dict[str, str] = {}
        for name, column in self.columns.items():
            at = ("columns", name)
            if name in RESERVED:
                yield at, f"{name} is a name of our own tables: choose another"
            if not column.references:
                continue
            if not name.endswith("_id"):
                yield at, f"the reference {name} must end in _id"
            other, key = referred.setdefault(column.references, name), f"{column.references}_key"
            if other != name:
                yield at, f"{other} and {name} both refer to {column.references}: both would become {key}"
            if key in self.columns:
                yield ("columns", key), f"{key} is what the reference {name} becomes: choose another name"

    @property
    def references(self) -> dict[str, str]:
        """Reference column to the entity that it refers to: {'customer_id': 'customer'}."""
        return {name: column.references for name, column in self.columns.items() if column.references}

    @property
    def is_special(self) -> bool:
        """Whether it holds special category data: who reads it is decided for it alone."""
        return any(column.privacy == "special" for column in self.columns.values())

    def model_columns(self) -> dict[str, str]:
        """The columns of `common_model.<entity>` without key and bookkeeping, name to type; references are keys."""
        return {
            (f"{column.references}_key" if column.references else name): column.type
            for name, column in self.columns.items()
        }

    def published(self) -> list[str]:
        """The columns of an event beside the key: not withheld, no special category; none without an event."""
        if self.event is None:
            return []
        return [
            f"{column.references}_key" if column.references else name
            for name, column in self.columns.items()
            if name not in self.event.withhold and column.privacy != "special"
        ]


def read_entity(path: Path) -> EntityContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return read_model(path, EntityContract)
