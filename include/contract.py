"""What do the owners of a dataset and of an entity promise? (`contract.yaml`)"""

from __future__ import annotations

import re
import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from include.durations import duration
from include.names import SYSTEMS
from include.strict_yaml import Strict, read_yaml

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_TYPES = (
    *("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL", "STRING", "BYTES"),
    *("DATE", "TIME", "DATETIME", "TIMESTAMP"),
)
_COMPARE = "correct these lines; sql/sources/sse/customer and sql/common_model/customer hold contracts to compare with"
Privacy = Literal["none", "personal", "special"]
Collation = Literal["case_insensitive", "case_sensitive", "exact"]


class Snapshot(Strict):
    """Everything is read each time, in one transaction."""

    method: Literal["snapshot"]


class RowVersion(Strict):
    """Rows whose rowversion lies in a window are read."""

    method: Literal["rowversion"]
    column: str


class Landed(Strict):
    """Kafka Connect lands the rows in BigQuery: nothing is read, a window of offsets per partition is noted.

    partition, offset, landed_at: expressions over the landing table. A gap in the offsets stops the window until
    it is older than `settle`; merges read `overlap` offsets again. `deleted_when` is true for a tombstone.
    """

    method: Literal["landed"]
    partition: str
    offset: str
    landed_at: str
    settle: str
    overlap: int = Field(ge=0)
    deleted_when: str

    @property
    def settles_after(self) -> timedelta:
        return duration(self.settle, "capture.settle")


class DatasetColumn(Strict):
    """A column of a source. `refers_to` names the dataset of the same system whose key it holds."""

    type: str
    required: bool = False
    privacy: Privacy = "none"
    describes: str = ""
    refers_to: str | None = None
    collation: Collation | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_type(value)


