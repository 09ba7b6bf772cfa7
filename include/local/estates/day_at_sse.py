"""What happens at SSE on a business day?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.clients.sql_server import Session
from include.connections import SqlServerSettings
from include.local.estates import sse, t_sql
from include.local.estates.day import Counts, Day, deal, shuffled
from include.local.estates.day_at_billing import DayAtBilling
from include.local.estates.day_at_crm import DayAtCrm
from include.local.estates.day_at_supply import DayAtSupply
from include.local.estates.people import address, family_name
from include.local.estates.seed_sql_server import writing
from include.local.estates.tables import SSE_ACCOUNT, SSE_CUSTOMER, SSE_PAYMENT, Row


def happen(settings: SqlServerSettings, day: Day) -> Counts:
    """All changes, each in its own transaction; how many of each kind."""
    with writing(settings, "CRM") as crm, writing(settings, "Billing") as billing:
        earlier = DayAtSupply(day, billing).happen() | DayAtBilling(day, billing).happen() | DayAtCrm(day, crm).happen()
        return earlier | _DayAtSse(day, crm, billing).happen()


@dataclass(frozen=True)
class _DayAtSse:
    day: Day
    crm: Session
    billing: Session

    def happen(self) -> Counts:
        ids = [int(key) for (key,) in self.crm.rows("SELECT CustomerId FROM dbo.Customer ORDER BY CustomerId")]
        deck, share = shuffled(self.day.stream("sse", "customers"), ids), self.day.share
        return {
            "sse: names changed": self._rename(deal(deck, share)),
            "sse: homes moved": self._move(deal(deck, share)),
            "sse: customers made again": self._make_again(deal(deck, share)),
            "sse: customers deleted": self._delete(
                deal(filter(self._single_account().__contains__, deck), self.day.few)
            ),
            "sse: customers come back": self._come_back(ids),
            "sse: new customers": self._join(ids),
            "sse: accounts deleted": self._delete_accounts(max(1, self.day.few // 2)),
            "sse: payments": self._pay(share),
        }

    def _rename(self, ids: Sequence[int]) -> int:
        for key in ids:
            name = family_name(self.day.stream("sse", "name", key))
            self.crm.execute(t_sql.update(SSE_CUSTOMER, key, Surname=name, ModifiedAt=self.day.noon))
        return len(ids)

    def _move(self, ids: Sequence[int]) -> int:
        """All accounts of a customer move with him."""
        for key in ids:
            to = address(self.day.stream("sse", "move", key))
            line, postcode = t_sql.literal(to.line), t_sql.literal(to.postcode)
            self.billing.execute(
                f"UPDATE dbo.Account SET AddressLine1 = {line}, Postcode = {postcode} WHERE CustomerId = {key}"
            )
        return len(ids)

    def _make_again(self, ids: Sequence[int]) -> int:
        """Deleted and inserted under the same id, as an operator mends a record."""
        for row in self._customers(ids):
            fields = dict(zip(SSE_CUSTOMER.written, row, strict=True)) | {
                "CreatedAt": self.day.noon,
                "ModifiedAt": None,
            }
            again = t_sql.insert(SSE_CUSTOMER, tuple(fields.values()))
            self.crm.execute(t_sql.transaction(t_sql.delete(SSE_CUSTOMER, [row[0]]), again))
        return len(ids)

    def _customers(self, ids: Sequence[int]) -> list[Row]:
        columns = ", ".join(SSE_CUSTOMER.written)
        return self.crm.rows(
            f"SELECT {columns} FROM dbo.Customer WHERE CustomerId IN ({_listed(ids)}) ORDER BY CustomerId"
        )

    def _single_account(self) -> set[int]:
        """Customers with one account: deleting others would take more than 1 % of a small estate's accounts."""
        rows = self.billing.rows("SELECT CustomerId FROM dbo.Account GROUP BY CustomerId HAVING COUNT(*) = 1")
        return {int(key) for (key,) in rows}

    def _delete(self, ids: Sequence[int]) -> int:
        for key in ids:
            self.billing.execute(f"DELETE FROM dbo.Account WHERE CustomerId = {key}")
            self.crm.execute(t_sql.delete(SSE_CUSTOMER, [key]))
        return len(ids)

    def _come_back(self, ids: Sequence[int]) -> int:
        """Half of those whom earlier days deleted; `ids` are the customers at the beginning of this day."""
        seeded = {sse.customer_id(index) for index in range(self.day.customers)}
        missing = sorted(seeded - set(ids))
        return self._insert([sse.index_of(key) for key in missing[: len(missing) // 2]])

    def _join(self, ids: Sequence[int]) -> int:
        """The first new customers are those whose accounts have been waiting for them."""
        first = max([self.day.customers, *(sse.index_of(key) + 1 for key in ids[-1:])])
        return self._insert(range(first, first + self.day.share))

    def _insert(self, indexes: Sequence[int]) -> int:
        held = self._accounts_of([sse.customer_id(index) for index in indexes])
        for index in indexes:
            self.crm.execute(t_sql.insert(SSE_CUSTOMER, sse.customer(self.day.seed, index)))
            missing = [row for row in sse.accounts_of(self.day.seed, index) if row[0] not in held]
            for statement in t_sql.inserts(SSE_ACCOUNT, missing):
                self.billing.execute(statement)
        DayAtSupply(self.day, self.billing).connect(indexes)
        return len(indexes)

    def _accounts_of(self, ids: Sequence[int]) -> set[str]:
        rows = self.billing.rows(f"SELECT AccountNo FROM dbo.Account WHERE CustomerId IN ({_listed(ids)})")
        return {str(key) for (key,) in rows}

    def _delete_accounts(self, how_many: int) -> int:
        keys = self._some_accounts("closing", how_many)
        self.billing.execute(t_sql.delete(SSE_ACCOUNT, keys))
        return len(keys)

    def _some_accounts(self, what_for: str, how_many: int) -> list[str]:
        rows = self.billing.rows("SELECT AccountNo FROM dbo.Account ORDER BY AccountNo")
        return deal(shuffled(self.day.stream("sse", what_for), [str(key) for (key,) in rows]), how_many)

    def _pay(self, how_many: int) -> int:
        """A payment and the balance that it lowers are one transaction."""
        first = int(self.billing.scalar("SELECT MAX(PaymentId) FROM dbo.Payment") or 0) + 1
        accounts = self._some_accounts("payments", how_many)
        for key, account in enumerate(accounts, first):
            amount, _, method = sse.payment(self.day.stream("sse", "payment", account))
            self.billing.execute(
                t_sql.transaction(
                    t_sql.insert(SSE_PAYMENT, (key, account, amount, self.day.noon, method)),
                    f"UPDATE dbo.Account SET Balance = Balance - {t_sql.literal(amount)} "
                    f"WHERE AccountNo = {t_sql.literal(account)}",
                )
            )
        return len(accounts)


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids)) or "NULL"
