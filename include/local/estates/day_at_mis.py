"""What happens in MIS on a business day? What Gentrack's nightly load brings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from include.clients.sql_server import Session
from include.connections import SqlServerSettings
from include.local.estates import mis, t_sql
from include.local.estates.day import Counts, Day, deal, shuffled
from include.local.estates.day_at_salesforce import DayAtSalesforce
from include.local.estates.people import address, family_name, first_name
from include.local.estates.seed_sql_server import writing
from include.local.estates.tables import MIS_ACCOUNT, MIS_CUSTOMER, MIS_INVOICE, Row


def happen(settings: SqlServerSettings, day: Day) -> Counts:
    """All changes, each in its own transaction; how many of each kind."""
    with writing(settings, "OldDB") as session:
        return DayAtSalesforce(day, session).happen() | _DayAtMis(day, session).happen()


@dataclass(frozen=True)
class _DayAtMis:
    day: Day
    session: Session

    def happen(self) -> Counts:
        rows = self.session.rows("SELECT CustomerRef, IsDeleted FROM Gentrack.Customer ORDER BY CustomerRef")
        deck = shuffled(self.day.stream("mis", "customers"), [str(ref) for ref, is_deleted in rows if not is_deleted])
        flagged = [str(ref) for ref, is_deleted in rows if is_deleted]
        refs, share, few = [str(ref) for ref, _ in rows], self.day.share, self.day.few
        return {
            "mis: names changed": self._rename(deal(deck, share)),
            "mis: homes moved": self._move(deal(deck, share)),
            "mis: customers made again": self._make_again(deal(deck, share)),
            "mis: customers flagged as deleted": self._flag(deal(deck, max(1, few // 2)), is_deleted=True),
            "mis: customers deleted": self._delete(deal(filter(self._has_one_account, deck), max(1, few // 2))),
            "mis: flags taken back": self._flag(flagged[:few], is_deleted=False),
            "mis: customers come back": self._come_back(refs),
            "mis: new customers": self._join(refs),
            "mis: accounts deleted": self._delete_accounts(max(1, few // 2)),
            "mis: invoices": self._invoice(share),
        }

    @cached_property
    def _accounts(self) -> Mapping[str, list[str]]:
        """Account ids by customer at the beginning of the day; compared as a SQL Server's collation would."""
        held = defaultdict(list)
        for account, ref in self.session.rows("SELECT AccountId, CustomerRef FROM Gentrack.Account ORDER BY AccountId"):
            held[str(ref).rstrip().upper()].append(str(account))
        return held

    def _has_one_account(self, ref: str) -> bool:
        return len(self._accounts.get(ref, ())) == 1

    def _rename(self, refs: Sequence[str]) -> int:
        for ref in refs:
            rng = self.day.stream("mis", "name", ref)
            name = f"{family_name(rng)}, {first_name(rng)}"
            self.session.execute(t_sql.update(MIS_CUSTOMER, ref, FullName=name, LoadedAt=self.day.noon))
        return len(refs)

    def _move(self, refs: Sequence[str]) -> int:
        for ref in refs:
            to = mis.supply_address(address(self.day.stream("mis", "move", ref)))
            changes = [
                t_sql.update(MIS_ACCOUNT, account, Supply_Address=to, LoadedAt=self.day.noon)
                for account in self._accounts.get(ref, ())
            ]
            self.session.execute(t_sql.transaction(*changes))
        return len(refs)

    def _make_again(self, refs: Sequence[str]) -> int:
        """Deleted and inserted under the same reference: how Gentrack's load brings a row that it reloads."""
        for row in self._customers(refs):
            again = t_sql.insert(MIS_CUSTOMER, (*row[:-1], self.day.noon))
            self.session.execute(t_sql.transaction(t_sql.delete(MIS_CUSTOMER, [row[0]]), again))
        return len(refs)

    def _customers(self, refs: Sequence[str]) -> list[Row]:
        columns, keys = ", ".join(MIS_CUSTOMER.written), ", ".join(map(t_sql.literal, refs)) or "NULL"
        return self.session.rows(
            f"SELECT {columns} FROM Gentrack.Customer WHERE CustomerRef IN ({keys}) ORDER BY CustomerRef"
        )

    def _flag(self, refs: Sequence[str], *, is_deleted: bool) -> int:
        for ref in refs:
            self.session.execute(t_sql.update(MIS_CUSTOMER, ref, IsDeleted=is_deleted, LoadedAt=self.day.noon))
        return len(refs)

    def _delete(self, refs: Sequence[str]) -> int:
        for ref in refs:
            accounts = t_sql.delete(MIS_ACCOUNT, self._accounts[ref])
            self.session.execute(t_sql.transaction(accounts, t_sql.delete(MIS_CUSTOMER, [ref])))
        return len(refs)

    def _come_back(self, refs: Sequence[str]) -> int:
        """Half of those whom earlier days deleted; `refs` are the customers at the beginning of this day."""
        seeded = {mis.customer_ref(index) for index in range(self.day.customers)}
        missing = sorted(seeded - set(refs))
        return self._insert([mis.index_of(ref) for ref in missing[: len(missing) // 2]])

    def _join(self, refs: Sequence[str]) -> int:
        """The first new customers are those whose accounts have been waiting for them."""
        first = max([self.day.customers, *(mis.index_of(ref) + 1 for ref in refs[-1:])])
        return self._insert(range(first, first + self.day.share))

    def _insert(self, indexes: Sequence[int]) -> int:
        for index in indexes:
            ref = mis.customer_ref(index)
            row = (*mis.customer(self.day.seed, index)[:-1], self.day.noon)
            held = self._accounts.get(ref, ())
            missing = [
                (*account[:-1], self.day.noon)
                for account in mis.accounts_of(self.day.seed, index)
                if account[0] not in held
            ]
            accounts = t_sql.inserts(MIS_ACCOUNT, missing)
            self.session.execute(t_sql.transaction(t_sql.insert(MIS_CUSTOMER, row), *accounts))
        return len(indexes)

    def _delete_accounts(self, how_many: int) -> int:
        keys = self._some_accounts("closing", how_many)
        self.session.execute(t_sql.delete(MIS_ACCOUNT, keys))
        return len(keys)

    def _some_accounts(self, what_for: str, how_many: int) -> list[str]:
        rows = self.session.rows("SELECT AccountId FROM Gentrack.Account ORDER BY AccountId")
        return deal(shuffled(self.day.stream("mis", what_for), [str(key) for (key,) in rows]), how_many)

    def _invoice(self, how_many: int) -> int:
        """An invoice and the balance that it raises are one transaction."""
        first = int(self.session.scalar("SELECT MAX(InvoiceId) FROM Gentrack.Invoice") or 0) + 1
        accounts = self._some_accounts("invoices", how_many)
        for key, account in enumerate(accounts, first):
            net, vat = mis.amounts(self.day.stream("mis", "invoice", account))
            self.session.execute(
                t_sql.transaction(
                    t_sql.insert(MIS_INVOICE, (key, account, net, vat, self.day.on, self.day.noon)),
                    f"UPDATE Gentrack.Account SET Balance = Balance + {t_sql.literal(net + vat)}, "
                    f"LoadedAt = {t_sql.literal(self.day.noon)} WHERE AccountId = {t_sql.literal(account)}",
                )
            )
        return len(accounts)