class DatasetContract(Strict):
    """`sql/sources/<system>/<dataset>/contract.yaml`."""

    describes: str
    owner: str
    table: str
    key: list[str] = Field(min_length=1)
    capture: Annotated[Snapshot | RowVersion | Landed, Field(discriminator="method")]
    deletes: Literal["never", "captured", "key_scan"]
    deletes_at_most: str = "1%"
    zone: str | None = None
    columns: dict[str, DatasetColumn]

    @field_validator("columns")
    @classmethod
    def _names(cls, columns: dict[str, DatasetColumn]) -> dict[str, DatasetColumn]:
        return _column_names(columns)

    @field_validator("deletes_at_most")
    @classmethod
    def _percentage(cls, value: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?%", value):
            raise ValueError(f"'{value}' is not a percentage (1%)")
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        try:
            zoneinfo.ZoneInfo(value or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"'{value}' is no zone of the time-zone database (Europe/London)") from None
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetContract:
        for name in self.key:
            if name not in self.columns:
                raise ValueError(f"key names {name}, which is not among the columns")
            if not self.columns[name].required:
                raise ValueError(f"the key column {name} must say required: true")
            if self.columns[name].type == "STRING" and self.columns[name].collation is None:
                raise ValueError(
                    f"the key column {name} is text and must say its collation: "
                    "case_insensitive, case_sensitive or exact"
                )
        if any(c.type == "DATETIME" for c in self.columns.values()) and not self.zone:
            raise ValueError("a DATETIME column needs `zone`, the zone of date-times without one (Europe/London)")
        known = {"snapshot": ["captured"], "rowversion": ["key_scan", "never"], "landed": ["captured"]}[
            self.capture.method
        ]
        if self.deletes not in known:
            raise ValueError(f"{self.capture.method} does not know deletes: {self.deletes}, only {', '.join(known)}")
        form = "dataset.table" if isinstance(self.capture, Landed) else "database.schema.table"
        if self.table.count(".") != form.count("."):
            raise ValueError(f"table must be {form}")
        return self

    @property
    def deletions_allowed(self) -> float:
        """The share of the known keys that may vanish in one batch, 0 to 1."""
        return float(self.deletes_at_most.rstrip("%")) / 100

    @property
    def position_column(self) -> str | None:
        """The column that orders versions of a row inside SQL Server, read along with the claims."""
        return self.capture.column if isinstance(self.capture, RowVersion) else None

    def read_columns(self, claimed: list[str]) -> list[str]:
        """What a batch holds: the key, the claims, and the position, each once, in the contract's order."""
        wanted = {*self.key, *claimed}
        columns = [name for name in self.columns if name in wanted]
        position = self.position_column
        return columns + ([position] if position and position not in columns else [])

    def column_type(self, name: str) -> str:
        """The BigQuery type of a read column; the rowversion column need not be declared: it is BYTES."""
        return self.columns[name].type if name in self.columns else "BYTES"


class EntityColumn(Strict):
    """A column of an entity. One with `references` holds the source's id in a mapping and becomes `<entity>_key`."""

    type: str = "STRING"
    privacy: Privacy = "none"
    describes: str = ""
    references: str | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_type(value)


class Event(Strict):
    """The topic of an entity; withheld columns are not part of an event."""

    topic: str = Field(pattern=r"[a-z0-9_]+(\.[a-z0-9_]+)*\.v[1-9][0-9]*")
    withhold: list[str] = Field(default_factory=list)


class Retention(Strict):
    keep: str
    after: str


class EntityContract(Strict):
    """`sql/common_model/<entity>/contract.yaml`."""

    describes: str
    owner: str
    mastered: Literal["by_customer"]
    precedence: list[str]
    event: Event
    consumers: list[str] = Field(default_factory=list)
    retention: Retention
    columns: dict[str, EntityColumn]

    @field_validator("columns")
    @classmethod
    def _names(cls, columns: dict[str, EntityColumn]) -> dict[str, EntityColumn]:
        return _column_names(columns)

    @model_validator(mode="after")
    def _fits_together(self) -> EntityContract:
        if sorted(self.precedence) != sorted(set(self.precedence)) or set(self.precedence) - set(SYSTEMS):
            raise ValueError(f"precedence lists each of {', '.join(SYSTEMS)} at most once, the first wins")
        for what, name in [("event.withhold", n) for n in self.event.withhold] + [
            ("retention.after", self.retention.after)
        ]:
            if name not in self.columns:
                raise ValueError(f"{what} names {name}, which is not among the columns")
        for name, column in self.columns.items():
            if column.references and not name.endswith("_id"):
                raise ValueError(f"the reference {name} must end in _id")
        return self

    @property
    def references(self) -> dict[str, str]:
        """Reference column to the entity that it refers to: {'customer_id': 'customer'}."""
        return {name: column.references for name, column in self.columns.items() if column.references}

    def model_columns(self) -> dict[str, str]:
        """The columns of `common_model.<entity>` without key and bookkeeping, name to type; references are keys."""
        return {
            (f"{column.references}_key" if column.references else name): column.type
            for name, column in self.columns.items()
        }

    def published(self) -> list[str]:
        """The columns of an event beside the key: not withheld, no special category."""
        return [
            f"{column.references}_key" if column.references else name
            for name, column in self.columns.items()
            if name not in self.event.withhold and column.privacy != "special"
        ]


def read_dataset(path: Path) -> DatasetContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return read_yaml(path, DatasetContract, _COMPARE)


def read_entity(path: Path) -> EntityContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return read_yaml(path, EntityContract, _COMPARE)


def _known_type(value: str) -> str:
    if value not in _TYPES:
        raise ValueError(f"'{value}' is not a type that we carry: write one of {', '.join(_TYPES)}")
    return value


def _column_names[T](columns: dict[str, T]) -> dict[str, T]:
    for name in columns:
        if not COLUMN.fullmatch(name):
            raise ValueError(f"'{name}' is not a column name: letters, digits and underscores, a letter first")
    return columns
