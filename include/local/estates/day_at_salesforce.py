"""What happens to MIS's cases, complaints, tasks and invoices on a business day?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from include.clients.sql_server import Session
from include.local.estates import mis, t_sql
from include.local.estates.day import Counts, Day, deal, each
from include.local.estates.tables import MIS_CASE, MIS_COMPLAINT, MIS_INVOICE, MIS_TASK, Row

_NEW = 600_000_000
"""Salesforce's ids of days begin here: behind every customer's."""


@dataclass(frozen=True)
class DayAtSalesforce:
    """Agents open, close and merge cases and put tasks into the bin; the load takes invoices back."""

    day: Day
    session: Session

    def happen(self) -> Counts:
        return self._cases() | self._complaints() | self._tasks() | self._invoices()

    def _cases(self) -> Counts:
        found = self.session.rows("SELECT CaseId, ClosedAt FROM Salesforce.[Case] ORDER BY CaseId")
        is_open = {str(key): closed is None for key, closed in found}
        working = self.day.deck("mis", "open cases", [key for key in is_open if is_open[key]])
        done = self.day.deck("mis", "closed cases", [key for key in is_open if not is_open[key]])
        some, rare, noon = self.day.some, max(1, self.day.few // 6), self.day.noon
        return {
            "mis: cases closed": self._each(
                t_sql.update(MIS_CASE, key, Status="Closed", ClosedAt=noon) for key in deal(working, some)
            ),
            "mis: cases written again unchanged": self._each(
                t_sql.update(MIS_CASE, key, Status="Closed") for key in deal(done, some)
            ),
            "mis: cases renumbered": self._each(
                t_sql.update(MIS_CASE, key, CaseId=f"501{key[3:]}") for key in _below(done, "501", rare)
            ),
            "mis: cases deleted": self._each(t_sql.delete(MIS_CASE, [key]) for key in deal(done, rare)),
            "mis: new cases": self._each(t_sql.insert(MIS_CASE, row) for row in self._opened(mis.case, _next(is_open))),
        }

    def _complaints(self) -> Counts:
        found = self.session.rows("SELECT ComplaintId, ClosedAt FROM Salesforce.Complaint ORDER BY ComplaintId")
        working = self.day.deck("mis", "complaints", [str(key) for key, closed in found if closed is None])
        new = self._opened(mis.complaint, _next(str(key) for key, _ in found))
        return {
            "mis: complaints closed": self._each(
                t_sql.update(MIS_COMPLAINT, key, Status="Closed", ClosedAt=self.day.noon)
                for key in deal(working, self.day.some)
            ),
            "mis: new complaints": self._each(t_sql.insert(MIS_COMPLAINT, (*row, None)) for row in new),
        }

    def _opened(self, made: Callable[[int, int], Row], first: int) -> Iterator[Row]:
        """Rows of some customers as they are when they begin; `first` is the index of the first."""
        sql = "SELECT CustomerRef FROM Gentrack.Customer WHERE IsDeleted = 0 ORDER BY CustomerRef"
        refs = [str(ref) for (ref,) in self.session.rows(sql)]
        for index, ref in enumerate(deal(self.day.deck("mis", f"callers {first}", refs), self.day.some), first):
            row = made(self.day.seed, index)
            yield (row[0], ref, row[2], "New", self.day.noon, None)

    def _tasks(self) -> Counts:
        found = self.session.rows("SELECT TaskId, IsDeleted FROM Salesforce.Task ORDER BY TaskId")
        deck, at = (
            self.day.deck("mis", "tasks", [str(key) for key, is_deleted in found if not is_deleted]),
            self.day.noon,
        )
        first = _next(str(key) for key, _ in found)
        new = [mis.task(self.day.seed, index) for index in range(first, first + self.day.some)]
        return {
            "mis: tasks done": self._each(
                t_sql.update(MIS_TASK, key, Status="Completed", SystemModstamp=at) for key in deal(deck, self.day.some)
            ),
            "mis: tasks flagged as deleted": self._each(
                t_sql.update(MIS_TASK, key, IsDeleted=True, SystemModstamp=at) for key in deal(deck, self.day.rare)
            ),
            "mis: new tasks": self._each(t_sql.insert(MIS_TASK, (row[0], None, *row[2:5], False, at)) for row in new),
        }

    def _invoices(self) -> Counts:
        """The load brings some again as they are, with its own time; one that was wrong is gone."""
        found = self.session.rows("SELECT InvoiceId FROM Gentrack.Invoice ORDER BY InvoiceId")
        deck = self.day.deck("mis", "invoices of earlier days", [int(key) for (key,) in found])
        return {
            "mis: invoices corrected": self._each(
                t_sql.update(MIS_INVOICE, key, IssuedOn=self.day.on - timedelta(days=1), LoadedAt=self.day.noon)
                for key in deal(deck, self.day.some)
            ),
            "mis: invoices loaded again unchanged": self._each(
                t_sql.update(MIS_INVOICE, key, LoadedAt=self.day.noon) for key in deal(deck, self.day.some)
            ),
            "mis: invoices deleted": self._each(t_sql.delete(MIS_INVOICE, [key]) for key in deal(deck, self.day.rare)),
        }

    def _each(self, statements: Iterable[str]) -> int:
        return each(self.session, statements)


def _below(keys: Iterator[str], end: str, how_many: int) -> list[str]:
    return deal((key for key in keys if key < end), how_many)


def _next(keys: Iterable[str]) -> int:
    """The first index of a day that no id has: `500` or `501`, nine digits, and the rest."""
    return max([_NEW, *(int(key[3:12]) + 1 for key in keys)])
