"""Whom does the platform take over on a business day, and what does it copy from the legacy systems?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from include.clients.sql_server import Session, connect
from include.connections import SqlServerSettings
from include.local.estates import mis, spoil, t_sql
from include.local.estates.day import Day, deal, shuffled
from include.local.estates.tables import Row


@dataclass(frozen=True)
class TakenOver:
    """A customer as the platform imports him.

    `fields`: given name, family name, e-mail, date of birth, is_active, imported_from. Each of `accounts`: balance,
    opened on, closed on, address, postcode, imported_from.
    """

    system: str
    fields: Row
    accounts: Sequence[Row]


def from_sse(settings: SqlServerSettings, day: Day, known: Collection[str]) -> list[TakenOver]:
    """Some of SSE's active customers who are not on the platform; `known` holds what was imported before."""
    with connect(settings, "CRM") as crm, connect(settings, "Billing") as billing:
        every = "SELECT CustomerId FROM dbo.Customer WHERE Status = 'A' ORDER BY CustomerId"
        ids = _chosen(day, "sse", crm.rows(every), known)
        customers, accounts = _rows(crm, _SSE_CUSTOMERS, ids), _rows(billing, _SSE_ACCOUNTS, ids)
    held = defaultdict(list)
    for owner, *account in accounts:
        held[owner].append(_sse_account(*account))
    return [
        TakenOver("sse", (_tidy(first), _tidy(last), email, born, True, f"sse:{key}"), held[key])
        for key, first, last, email, born in customers
    ]


_SSE_CUSTOMERS = (
    "SELECT CustomerId, FirstName, Surname, Email, DateOfBirth FROM dbo.Customer "
    "WHERE CustomerId IN ({keys}) ORDER BY CustomerId"
)
_SSE_ACCOUNTS = (
    "SELECT CustomerId, AccountNo, Balance, OpenedOn, ClosedOn, AddressLine1, Postcode FROM dbo.Account "
    "WHERE CustomerId IN ({keys}) ORDER BY AccountNo"
)


def _sse_account(
    number: str, balance: Decimal | None, opened: date | None, closed: date | None, line: str, postcode: str | None
) -> Row:
    return balance, opened, _end(closed), line, postcode, f"sse:{number}"


def from_mis(settings: SqlServerSettings, day: Day, known: Collection[str]) -> list[TakenOver]:
    """Some of MIS's customers who are not on the platform; `known` holds what was imported before."""
    with connect(settings, "OldDB") as session:
        every = "SELECT CustomerRef FROM Gentrack.Customer WHERE IsDeleted = 0 ORDER BY CustomerRef"
        refs = _chosen(day, "mis", session.rows(every), known)
        customers, accounts = _rows(session, _MIS_CUSTOMERS, refs), session.rows(_MIS_ACCOUNTS)
    held = defaultdict(list)
    for owner, *account in accounts:
        held[owner.rstrip().upper()].append(_mis_account(*account))
    return [
        TakenOver("mis", (*_split(name), email, _birth(born), True, f"mis:{ref}"), held[ref])
        for ref, name, email, born in customers
    ]


_MIS_CUSTOMERS = (
    "SELECT CustomerRef, FullName, Email, BirthDate FROM Gentrack.Customer "
    "WHERE CustomerRef IN ({keys}) ORDER BY CustomerRef"
)
_MIS_ACCOUNTS = (
    "SELECT CustomerRef, AccountId, Balance, OpenedOn, ClosedOn, Supply_Address "
    "FROM Gentrack.Account ORDER BY AccountId"
)


def _mis_account(key: str, balance: Decimal | None, opened: date | None, closed: date | None, address: str) -> Row:
    line, _, postcode = address.rpartition(", ")
    return balance, opened, _end(closed), line, postcode, f"mis:{key}"


def _chosen(day: Day, system: str, every: Sequence[tuple[Any, ...]], known: Collection[str]) -> list[Any]:
    keys = [key for (key,) in every if f"{system}:{key}" not in known]
    return deal(shuffled(day.stream("platform", "take over", system), keys), day.share)


def _rows(session: Session, sql: str, keys: Sequence[object]) -> list[tuple[Any, ...]]:
    return session.rows(sql.format(keys=", ".join(map(t_sql.literal, keys)) or "NULL"))


def _tidy(name: str | None) -> str | None:
    """The platform takes nothing over that is blank."""
    return (name or "").strip() or None


def _split(name: str | None) -> tuple[str | None, str | None]:
    """Given and family name of 'Surname, First'."""
    family, _, given = (name or "").partition(",")
    return _tidy(given), _tidy(family)


def _birth(born: datetime | None) -> date | None:
    return None if born is None or born == mis.UNKNOWN_BIRTH else born.date()


def _end(closed: date | None) -> date | None:
    return None if closed == spoil.OPEN_END else closed
