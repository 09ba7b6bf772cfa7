"""What does the owner of a dataset promise? (`sql/sources/<system>/<dataset>/contract.yaml`)"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from include.contract.capture import Capture, FlaggedBy, Landed, RowVersion, Snapshot, Timestamp, lasting
from include.contract.words import (
    NOT_FOR_KEYS,
    Collation,
    Privacy,
    column_names,
    known_type,
    same_but_for_case,
)
from include.durations import duration
from include.parts import Mistake, Strict, Whole, as_far_as_right
from include.yaml_file import read_model

_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


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
        return known_type(value)


_DELETES = {
    "snapshot": ("captured",),
    "rowversion": ("key_scan", "never", "flagged_by"),
    "change_tracking": ("captured",),
    "cdc": ("captured",),
    "timestamp": ("key_scan", "never", "flagged_by"),
    "landed": ("captured",),
}
"""How each way of capture can learn that a row is gone."""


class DatasetContract(Whole):
    """`sql/sources/<system>/<dataset>/contract.yaml`."""

    describes: str
    owner: str
    table: str
    key: list[str] = Field(min_length=1)
    capture: Capture
    deletes: Literal["never", "captured", "key_scan"] | FlaggedBy
    deletes_at_most: str = "1%"
    quarantine_at_most: str = "0.1%"
    key_scan_every: str | None = None
    full_every: str | None = None
    zone: str | None = None
    split_by: str | None = None
    rows_per_range: int | None = Field(default=None, ge=1)
    cohort_by: str | None = None
    quiet_hours: str | None = None
    columns: dict[str, DatasetColumn]

    @field_validator("columns")
    @classmethod
    def _names(cls, columns: dict[str, DatasetColumn]) -> dict[str, DatasetColumn]:
        return column_names(columns)

    @field_validator("deletes_at_most", "quarantine_at_most")
    @classmethod
    def _percentage(cls, value: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?%", value):
            raise ValueError(f"'{value}' is not a percentage (1%)")
        return value

    @field_validator("key_scan_every", "full_every")
    @classmethod
    def _lasts(cls, value: str | None) -> str | None:
        return value and lasting(value)

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and not _HOURS.fullmatch(value):
            raise ValueError(f"'{value}' is not a span of hours (22:00-06:00)")
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        try:
            zoneinfo.ZoneInfo(value or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"'{value}' is no zone of the time-zone database (Europe/London)") from None
        return value

    def mistakes(self) -> Iterator[Mistake]:
        return as_far_as_right(
            self._keys_mistakes,
            self._columns_mistakes,
            self._deletes_mistakes,
            self._table_mistakes,
            self._position_mistakes,
            self._named_mistakes,
            self._cohort_mistakes,
            self._split_mistakes,
            self._overlap_mistakes,
            lambda: same_but_for_case(self.columns),
        )

    def _columns_mistakes(self) -> Iterator[Mistake]:
        for given in self.columns.items():
            yield from as_far_as_right(partial(self._zone_mistakes, *given), partial(self._offset_mistakes, *given))

    def _offset_mistakes(self, name: str, column: DatasetColumn) -> Iterator[Mistake]:
        if column.offset_of is None:
            return
        at, of = ("columns", name), self.columns.get(column.offset_of)
        if of is None or of.type != "TIMESTAMP" or of.offset_of:
            yield at, f"offset_of names {column.offset_of}, which is no TIMESTAMP among the columns"
        if column.type != "INT64":
            yield at, f"{name} holds minutes from UTC: write type: INT64"
        if name in self.key or column.refers_to or column.collation:
            yield at, f"{name} holds minutes from UTC: it is no key, refers to nothing and has no collation"
        if isinstance(self.capture, Landed):
            yield at, f"{name} is read from SQL Server only: landing tables have no offset_of"

    def _keys_mistakes(self) -> Iterator[Mistake]:
        for name in self.key:
            yield from as_far_as_right(partial(self._key_mistakes, name))

    def _key_mistakes(self, name: str) -> Iterator[Mistake]:
        column, at = self.columns.get(name), ("columns", name)
        if column is None:
            yield ("key",), f"key names {name}, which is not among the columns"
            return
        if not column.required:
            yield at, f"the key column {name} must say required: true"
        if column.type in NOT_FOR_KEYS:
            yield at, f"the key column {name} is {column.type}, and a key is compared as text: choose another"
        if column.type == "STRING" and column.collation is None:
            text = f"the key column {name} is text and must say its collation: "
            yield at, text + "case_insensitive, case_sensitive or exact"

    def _zone_mistakes(self, name: str, column: DatasetColumn) -> Iterator[Mistake]:
        if column.type == "DATETIME" and not self.zone:
            text = "a DATETIME column needs `zone`, the zone of date-times without one (Europe/London)"
            yield ("columns", name), text

    def _deletes_mistakes(self) -> Iterator[Mistake]:
        if self.key_scan_every and self.deletes != "key_scan":
            yield ("key_scan_every",), "key_scan_every is for deletes: key_scan alone"
        method, allowed = self.capture.method, _DELETES[self.capture.method]
        if self.deletes_by not in allowed:
            yield ("deletes",), f"{method} does not know deletes: {self.deletes_by}, only {', '.join(allowed)}"

    def _table_mistakes(self) -> Iterator[Mistake]:
        form = "dataset.table" if isinstance(self.capture, Landed) else "database.schema.table"
        if self.table.count(".") != form.count("."):
            yield ("table",), f"table must be {form}"

    def _position_mistakes(self) -> Iterator[Mistake]:
        position = self.position_column
        if position in self.columns and self.columns[position].type != "BYTES":
            yield ("columns", position), f"{position} is a rowversion: it is BYTES, or need not be declared"

    def _named_mistakes(self) -> Iterator[Mistake]:
        """Columns that other lines than `columns` name."""
        moments = ("DATETIME", "TIMESTAMP", "STRING")  # datetime2(7) is carried as text
        return as_far_as_right(
            lambda: self._name_mistakes(("split_by",), self.split_by, ("INT64", "DATE")),
            lambda: self._name_mistakes(("cohort_by",), self.cohort_by, ("INT64", "STRING")),
            lambda: self._name_mistakes(("deletes", "flagged_by"), self.flag_column, ("BOOL",)),
            lambda: self._name_mistakes(("capture", "column"), self.moment_column, moments),
        )

    def _name_mistakes(self, at: tuple[str, ...], name: str | None, types: tuple[str, ...]) -> Iterator[Mistake]:
        if name is None:
            return
        column = self.columns.get(name)
        if column is None:
            yield at, f"{'.'.join(at)} names {name}, which is not among the columns"
        elif column.type not in types:
            yield at, f"{'.'.join(at)} names {name}, which is {column.type}: it must be {' or '.join(types)}"
        elif at in (("split_by",), ("capture", "column")) and not column.required:
            yield ("columns", name), f"{name}, which {'.'.join(at)} names, must say required: true"

    def _cohort_mistakes(self) -> Iterator[Mistake]:
        for at, name in (("cohort_by", self.cohort_by), ("split_by", self.split_by)):
            if name in self.columns and self.columns[name].privacy != "none":
                yield (at,), f"{at} names {name}, which is personal, and what is asked for by it is kept with a run"
        cohort_by = self.columns.get(self.cohort_by or "")
        if cohort_by and not cohort_by.refers_to and self.key != [self.cohort_by]:
            text = f"cohort_by names {self.cohort_by}, of which nobody knows whose ids it holds"
            yield ("cohort_by",), f"{text}: name the key, or a column that says refers_to"

    def _split_mistakes(self) -> Iterator[Mistake]:
        if self.split_by and isinstance(self.capture, Snapshot | Landed | Timestamp):
            yield ("split_by",), f"{self.capture.method} reads in one picture, never in ranges: leave split_by out"
        if self.rows_per_range and not self.split_by:
            yield ("rows_per_range",), "rows_per_range is for split_by alone"

    def _overlap_mistakes(self) -> Iterator[Mistake]:
        if not isinstance(self.capture, Timestamp):
            return
        column = self.columns.get(self.capture.column)
        if column and column.type != "TIMESTAMP" and self.capture.overlaps_by <= timedelta(hours=1):
            text = "an hour comes twice in autumn, so a column without zone needs an overlap of more than 1h (2h)"
            yield ("capture", "overlap"), text

    @property
    def deletions_allowed(self) -> float:
        """The share of the known keys that may vanish in one batch, 0 to 1."""
        return float(self.deletes_at_most.rstrip("%")) / 100

    @property
    def quarantine_share(self) -> float:
        """The share of the known keys (or of those that came, if they are more) that may be kept aside, 0 to 1."""
        return float(self.quarantine_at_most.rstrip("%")) / 100

    @property
    def position_column(self) -> str | None:
        """The column that orders versions of a row inside SQL Server, read along with the claims."""
        return self.capture.column if isinstance(self.capture, RowVersion) else None

    @property
    def moment_column(self) -> str | None:
        """The column that says when its row was last modified."""
        return self.capture.column if isinstance(self.capture, Timestamp) else None

    @property
    def flag_column(self) -> str | None:
        """The column that is true for a row that is gone."""
        return self.deletes.flagged_by if isinstance(self.deletes, FlaggedBy) else None

    @property
    def read_along(self) -> list[str]:
        """What a merge needs beside key and claims: which row is the newer, and whether it is gone."""
        return [name for name in (self.position_column, self.flag_column) if name]

    @property
    def deletes_by(self) -> str:
        """The word of `deletes`."""
        return "flagged_by" if isinstance(self.deletes, FlaggedBy) else self.deletes

    @property
    def has_position(self) -> bool:
        """Whether a batch at SQL Server goes on where the one before ended."""
        return not isinstance(self.capture, Snapshot | Landed)

    @property
    def is_read_whole_after(self) -> timedelta | None:
        """How old the last full may be; None: there need not be another."""
        every = self.capture.full_every if isinstance(self.capture, Timestamp) else self.full_every
        return duration(every, "full_every") if every else None

    @property
    def scans_keys_after(self) -> timedelta:
        """How old the last look at all keys may be."""
        return duration(self.key_scan_every, "key_scan_every") if self.key_scan_every else timedelta(0)

    def in_table(self, columns: list[str]) -> list[str]:
        """The columns of the table that these are made of, each once."""
        declared = {name: self.columns[name].offset_of if name in self.columns else None for name in columns}
        return list(dict.fromkeys(of or name for name, of in declared.items()))

    def read_columns(self, claimed: list[str]) -> list[str]:
        """What a batch holds: the key, the claims, and what capture and deletions need, each once, in the contract's
        order."""
        wanted = {*self.key, *claimed, self.moment_column, self.flag_column}
        columns = [name for name in self.columns if name in wanted]
        position = self.position_column
        return columns + ([position] if position and position not in columns else [])

    def column_type(self, name: str) -> str:
        """The BigQuery type of a read column; the rowversion column need not be declared: it is BYTES."""
        return self.columns[name].type if name in self.columns else "BYTES"


def read_dataset(path: Path) -> DatasetContract:
    """Raises DeclarationError with path:line for each thing that is wrong."""
    return read_model(path, DatasetContract)
