"""Which rows have been modified since a moment, as they say themselves?

The newest moment seen stays in the source's own precision, as text: cut to microseconds it would read the same row for
ever, or none. Each window begins `overlap` before it, because a row that commits late carries an older moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from include.extract.query import Query, quoted, select, table
from include.extract.way import Position, Session, Way

_NAME = "moment"


@dataclass(frozen=True)
class TimestampWay(Way):
    """`column` says when its row was last modified; `has_zone`: it is a datetimeoffset."""

    table: str
    column: str
    overlap: timedelta
    has_zone: bool

    def inside(self, session: Session, low: Position | None) -> Position:
        """The newest moment that has come, by the source's clock: windows that begin at one which has not would miss
        what happens till then."""
        column, clock = quoted(self.column), "SYSDATETIMEOFFSET()" if self.has_zone else "SYSDATETIME()"
        newest = session.scalar(
            f"SELECT CONVERT(varchar(34), MAX({column}), 121) FROM {table(self.table)} WHERE {column} <= {clock}"
        )
        return {_NAME: str(newest)} if newest is not None else dict(low or {})

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        """It has no upper bound: what is newer than `high` is read now and again."""
        kind = "datetimeoffset(7)" if self.has_zone else "datetime2(7)"
        begins = f"DATEADD(second, -{int(self.overlap.total_seconds())}, CAST(? AS {kind}))"
        source = f"FROM {table(self.table)} WHERE {quoted(self.column)} >= {begins}"
        return select(columns, source, (low[_NAME],), converted=converted)
