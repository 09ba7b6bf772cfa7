"""What do the owners of a dataset and of an entity promise? (`contract.yaml`)"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from include.durations import duration
from include.errors import DeclarationError
from include.names import SYSTEMS, place

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
TYPE = re.compile(r"(INT64|FLOAT64|BOOL|STRING|BYTES|DATE|TIME|DATETIME|TIMESTAMP|NUMERIC|BIGNUMERIC)")
NOT_FOR_KEYS = ("FLOAT64", "BYTES")
"""Types whose text is not one for one value: a key is compared as text."""
Privacy = Literal["none", "personal", "special"]
Collation = Literal["case_insensitive", "case_sensitive", "exact"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Snapshot(_Strict):
    """Everything is read each time, in one transaction."""

    method: Literal["snapshot"]


class RowVersion(_Strict):
    """Rows whose rowversion lies in a window are read."""

    method: Literal["rowversion"]
    column: str


class Landed(_Strict):
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


class DatasetColumn(_Strict):
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


class DatasetContract(_Strict):
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


class EntityColumn(_Strict):
    """A column of an entity. One with `references` holds the source's id in a mapping and becomes `<entity>_key`."""

    type: str = "STRING"
    privacy: Privacy = "none"
    describes: str = ""
    references: str | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_type(value)


class Event(_Strict):
    """The topic of an entity; withheld columns are not part of an event."""

    topic: str = Field(pattern=r"[a-z0-9_]+(\.[a-z0-9_]+)*\.v[1-9][0-9]*")
    withhold: list[str] = []


class Retention(_Strict):
    keep: str
    after: str


class EntityContract(_Strict):
    """`sql/common_model/<entity>/contract.yaml`."""

    describes: str
    owner: str
    mastered: Literal["by_customer"]
    precedence: list[str]
    event: Event
    consumers: list[str] = []
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
    return _read(path, DatasetContract)


def read_entity(path: Path) -> EntityContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return _read(path, EntityContract)


def line_of(path: Path, *at: str | int) -> str:
    """`path:line` of a part of a contract, `("columns", "Surname")`; of the nearest part around it that is there."""
    lines: dict[tuple[Any, ...], int] = {}
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    _plain(node, (), lines, place(path))
    while at and at not in lines:
        at = at[:-1]
    return f"{place(path)}:{lines.get(at, 1)}"


def _read[T: _Strict](path: Path, model: type[T]) -> T:
    where = place(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise DeclarationError(
            "there is no such contract", where=where, remedy="write it, or correct the name"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeclarationError(
            f"not YAML: {error.problem}", where=f"{where}:{line}", remedy="mend the syntax"
        ) from None
    lines: dict[tuple[Any, ...], int] = {}
    data = _plain(node, (), lines, where)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _declaration_error(error, lines, where) from None


def _plain(node: yaml.Node | None, at: tuple[Any, ...], lines: dict[tuple[Any, ...], int], file: str) -> Any:
    """The node as Python's own values; fills `lines` with the line of each path; refuses a key given twice."""
    if node is None:
        return None
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in found:
                where = f"{file}:{key.start_mark.line + 1}"
                raise DeclarationError(f"'{key.value}' is given twice", where=where, remedy="keep one of them")
            lines[(*at, key.value)] = key.start_mark.line + 1
            found[key.value] = _plain(value, (*at, key.value), lines, file)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*at, index), lines, file) for index, value in enumerate(node.value)]
    return yaml.SafeLoader("").construct_object(node)


def _declaration_error(error: ValidationError, lines: Mapping[tuple[Any, ...], int], file: str) -> DeclarationError:
    """All that pydantic found, each with its line; the first one's place is the error's."""
    found = []
    for problem in error.errors():
        at = tuple(problem["loc"])
        while at not in lines and at:
            at = at[:-1]
        label = ".".join(str(part) for part in problem["loc"]) or "the contract"
        found.append((lines.get(at, 1), f"{label}: {problem['msg'].removeprefix('Value error, ')}"))
    text = "; ".join(f"line {line}: {message}" for line, message in found)
    remedy = (
        "correct these lines; sql/sources/sse/customer and sql/common_model/customer hold contracts to compare with"
    )
    return DeclarationError(text, where=f"{file}:{found[0][0]}", remedy=remedy)


def _known_type(value: str) -> str:
    if not TYPE.fullmatch(value):
        raise ValueError(
            f"'{value}' is not a type that we carry (INT64, STRING, NUMERIC, DATE, DATETIME, TIMESTAMP, …)"
        )
    return value


def _column_names[T](columns: dict[str, T]) -> dict[str, T]:
    for name in columns:
        if not COLUMN.fullmatch(name):
            raise ValueError(f"'{name}' is not a column name: letters, digits and underscores, a letter first")
    return columns
