"""What do the owners of a dataset and of an entity promise? (`contract.yaml`)"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from include.durations import duration
from include.errors import DeclarationError
from include.names import SYSTEMS
from include.yaml_file import Mistake, raise_all, read_model

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
TYPES = (
    *("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL", "STRING", "BYTES"),
    *("DATE", "TIME", "DATETIME", "TIMESTAMP"),
)
NOT_FOR_KEYS = ("FLOAT64", "BYTES")
"""Types whose text is not one for one value: a key is compared as text."""
RESERVED = (
    *("system", "id_space", "source_key", "batch", "is_present", "rank"),
    *("source_system", "change_number", "changed_at", "operation", "is_event"),
)
"""What the tables of an entity have beside its own columns."""
Privacy = Literal["none", "personal", "special"]
Collation = Literal["case_insensitive", "case_sensitive", "exact"]


class Strict(BaseModel):
    """A part of a declaration: a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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

    @field_validator("settle")
    @classmethod
    def _settles(cls, value: str) -> str:
        try:
            duration(value, "capture.settle")
        except DeclarationError as error:
            raise ValueError(f"{error.problem}: {error.remedy}") from None
        return value

    @field_validator("partition", "offset", "landed_at")
    @classmethod
    def _path(cls, value: str) -> str:
        if not PATH.fullmatch(value):
            raise ValueError(f"'{value}' is neither a column nor a field of one (kafka_data.offset)")
        return value

    @property
    def settles_after(self) -> timedelta:
        return duration(self.settle, "capture.settle")


class DatasetColumn(Strict):
    """A column of a source. `refers_to` names the dataset of the same system whose key it holds.

    `offset_of` names a TIMESTAMP column: this one is no column of the table, but that one's minutes from UTC.
    """

    type: str
    required: bool = False
    privacy: Privacy = "none"
    describes: str = ""
    refers_to: str | None = None
    collation: Collation | None = None
    offset_of: str | None = None

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
        found = [*self._key_mistakes(), *self._capture_mistakes(), *self._offset_mistakes()]
        raise_all([*found, *_same_but_for_case(self.columns)])
        return self

    def _offset_mistakes(self) -> Iterator[Mistake]:
        for name, column in self.columns.items():
            if column.offset_of is None:
                continue
            at, of = ("columns", name), self.columns.get(column.offset_of)
            if of is None or of.type != "TIMESTAMP" or of.offset_of:
                yield at, f"offset_of names {column.offset_of}, which is no TIMESTAMP among the columns"
            if column.type != "INT64":
                yield at, f"{name} holds minutes from UTC: write type: INT64"
            if name in self.key or column.refers_to or column.collation:
                yield at, f"{name} holds minutes from UTC: it is no key, refers to nothing and has no collation"
            if isinstance(self.capture, Landed):
                yield at, f"{name} is read from SQL Server only: landing tables have no offset_of"

    def _key_mistakes(self) -> Iterator[Mistake]:
        for name in self.key:
            column, at = self.columns.get(name), ("columns", name)
            if column is None:
                yield ("key",), f"key names {name}, which is not among the columns"
                continue
            if not column.required:
                yield at, f"the key column {name} must say required: true"
            if column.type in NOT_FOR_KEYS:
                yield at, f"the key column {name} is {column.type}, and a key is compared as text: choose another"
            if column.type == "STRING" and column.collation is None:
                text = f"the key column {name} is text and must say its collation: "
                yield at, text + "case_insensitive, case_sensitive or exact"

    def _capture_mistakes(self) -> Iterator[Mistake]:
        for name, column in self.columns.items():
            if column.type == "DATETIME" and not self.zone:
                text = "a DATETIME column needs `zone`, the zone of date-times without one (Europe/London)"
                yield ("columns", name), text
        method, position = self.capture.method, self.position_column
        known = {"snapshot": ["captured"], "rowversion": ["key_scan", "never"], "landed": ["captured"]}[method]
        if self.deletes not in known:
            yield ("deletes",), f"{method} does not know deletes: {self.deletes}, only {', '.join(known)}"
        form = "dataset.table" if isinstance(self.capture, Landed) else "database.schema.table"
        if self.table.count(".") != form.count("."):
            yield ("table",), f"table must be {form}"
        if position in self.columns and self.columns[position].type != "BYTES":
            yield ("columns", position), f"{position} is a rowversion: it is BYTES, or need not be declared"

    @property
    def deletions_allowed(self) -> float:
        """The share of the known keys that may vanish in one batch, 0 to 1."""
        return float(self.deletes_at_most.rstrip("%")) / 100

    @property
    def position_column(self) -> str | None:
        """The column that orders versions of a row inside SQL Server, read along with the claims."""
        return self.capture.column if isinstance(self.capture, RowVersion) else None

    def in_table(self, columns: list[str]) -> list[str]:
        """The columns of the table that these are made of, each once."""
        declared = {name: self.columns[name].offset_of if name in self.columns else None for name in columns}
        return list(dict.fromkeys(of or name for name, of in declared.items()))

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

    topic: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*\.v[1-9][0-9]*$")
    withhold: list[str] = Field(default_factory=list)


class Retention(Strict):
    keep: str = Field(pattern=r"^[1-9][0-9]*[dmy]$")
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
        raise_all([*self._promise_mistakes(), *self._column_mistakes(), *_same_but_for_case(self.columns)])
        return self

    def _promise_mistakes(self) -> Iterator[Mistake]:
        if sorted(self.precedence) != sorted(set(self.precedence)) or set(self.precedence) - set(SYSTEMS):
            yield ("precedence",), f"precedence lists each of {', '.join(SYSTEMS)} at most once, the first wins"
        for name in self.event.withhold:
            if name not in self.columns:
                yield ("event",), f"event.withhold names {name}, which is not among the columns"
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
    return read_model(path, DatasetContract)


def read_entity(path: Path) -> EntityContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return read_model(path, EntityContract)


def _same_but_for_case(columns: Mapping[str, object]) -> Iterator[Mistake]:
    """BigQuery does not tell the cases of a column's name apart."""
    seen: dict[str, str] = {}
    for name in columns:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield ("columns", name), f"{other} and {name} are one column for BigQuery"


def _known_type(value: str) -> str:
    if value not in TYPES:
        raise ValueError(f"'{value}' is not a type that we carry: write one of {', '.join(TYPES)}")
    return value


def _column_names[T](columns: dict[str, T]) -> dict[str, T]:
    for name in columns:
        if not COLUMN.fullmatch(name):
            raise ValueError(f"'{name}' is not a column name: letters, digits and underscores, a letter first")
    return columns
