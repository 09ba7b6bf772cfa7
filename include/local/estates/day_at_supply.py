"""What happens to SSE's supply points, meters and readings on a business day?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.clients.sql_server import Session
from include.local.estates import sse_billing, sse_supply, t_sql
from include.local.estates.day import Counts, Day, deal, each
from include.local.estates.sse_tables import SSE_AGREEMENT, SSE_METER, SSE_METER_READING, SSE_SUPPLY_POINT
from include.local.estates.tables import Row, Table

_METERS = "SELECT MeterId, SupplyPointId, MeterType, Registers FROM dbo.Meter WHERE RemovedOn IS NULL ORDER BY MeterId"


@dataclass(frozen=True)
class DayAtSupply:
    """Meters are read and exchanged, people move in and out, new customers are connected."""

    day: Day
    session: Session

    def happen(self) -> Counts:
        return self._supply_points() | self._meters()

    def connect(self, indexes: Sequence[int]) -> None:
        """Supply points, meters and agreements of customers who have come; some were there before them."""
        places = [at for index in indexes for at in sse_supply.places_of(self.day.seed, index)]
        rows = {
            SSE_SUPPLY_POINT: [row for index in indexes for row in sse_supply.supply_points_of(self.day.seed, index)],
            SSE_METER: [row for at in places for row in sse_supply.meters_of(self.day.seed, at)],
            SSE_AGREEMENT: [row for at in places for row in sse_billing.agreements_of(self.day.seed, at)],
        }
        for table, wanted in rows.items():
            self._each(t_sql.inserts(table, self._missing(table, wanted)))

    def _missing(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        keys = ", ".join(str(row[0]) for row in rows) or "NULL"
        found = self.session.rows(f"SELECT {table.key} FROM {table.local_name} WHERE {table.key} IN ({keys})")
        there = {key for (key,) in found}
        return [row for row in rows if row[0] not in there]

    def _supply_points(self) -> Counts:
        keys = [int(key) for (key,) in self.session.rows("SELECT SupplyPointId FROM dbo.SupplyPoint ORDER BY 1")]
        deck, some = self.day.deck("sse", "supply points", keys), self.day.some
        accounts = [str(no) for (no,) in self.session.rows("SELECT AccountNo FROM dbo.Account ORDER BY AccountNo")]
        heirs = self.day.deck("sse", "heirs", accounts)
        return {
            "sse: supply points handed over": self._each(
                t_sql.update(SSE_SUPPLY_POINT, key, AccountNo=account)
                for key, account in zip(deal(deck, some), deal(heirs, some), strict=False)
            ),
            "sse: supply points left": self._each(
                t_sql.update(SSE_SUPPLY_POINT, key, AccountNo=None, IsDeenergised=True) for key in deal(deck, some)
            ),
            "sse: supply points deleted": self._each(
                t_sql.delete(SSE_SUPPLY_POINT, [key]) for key in deal(deck, self.day.rare)
            ),
        }

    def _meters(self) -> Counts:
        meters, some = self.session.rows(_METERS), self.day.some
        deck, free = self.day.deck("sse", "meters", meters), self._next("Meter", "MeterId")
        read, again = deal(deck, self.day.share), deal(deck, some)
        return {
            "sse: meters exchanged": self._each(
                self._exchange(row, number) for number, row in enumerate(deal(deck, some), free)
            ),
            "sse: meters deleted": self._each(t_sql.delete(SSE_METER, [row[0]]) for row in deal(deck, self.day.rare)),
            "sse: meters read": self._read(read),
            "sse: readings withdrawn": self._each(
                f"UPDATE dbo.MeterReading SET Status = 'W' WHERE ReadingId = {key}" for key in self._last_of(again)
            ),
            "sse: readings written again unchanged": self._each(
                f"UPDATE dbo.MeterReading SET Reading = Reading WHERE ReadingId = {key}"
                for key in self._last_of(deal(deck, some))
            ),
        }

    def _exchange(self, row: Row, number: int) -> str:
        """One meter goes and another one comes, in one transaction."""
        meter, supply_point, kind, registers = row
        serial = sse_supply.serial_number(self.day.stream("sse", "serial", str(meter)))
        new = (number, supply_point, serial, kind, registers, self.day.noon, None)
        removed = t_sql.update(SSE_METER, meter, RemovedOn=self.day.noon)
        return t_sql.transaction(removed, t_sql.insert(SSE_METER, new))

    def _read(self, meters: Sequence[Row]) -> int:
        first = self._next("MeterReading", "ReadingId")
        rows = [(first + at, meter, *self._reading(int(str(meter)))) for at, (meter, *_) in enumerate(meters)]
        return self._each(t_sql.insert(SSE_METER_READING, row) for row in rows)

    def _reading(self, meter: int) -> Row:
        rng, noon = self.day.stream("sse", "reading", meter), self.day.noon
        return sse_supply.reading(rng, 0, datetime(noon.year, noon.month, noon.day, 6), rng.randrange(40_000_000))

    def _last_of(self, meters: Sequence[Row]) -> list[int]:
        """The newest reading of each; those that came today have none."""
        keys = ", ".join(str(row[0]) for row in meters) or "NULL"
        found = self.session.rows(
            "SELECT MeterId, MAX(ReadingId) FROM dbo.MeterReading "
            f"WHERE MeterId IN ({keys}) GROUP BY MeterId ORDER BY MeterId"
        )
        return [int(key) for _, key in found]

    def _next(self, table: str, key: str) -> int:
        return int(self.session.scalar(f"SELECT MAX({key}) FROM dbo.{table}") or 0) + 1

    def _each(self, statements: Iterable[str]) -> int:
        return each(self.session, statements)
