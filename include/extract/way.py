"""What must a way of capture be able to do?

A module for each: rowversion, change_tracking, cdc, timestamp. What has no position is read as a whole each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from include.extract.query import Query

Position = Mapping[str, str]
"""Where the next window begins, as the log keeps it; empty before anything was seen."""


class Session(Protocol):
    """What we need of a SQL Server connection: `include.clients.sql_server.Session`."""

    def scalar(self, sql: str, params: Sequence[Any] = ()) -> Any: ...
    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...
    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]: ...
    def snapshot(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Behind:
    """What holds changes back, and what to do; `is_stopped`: it does not go on by itself."""

    problem: str
    remedy: str
    is_stopped: bool = False


class Way:
    """One way of capture, of one table. As it stands here: `snapshot`, which has no position and so no window."""

    marks: Mapping[str, str] = {}
    """What a window's parts hold beside the columns that were asked for, name to BigQuery type."""

    def before(self, session: Session) -> Position:
        """The upper bound, where it must be fixed before the picture is taken; else empty."""
        return {}

    def inside(self, session: Session, low: Position | None) -> Position:
        """The upper bound as the picture has it; asked first in it, where `before` gave none. `low`: of a window."""
        return {}

    def after_picture(self, session: Session) -> Position:
        """What the position of a full or a cohort must say beside its upper bound; asked last in the picture."""
        return {}

    def missing(self, session: Session, high: Position, columns: Sequence[str]) -> str | None:
        """Asked in the picture: what the source lacks for capturing these columns of its table, or None."""
        return None

    def check(self, session: Session, low: Position, high: Position) -> str | None:
        """Asked in the picture of a window: why the position is worth nothing any more, or None."""
        return None

    def behind(self, session: Session, low: Position | None, high: Position) -> Behind | None:
        """Asked in the picture: why changes that are made may be missing from it, though none is lost."""
        return None

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        """The rows of a window; None when there can be none. `converted`: column to the T-SQL that gives it exactly,
        where its name would not."""
        raise AssertionError("a snapshot has no window")

    def cut(self, session: Session, low: Position, high: Position, rows: int) -> Position:
        """Asked in the picture of a window: an upper bound with about so many rows below it, where an index finds it;
        else, and where there are not more, `high`."""
        return high

    def catch_up(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        """All that has changed since `low` in the picture, for a full that was read in ranges: it must not be bounded
        from above, as a full is not."""
        return self.window(columns, low, high, converted)

    def has_captured(self, session: Session, ended: Position) -> bool:
        """Whether a window would hold by now what had changed until a picture's end (`after_picture`)."""
        return True
