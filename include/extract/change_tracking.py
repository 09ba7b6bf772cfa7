"""Which keys has change tracking noted since a version, and what do their rows say now?

All is asked in one snapshot transaction: whether the version is still valid, which is the current one, and the changes
between them. (Microsoft, "Work with change tracking", section "Using snapshot isolation")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from include.extract.query import Query, object_id, quoted, select, table
from include.extract.way import Position, Session, Way
from include.names import IS_GONE

_NAME, _BEGUN = "version", "begun"
_CURRENT = "SELECT CHANGE_TRACKING_CURRENT_VERSION()"


@dataclass(frozen=True)
class ChangeTrackingWay(Way):
    """A window holds each changed key once, with its row as it is now, or none when it is gone.

    TRUNCATE TABLE notes none of its rows, and the oldest valid version may then be our own: only the version at which
    the tracking of the table began tells of it ("sys.change_tracking_tables"). Of a table that was truncated before
    anything at all was tracked since it was enabled, nothing does.
    """

    table: str
    key: Sequence[str]
    marks = MappingProxyType({IS_GONE: "BOOL"})

    def inside(self, session: Session, low: Position | None) -> Position:
        version = session.scalar(_CURRENT)
        if version is None:
            return {}
        begun = session.scalar(f"SELECT begin_version FROM sys.change_tracking_tables WHERE object_id = {self._id}")
        return {_NAME: str(version)} | ({} if begun is None else {_BEGUN: str(begun)})

    def missing(self, session: Session, high: Position, columns: Sequence[str]) -> str | None:
        is_hidden = self._oldest(session) is None or _BEGUN not in high
        return "change tracking of this table" if is_hidden else None

    def check(self, session: Session, low: Position, high: Position) -> str | None:
        minimum = self._oldest(session)
        if int(high[_NAME]) < int(low[_NAME]):
            return "a version that fell"
        if minimum is not None and int(low[_NAME]) < minimum:
            return f"forgotten the changes since version {low[_NAME]} (it keeps those since {minimum})"
        if low.get(_BEGUN, high.get(_BEGUN)) != high.get(_BEGUN):  # older entries of the log do not have it
            return "forgotten the changes since our position: the table was truncated, or its tracking begun anew"
        return None

    def _oldest(self, session: Session) -> int | None:
        """The oldest version since which the changes are all kept; None without change tracking, or without the right
        to see it."""
        found = session.scalar(f"SELECT CHANGE_TRACKING_MIN_VALID_VERSION({self._id})")
        return None if found is None else int(found)

    @property
    def _id(self) -> str:
        return object_id(self.table)

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        """Rows of keys that are gone are NULL beside their key."""
        on = " AND ".join(f"t.{quoted(name)} = c.{quoted(name)}" for name in self.key)
        first = quoted(self.key[0])
        return select(
            columns,
            f"FROM CHANGETABLE(CHANGES {table(self.table)}, ?) AS c LEFT JOIN {table(self.table)} AS t ON {on}",
            (int(low[_NAME]),),
            converted=converted,
            aliases=dict.fromkeys(self.key, "c"),
            also={IS_GONE: f"CAST(CASE WHEN t.{first} IS NULL THEN 1 ELSE 0 END AS bit)"},
            counted=f"c.{first}",
        )
