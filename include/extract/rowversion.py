"""Which rows have a rowversion in a window?

A rowversion is given when a row is written and seen when that commits. So the upper bound is the lowest one that an
open transaction may still commit, and it is read before the picture is taken: the other way round, what commits in
between lies below the bound and outside the picture, and is lost for ever.
(Microsoft, "MIN_ACTIVE_ROWVERSION (Transact-SQL)")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.extract.catalog import is_indexed
from include.extract.query import MIN_ACTIVE_ROWVERSION, Query, quoted, select, table
from include.extract.way import Behind, Position, Session, Way

_NAME = "rowversion"


@dataclass(frozen=True)
class RowVersionWay(Way):
    """`column` is the rowversion of `table`. Windows are [low, high), compared as unsigned big-endian binary(8)."""

    table: str
    column: str

    def before(self, session: Session) -> Position:
        return {_NAME: bytes(session.scalar(MIN_ACTIVE_ROWVERSION.sql)).hex()}

    def check(self, session: Session, low: Position, high: Position) -> str | None:
        return "a counter that fell" if _bytes(high) < _bytes(low) else None

    def behind(self, session: Session, low: Position | None, high: Position) -> Behind | None:
        """A transaction that stays open holds the bound back: what commits meanwhile comes late."""
        if low is None or _bytes(high) > _bytes(low) or bytes(session.scalar("SELECT @@DBTS")) < _bytes(high):
            return None
        problem = "a transaction has been open since the batch before, and holds all later changes back"
        return Behind(problem, "have the owner find it: DBCC OPENTRAN, sys.dm_tran_database_transactions")

    def window(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        column = quoted(self.column)
        where = f"{column} >= CAST(? AS binary(8)) AND {column} < CAST(? AS binary(8))"
        bounds = _bytes(low), _bytes(high)
        return select(columns, f"FROM {table(self.table)} WHERE {where}", bounds, converted=converted)

    def cut(self, session: Session, low: Position, high: Position, rows: int) -> Position:
        if not is_indexed(session, self.table, self.column):
            return high
        column = quoted(self.column)
        found = session.scalar(
            f"SELECT {column} FROM {table(self.table)} WHERE {column} >= CAST(? AS binary(8)) "
            f"AND {column} < CAST(? AS binary(8)) ORDER BY {column} OFFSET {rows} ROWS FETCH NEXT 1 ROWS ONLY",
            (_bytes(low), _bytes(high)),
        )
        return high if found is None else {_NAME: bytes(found).hex()}

    def catch_up(
        self, columns: Sequence[str], low: Position, high: Position, converted: Mapping[str, str]
    ) -> Query | None:
        """Up to the end: what committed above a bound that is held back may have moved between two ranges."""
        source = f"FROM {table(self.table)} WHERE {quoted(self.column)} >= CAST(? AS binary(8))"
        return select(columns, source, (_bytes(low),), converted=converted)


def _bytes(position: Position) -> bytes:
    return bytes.fromhex(position[_NAME])
