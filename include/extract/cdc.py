"""What has change data capture noted between two log sequence numbers? (one net change for each key)

Its interval is closed: from the number after the last one seen to the newest that was captured. The capture runs behind
the commits; so after a full or a cohort the windows go on only when it has passed the end of that, else older images
would be merged over newer rows. (Microsoft, "cdc.fn_cdc_get_net_changes_<capture_instance>")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from include.extract import clocks
from include.extract.query import Query, select
from include.extract.way import Behind, Position, Session, Way
from include.names import IS_GONE

_NAME, _ENDED = "lsn", "full_ended_at"
_NEWEST = "SELECT sys.fn_cdc_get_max_lsn()"
_SUPPORTS_NET = "SELECT supports_net_changes FROM cdc.change_tables WHERE capture_instance = ?"
_CAPTURED = (
    "SELECT c.name FROM cdc.captured_columns AS k JOIN cdc.change_tables AS t ON t.object_id = k.object_id "
    "JOIN sys.columns AS c ON c.object_id = t.source_object_id AND c.column_id = k.column_id "
    "AND c.name = k.column_name WHERE t.capture_instance = ? AND c.is_computed = 0"
)
_CLOCKS = "SELECT GETUTCDATE(), GETDATE()"
_NOW = "SELECT CONVERT(varchar(23), DATEADD(minute, {}, GETDATE()), 126)"  # the clock of cdc.lsn_time_mapping
_BEHIND = "SELECT sys.fn_cdc_map_lsn_to_time(CAST(? AS binary(10))), GETDATE()"
_MOST_BEHIND = timedelta(hours=2)  # more than the hour by which a clock is put forward
_REACHED = "SELECT sys.fn_cdc_map_time_to_lsn('smallest greater than', CAST(? AS datetime))"


@dataclass(frozen=True)
class CdcWay(Way):
    """A window holds each changed key once, with its row as it was at the window's end, or as it was deleted.

    Net changes, because SQL Server alone can order the changes of one key within a transaction: `__$seqval` must not be
    used for it ("cdc.<capture_instance>_CT"), and the functions do not give `__$command_id`.
    """

    instance: str
    marks = MappingProxyType({IS_GONE: "BOOL"})

    def inside(self, session: Session, low: Position | None) -> Position:
        newest = session.scalar(_NEWEST)
        if newest is None:
            return {}
        ended = (low or {}).get(_ENDED)
        if low and ended and not self.has_captured(session, low):
            return low  # the capture has not come past that end: an empty window that goes no further
        return {_NAME: bytes(newest).hex()}

    def after_picture(self, session: Session) -> Position:
        """An hour more on the night when the clocks have gone back: what was captured before they did has later times
        than now, and would be taken for what came after the picture."""
        utc, local = session.rows(_CLOCKS)[0]
        offset = timedelta(minutes=round((local - utc).total_seconds() / 60))
        longer = clocks.MOST if clocks.went_back(utc, offset) else timedelta(0)
        return {_ENDED: str(session.scalar(_NOW.format(int(longer.total_seconds() / 60))))}

    def has_captured(self, session: Session, ended: Position) -> bool:
        return session.scalar(_REACHED, (ended[_ENDED],)) is not None

    def missing(self, session: Session, high: Position, columns: Sequence[str]) -> str | None:
        """A column that is not captured, was dropped and made anew since, or is computed comes as NULL."""
        supported = session.scalar(_SUPPORTS_NET, (self.instance,))
        if not high or supported is None:
            return f"capture instance {self.instance}"
        if not supported:
            return f"net changes in its capture instance {self.instance} (a primary key, @supports_net_changes = 1)"
        captured = {name for (name,) in session.rows(_CAPTURED, (self.instance,))}
        lacking = [name for name in columns if name not in captured]
        return f"column {', '.join(lacking)} in its capture instance {self.instance} as it is now" if lacking else None

    def behind(self, session: Session, low: Position | None, high: Position) -> Behind | None:
        """A capture that stands still gives empty windows for ever. (An idle one makes an entry every five minutes.)"""
        newest, now = session.rows(_BEHIND, (session.scalar(_NEWEST),))[0]  # a window that waits ends earlier
        if newest is None or now - newest <= _MOST_BEHIND:
            return None
        hours = (now - newest).total_seconds() / 3600
        remedy = "tried again by itself; have the owner look at the capture job (SQL Server Agent, sys.dm_cdc_errors)"
        return Behind(f"CDC has captured nothing for {hours:.1f} hours", remedy, is_stopped=True)

    def check(self, session: Session, low: Position, high: Position) -> str | None:
        if _bytes(high) < _bytes(low):
            return "a log sequence number that fell"
        if _bytes(high) > _bytes(low) and _next(low) < self._oldest(session):
            return "forgotten the changes since our position (its clean-up has passed it)"
        return None

    def _oldest(self, session: Session) -> bytes:
        """Zeros without such an instance, or without the right to see it."""
        return bytes(session.scalar(f"SELECT sys.fn_cdc_get_min_lsn(N'{self.instance}')") or bytes(10))

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        if _bytes(high) <= _bytes(low):
            return None
        function = f"[cdc].[fn_cdc_get_net_changes_{self.instance}]"
        return select(
            columns,
            f"FROM {function}(CAST(? AS binary(10)), CAST(? AS binary(10)), N'all')",
            (_next(low), _bytes(high)),
            converted=converted,
            also={IS_GONE: "CAST(CASE WHEN [__$operation] = 1 THEN 1 ELSE 0 END AS bit)"},
        )


def _bytes(position: Position) -> bytes:
    return bytes.fromhex(position[_NAME])


def _next(position: Position) -> bytes:
    """The number after a position, as sys.fn_cdc_increment_lsn gives it."""
    return (int.from_bytes(_bytes(position)) + 1).to_bytes(10)
