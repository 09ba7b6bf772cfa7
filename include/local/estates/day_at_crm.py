"""What happens to SSE's contacts, consents and priority services on a business day?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from include.clients.sql_server import Session
from include.local.estates import sse, sse_contacts, t_sql
from include.local.estates.day import Counts, Day, deal, each
from include.local.estates.people import family_name, first_name
from include.local.estates.sse_tables import SSE_CONTACT, SSE_CONTACT_PREFERENCE, SSE_PRIORITY_SERVICES
from include.local.estates.tables import Row

_PREFERENCES = "SELECT CustomerId, Channel, Purpose, IsAllowed FROM dbo.ContactPreference ORDER BY 1, 2, 3"
_NEEDS = "SELECT PsrId FROM dbo.PriorityServices ORDER BY PsrId"
_CUSTOMERS = "SELECT CustomerId FROM dbo.Customer ORDER BY CustomerId"


@dataclass(frozen=True)
class DayAtCrm:
    """Contacts are flagged and never deleted; a consent that is withdrawn, or a need that has passed, is deleted."""

    day: Day
    session: Session

    def happen(self) -> Counts:
        return self._contacts() | self._preferences() | self._priority_services()

    def _contacts(self) -> Counts:
        some, few = self.day.some, self.day.few
        found = self.session.rows("SELECT ContactId, IsDeleted FROM dbo.Contact ORDER BY ContactId")
        deck = self.day.deck("sse", "contacts", [str(key).upper() for key, is_deleted in found if not is_deleted])
        gone = self.day.deck("sse", "contacts again", [str(key).upper() for key, is_deleted in found if is_deleted])
        there = {str(key).upper() for key, _ in found}
        seed, turn = self.day.seed, self.day.number
        new = [sse_contacts.contact(seed, sse.index_of(key), turn) for key in self._some_customers()]
        return {
            "sse: contacts renamed": self._rename(deal(deck, some)),
            "sse: contacts written again unchanged": self._each(
                f"UPDATE dbo.Contact SET Phone = Phone WHERE {t_sql.has_key(SSE_CONTACT, key)}"
                for key in deal(deck, some)
            ),
            "sse: contacts flagged as deleted": self._flag(deal(deck, few), is_deleted=True),
            "sse: contacts' flags taken back": self._flag(deal(gone, few), is_deleted=False),
            "sse: new contacts": self._each(t_sql.insert(SSE_CONTACT, row) for row in new if row[0] not in there),
        }

    def _rename(self, keys: Sequence[str]) -> int:
        for key in keys:
            rng = self.day.stream("sse", "contact's name", key)
            name = f"{first_name(rng)} {family_name(rng)}"
            self.session.execute(t_sql.update(SSE_CONTACT, key, FullName=name))
        return len(keys)

    def _flag(self, keys: Sequence[str], *, is_deleted: bool) -> int:
        return self._each(t_sql.update(SSE_CONTACT, key, IsDeleted=is_deleted) for key in keys)

    def _preferences(self) -> Counts:
        some, few = self.day.some, self.day.few
        found = self.session.rows(_PREFERENCES)
        allowed = {row[:3]: bool(row[3]) for row in found}
        deck = self.day.deck("sse", "preferences", list(allowed))
        movable = filter(lambda key: _by_text(key) not in allowed and key[1] == "EMAIL", deck)
        moved, turned, withdrawn = deal(movable, few), deal(deck, some), deal(deck, few)
        return {
            "sse: consents moved to another channel": self._each(
                t_sql.update(SSE_CONTACT_PREFERENCE, key, Channel="SMS") for key in moved
            ),
            "sse: consents changed": self._each(
                t_sql.update(SSE_CONTACT_PREFERENCE, key, IsAllowed=not allowed[key], ChangedAt=self.day.noon)
                for key in turned
            ),
            "sse: consents written again unchanged": self._each(
                t_sql.update(SSE_CONTACT_PREFERENCE, key, IsAllowed=allowed[key]) for key in deal(deck, some)
            ),
            "sse: consents deleted": self._each(
                f"DELETE FROM dbo.ContactPreference WHERE {t_sql.has_key(SSE_CONTACT_PREFERENCE, key)}"
                for key in withdrawn
            ),
            "sse: new consents": self._each(
                t_sql.insert(SSE_CONTACT_PREFERENCE, row) for row in self._asked({*allowed, *map(_by_text, moved)})
            ),
        }

    def _asked(self, there: set[Row]) -> Iterator[Row]:
        """Of some customers one wish more, where one is left."""
        for customer in self._some_customers():
            left = [
                (customer, channel, purpose)
                for channel in sse_contacts.CHANNELS
                for purpose in sse_contacts.PURPOSES
                if (customer, channel, purpose) not in there
            ]
            if left:
                rng = self.day.stream("sse", "asked", customer)
                is_allowed, _, source = sse_contacts.preference(rng)
                yield (*rng.choice(left), is_allowed, self.day.noon, source)

    def _priority_services(self) -> Counts:
        some = self.day.some
        deck = self.day.deck("sse", "needs", [int(key) for (key,) in self.session.rows(_NEEDS)])
        last = int(self.session.scalar("SELECT MAX(PsrId) FROM dbo.PriorityServices") or 0)
        new = [
            (last + place, *sse_contacts.need(self.day.seed, sse.index_of(customer), self.day.number + 1)[1:])
            for place, customer in enumerate(self._some_customers(), 1)
        ]
        return {
            "sse: needs reviewed": self._each(
                t_sql.update(SSE_PRIORITY_SERVICES, key, ReviewOn=self.day.on + timedelta(days=730))
                for key in deal(deck, some)
            ),
            "sse: needs deleted": self._each(
                t_sql.delete(SSE_PRIORITY_SERVICES, [key]) for key in deal(deck, self.day.rare)
            ),
            "sse: new needs": self._each(t_sql.insert(SSE_PRIORITY_SERVICES, row) for row in new),
        }

    def _some_customers(self) -> list[int]:
        ids = [int(key) for (key,) in self.session.rows(_CUSTOMERS)]
        return deal(self.day.deck("sse", "customers in CRM", ids), self.day.some)

    def _each(self, statements: Iterable[str]) -> int:
        return each(self.session, statements)


def _by_text(key: Row) -> Row:
    """The same consent, by text message."""
    return (key[0], "SMS  ", key[2])
