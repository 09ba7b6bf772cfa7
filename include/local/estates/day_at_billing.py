"""What happens to SSE's payments, tariffs, agreements and bills on a business day?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from include.clients.sql_server import Session
from include.local.estates import spoil, sse_billing, t_sql
from include.local.estates.day import Counts, Day, deal, each
from include.local.estates.sse_supply import GSP_GROUPS
from include.local.estates.sse_tables import SSE_AGREEMENT, SSE_BILL, SSE_TARIFF
from include.local.estates.tables import SSE_PAYMENT, Row

_UNUSED = (
    "SELECT t.TariffCode FROM dbo.Tariff AS t LEFT JOIN dbo.Agreement AS a ON a.TariffCode = t.TariffCode "
    "WHERE a.TariffCode IS NULL ORDER BY t.TariffCode"
)
_GOING_ON = "SELECT AgreementId, AccountNo, SupplyPointId, TariffCode, StartsOn FROM dbo.Agreement WHERE EndsOn > "


@dataclass(frozen=True)
class DayAtBilling:
    """Payments bounce, prices change, customers change their tariff, bills are issued, replaced and purged."""

    day: Day
    session: Session

    def happen(self) -> Counts:
        return self._payments() | self._tariffs() | self._agreements() | self._bills()

    def _payments(self) -> Counts:
        """One that bounces is deleted; one that was booked wrongly gets another number and keeps its row."""
        deck = self.day.deck("sse", "payments of earlier days", self._keys("Payment", "PaymentId"))
        free = self._next("Payment", "PaymentId")
        return {
            "sse: payments deleted": self._each(t_sql.delete(SSE_PAYMENT, [key]) for key in deal(deck, self.day.rare)),
            "sse: payments renumbered": self._each(
                t_sql.update(SSE_PAYMENT, key, PaymentId=number)
                for number, key in enumerate(deal(deck, self.day.rare), free)
            ),
        }

    def _tariffs(self) -> Counts:
        """New prices for some; a new edition of one; one that nobody has any more is deleted."""
        codes = [str(code) for (code,) in self.session.rows("SELECT TariffCode FROM dbo.Tariff ORDER BY TariffCode")]
        rng, deck = self.day.stream("sse", "prices"), self.day.deck("sse", "tariffs", codes)
        edition = 26 + self.day.number // len(GSP_GROUPS) % 70
        product, fuel, group = rng.randrange(4), rng.randrange(2), GSP_GROUPS[self.day.number % len(GSP_GROUPS)]
        new = sse_billing.tariff(self.day.seed, product, fuel, group, edition)
        unused = [str(code) for (code,) in self.session.rows(_UNUSED)][:1]
        return {
            "sse: prices changed": self._each(
                t_sql.update(SSE_TARIFF, code, StandingChargePence=sse_billing.pence(rng, 250_000, 680_000))
                for code in deal(deck, 5)
            ),
            "sse: tariffs no longer sold": self._each(t_sql.delete(SSE_TARIFF, [code]) for code in unused),
            "sse: new tariff": self._each([t_sql.insert(SSE_TARIFF, new)] if new[0] not in codes else []),
        }

    def _agreements(self) -> Counts:
        """A change of tariff ends one agreement and begins another, in one transaction."""
        going_on = self.session.rows(f"{_GOING_ON}{t_sql.literal(self.day.on)} ORDER BY AgreementId")
        deck, free = self.day.deck("sse", "agreements", going_on), self._next("Agreement", "AgreementId")
        codes = [str(code) for (code,) in self.session.rows("SELECT TariffCode FROM dbo.Tariff ORDER BY TariffCode")]
        changing = [row for row in deal(deck, 2 * self.day.some) if row[4] < self.day.on][: self.day.some]
        return {
            "sse: tariffs changed": self._each(
                self._change(row, number, codes) for number, row in enumerate(changing, free)
            ),
            "sse: agreements written again unchanged": self._each(
                t_sql.update(SSE_AGREEMENT, row[0], TariffCode=row[3]) for row in deal(deck, self.day.some)
            ),
        }

    def _change(self, row: Row, number: int, codes: Sequence[str]) -> str:
        old, account, supply_point, code, _ = row
        rng = self.day.stream("sse", "terms", str(old))
        new = rng.choice([one for one in codes if one[5:8] == str(code)[5:8].upper()])  # of its fuel and region
        terms, noon = sse_billing.terms(rng), self.day.noon
        began = (number, account, supply_point, new, *terms, noon, self.day.on, spoil.OPEN_END)
        ends = t_sql.update(SSE_AGREEMENT, old, EndsOn=self.day.on - timedelta(days=1))
        return t_sql.transaction(ends, t_sql.insert(SSE_AGREEMENT, began))

    def _bills(self) -> Counts:
        deck, free = self.day.deck("sse", "bills", self._keys("Bill", "BillId")), self._next("Bill", "BillId")
        wrong = deal(deck, self.day.some)
        accounts = [str(no) for (no,) in self.session.rows("SELECT AccountNo FROM dbo.Account ORDER BY AccountNo")]
        billed = deal(self.day.deck("sse", "billed", accounts), self.day.share)
        renumbered = enumerate(deal(deck, self.day.rare), free + len(wrong) + len(billed))
        return {
            "sse: bills replaced": self._each(self._replace(key, number) for number, key in enumerate(wrong, free)),
            "sse: new bills": self._each(
                t_sql.insert(SSE_BILL, self._bill(number, account))
                for number, account in enumerate(billed, free + len(wrong))
            ),
            "sse: bills renumbered": self._each(t_sql.update(SSE_BILL, key, BillId=new) for new, key in renumbered),
            "sse: bills deleted": self._each(t_sql.delete(SSE_BILL, [key]) for key in deal(deck, self.day.rare)),
        }

    def _replace(self, key: int, number: int) -> str:
        """A wrong bill is cancelled and another one takes its place, in one transaction."""
        account = str(self.session.scalar(f"SELECT AccountNo FROM dbo.Bill WHERE BillId = {key}"))
        cancelled = t_sql.update(SSE_BILL, key, IsCancelled=True, ReplacedBy=number)
        return t_sql.transaction(t_sql.insert(SSE_BILL, self._bill(number, account)), cancelled)

    def _bill(self, number: int, account: str) -> Row:
        """Of the quarter before the day."""
        *charges, _, due = sse_billing.charges(self.day.stream("sse", "bill", number), self.day.on - timedelta(days=1))
        assert due is None or isinstance(due, date)
        return (number, account, *charges, self.day.noon, due, False, None)

    def _keys(self, table: str, key: str) -> list[int]:
        return [int(found) for (found,) in self.session.rows(f"SELECT {key} FROM dbo.{table} ORDER BY {key}")]

    def _next(self, table: str, key: str) -> int:
        return int(self.session.scalar(f"SELECT MAX({key}) FROM dbo.{table}") or 0) + 1

    def _each(self, statements: Iterable[str]) -> int:
        return each(self.session, statements)
