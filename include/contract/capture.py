"""How can what changed at a source be captured? (`capture` and `deletes` of a dataset's contract)"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator

from include.durations import duration
from include.errors import DeclarationError
from include.parts import Strict

PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Snapshot(Strict):
    """Everything is read each time, in one transaction."""

    method: Literal["snapshot"]


class RowVersion(Strict):
    """Rows whose rowversion lies in a window are read."""

    method: Literal["rowversion"]
    column: str


class ChangeTracking(Strict):
    """The keys that changed since a version, with their rows as they are now, are read."""

    method: Literal["change_tracking"]


class ChangeDataCapture(Strict):
    """The changes of an interval of log sequence numbers are read; `instance` is the capture instance's name."""

    method: Literal["cdc"]
    instance: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")


class Timestamp(Strict):
    """Rows whose `column` is not older than the newest one seen, less `overlap`, are read.

    What appears later than that with an older time is found by the next full alone: `full_every`.
    """

    method: Literal["timestamp"]
    column: str
    overlap: str
    full_every: str

    @field_validator("overlap", "full_every")
    @classmethod
    def _lasts(cls, value: str) -> str:
        return lasting(value)

    @property
    def overlaps_by(self) -> timedelta:
        return duration(self.overlap, "capture.overlap")


class FlaggedBy(Strict):
    """A row is gone when this BOOL column of it is true."""

    flagged_by: str


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
        return lasting(value)

    @field_validator("partition", "offset", "landed_at")
    @classmethod
    def _path(cls, value: str) -> str:
        if not PATH.fullmatch(value):
            raise ValueError(f"'{value}' is neither a column nor a field of one (kafka_data.offset)")
        return value

    @property
    def settles_after(self) -> timedelta:
        return duration(self.settle, "capture.settle")


Capture = Annotated[
    Snapshot | RowVersion | ChangeTracking | ChangeDataCapture | Timestamp | Landed, Field(discriminator="method")
]


def lasting(value: str) -> str:
    """A duration as it is written; raises ValueError."""
    try:
        duration(value, "")
    except DeclarationError as error:
        raise ValueError(f"{error.problem}: {error.remedy}") from None
    return value
