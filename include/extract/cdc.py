"""What has change data capture noted between two log sequence numbers?

Its interval is closed: from the number after the last one seen to the newest that was captured. The capture runs behind
the commits; so after a full the windows begin only when it has passed the full's end, else older images would be merged
over newer rows. (Microsoft, "cdc.fn_cdc_get_all_changes_<capture_instance>")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from include.extract.query import Query, select
from include.extract.way import Position, Session
from include.names import IS_GONE, ORDER

_NAME, _ENDED = "lsn", "full_ended_at"
_NEWEST = "SELECT sys.fn_cdc_get_max_lsn()"
_NOW = "SELECT CONVERT(varchar(23), GETDATE(), 126)"  # the clock that cdc.lsn_time_mapping is written by
_REACHED = "SELECT sys.fn_cdc_map_time_to_lsn('smallest greater than', CAST(? AS datetime))"


@dataclass(frozen=True)
class CdcWay:
    """A window holds every change of a key; `_position` (LSN, place in the transaction, operation) orders them."""

    instance: str
    key: Sequence[str]
    marks: Mapping[str, str] = field(default_factory=lambda: {IS_GONE: "BOOL", ORDER: "BYTES"})

    def before(self, session: Session) -> Position:
        return {}

    def inside(self, session: Session, low: Position | None) -> Position:
        newest = session.scalar(_NEWEST)
        if newest is None:
            return {}
        ended = (low or {}).get(_ENDED)
        if low and ended and session.scalar(_REACHED, (ended,)) is None:
            return low  # the capture has not come past the full's end: an empty window that goes no further
        return {_NAME: bytes(newest).hex()}

    def after_full(self, session: Session) -> Position:
        return {_ENDED: str(session.scalar(_NOW))}

    def missing(self, session: Session, high: Position) -> str | None:
        return f"capture instance {self.instance}" if not high or not any(self._oldest(session)) else None

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
        function = f"[cdc].[fn_cdc_get_all_changes_{self.instance}]"
        return select(
            columns,
            f"FROM {function}(CAST(? AS binary(10)), CAST(? AS binary(10)), N'all')",
            (_next(low), _bytes(high)),
            converted=converted,
            also={
                IS_GONE: "CAST(CASE WHEN [__$operation] = 1 THEN 1 ELSE 0 END AS bit)",
                ORDER: "[__$start_lsn] + [__$seqval] + CAST([__$operation] AS binary(1))",
            },
        )


def _bytes(position: Position) -> bytes:
    return bytes.fromhex(position[_NAME])


def _next(position: Position) -> bytes:
    """The number after a position, as sys.fn_cdc_increment_lsn gives it."""
    return (int.from_bytes(_bytes(position)) + 1).to_bytes(10)
