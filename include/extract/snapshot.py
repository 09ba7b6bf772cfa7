"""How is a table read that tells nothing of what changed? (everything, each time)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.extract.query import Query
from include.extract.way import Position, Session


class SnapshotWay:
    """No position, so no window."""

    marks: Mapping[str, str] = {}

    def before(self, session: Session) -> Position:
        return {}

    def inside(self, session: Session, low: Position | None) -> Position:
        return {}

    def after_full(self, session: Session) -> Position:
        return {}

    def missing(self, session: Session, high: Position) -> str | None:
        return None

    def check(self, session: Session, low: Position, high: Position) -> str | None:
        raise AssertionError("a snapshot has no window")

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        raise AssertionError("a snapshot has no window")
