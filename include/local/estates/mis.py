"""What does MIS hold, the warehouse that Gentrack (billing) and Salesforce (agents) feed?"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

from include.local.estates import spoil, sse
from include.local.estates.chance import (
    REFERENCE,
    day_between,
    happens,
    moment_between,
    pounds,
    stream,
    weighted,
)
from include.local.estates.people import Address, Person, address, person
from include.local.estates.tables import (
    MIS_ACCOUNT,
    MIS_CASE,
    MIS_COMPLAINT,
    MIS_CUSTOMER,
    MIS_INVOICE,
    MIS_TASK,
    Row,
    TableData,
)

UNKNOWN_BIRTH = datetime(1753, 1, 1)
"""The first day that SQL Server's `datetime` knows, which Gentrack writes for "unknown"."""
VAT = Decimal("0.05")
LOADED = datetime(REFERENCE.year, REFERENCE.month, REFERENCE.day) - timedelta(hours=22)
_SUBJECTS = (
    "Meter reading disputed",
    "Moving out",
    "Déménagement, façade nord",
    "Smart meter 🔥",
    "Refund",
    "Complaint",
)
_GRIEVANCES = ("Bill too high", "Nobody came", "Meter exchanged twice", "Überzahlung", "Refund is late 🐘")
_MOST_ACCOUNTS = 3
_MOST_INVOICES = 2


def customer_ref(index: int) -> str:
    return f"C{index:06d}"


def index_of(ref: str) -> int:
    """The inverse of `customer_ref`."""
    return int(ref[1:])


def customers(seed: int, count: int) -> TableData:
    return TableData(MIS_CUSTOMER, [customer(seed, index) for index in range(count)])


def accounts(seed: int, count: int) -> TableData:
    """Also the first accounts of some customers who are not there yet."""
    rows = [row for index in range(count) for row in accounts_of(seed, index)]
    late = [accounts_of(seed, index)[0] for index in range(count, count + sse.late_parents(count))]
    return TableData(MIS_ACCOUNT, rows + late)


def invoices(seed: int, count: int) -> TableData:
    rows = [
        row
        for index in range(count)
        for place in range(accounts_held(seed, index))
        for row in _invoices_of(seed, index, place)
    ]
    return TableData(MIS_INVOICE, rows)


def cases(seed: int, count: int) -> TableData:
    """About one customer in seven has called."""
    return TableData(MIS_CASE, [case(seed, index) for index in range(count) if _has_called(seed, index)])


def complaints(seed: int, count: int) -> TableData:
    """About one customer in ten has complained."""
    wronged = (index for index in range(count) if happens(stream(seed, "mis", "wronged", index), 100))
    return TableData(MIS_COMPLAINT, [complaint(seed, index) for index in wronged])


def tasks(seed: int, count: int) -> TableData:
    called = [index for index in range(count) if _has_called(seed, index)]
    return TableData(MIS_TASK, [task(seed, index) for index in called if index % 5 < 2])


def person_of(seed: int, index: int) -> Person:
    """One in twenty-five is the person of the same index at SSE, unknown to both."""
    shared = happens(stream(seed, "mis", "person", index), 40)
    return sse.person_of(seed, index) if shared else person(seed, 3 * index + 1)


def customer(seed: int, index: int) -> Row:
    """A row of Gentrack.Customer."""
    rng, who = stream(seed, "mis", "customer", index), person_of(seed, index)
    return (
        customer_ref(index),
        spoil.name(rng, f"{who.surname}, {who.first_name}"),
        spoil.missing(rng, who.email),
        spoil.missing(rng, birth_date(rng, who.born_on)),
        happens(rng, 20),
        LOADED,
    )


def birth_date(rng: random.Random, born_on: date) -> datetime:
    return UNKNOWN_BIRTH if happens(rng, 30) else datetime(born_on.year, born_on.month, born_on.day)


def account_id(index: int, place: int) -> str:
    """Text, with leading zeros that a number would lose: `0001000003`."""
    return f"{1_000_003 + 7 * (_MOST_ACCOUNTS * index + place):010d}"


def accounts_held(seed: int, index: int) -> int:
    return weighted(stream(seed, "mis", "held", index), ((750, 1), (200, 2), (50, _MOST_ACCOUNTS)))


def accounts_of(seed: int, index: int) -> list[Row]:
    """The rows of Gentrack.Account of one customer."""
    home, others = person_of(seed, index).address, range(1, accounts_held(seed, index))
    places = [home, *(address(stream(seed, "mis", "site", index, place)) for place in others)]
    return [_account(seed, index, place, at) for place, at in enumerate(places)]


def _account(seed: int, index: int, place: int, at: Address) -> Row:
    rng = stream(seed, "mis", "account", index, place)
    return (
        account_id(index, place),
        as_referred_to(rng, customer_ref(index)),
        spoil.missing(rng, pounds(rng, -200, 900), 10),
        spoil.missing(rng, day_between(rng, date(2009, 1, 1), date(2024, 12, 31))),
        _closed_on(rng),
        supply_address(at),
        LOADED,
    )


def as_referred_to(rng: random.Random, ref: str) -> str:
    """SQL Server ignores case and trailing blanks when it joins, so nobody ever noticed these."""
    return weighted(rng, ((30, f"{ref}  "), (30, ref.lower()), (10, f"{ref.lower()} "), (0, ref)))


def supply_address(at: Address) -> str:
    return f"{at.line}, {at.town}, {at.postcode}"


def _closed_on(rng: random.Random) -> date | None:
    """Open is NULL or the end of time, by the year in which the row was loaded first."""
    closed = sse.closed_on(rng)
    return None if closed == spoil.OPEN_END and happens(rng, 500) else closed


def _invoices_of(seed: int, index: int, place: int) -> list[Row]:
    rng = stream(seed, "mis", "invoice", index, place)
    how_many = weighted(rng, ((400, 0), (400, 1), (200, _MOST_INVOICES)))
    first = 7_000_000_000 + _MOST_INVOICES * (_MOST_ACCOUNTS * index + place)
    account = account_id(index, place)
    return [(first + turn, account, *amounts(rng), _issued_on(rng), LOADED) for turn in range(how_many)]


def amounts(rng: random.Random) -> tuple[Decimal, Decimal]:
    """Net, and its VAT to four decimals."""
    net = pounds(rng, 10, 500, exact_per_mille=500)
    return net, (net * VAT).quantize(Decimal("0.0001"))


def _issued_on(rng: random.Random) -> date:
    return day_between(rng, date(2025, 1, 1), REFERENCE - timedelta(days=1))


def _has_called(seed: int, index: int) -> bool:
    return happens(stream(seed, "mis", "called", index), 150)


def case_id(index: int) -> str:
    return f"500{index:09d}AAA001"


def case(seed: int, index: int) -> Row:
    """A row of Salesforce.[Case]; some belong to nobody."""
    rng = stream(seed, "mis", "case", index)
    opened = moment_between(rng, date(2024, 1, 1), date(2025, 11, 30)) + timedelta(milliseconds=rng.randrange(1000))
    closed = opened + timedelta(minutes=rng.randrange(1, 40_000)) if happens(rng, 700) else None
    return (
        case_id(index),
        spoil.missing(rng, as_referred_to(rng, customer_ref(index)), 50),
        rng.choice(_SUBJECTS),
        "Closed" if closed else rng.choice(("New", "Working", "Escalated")),
        opened,
        closed,
    )


def complaint(seed: int, index: int) -> Row:
    """A row of Salesforce.Complaint; some belong to nobody, some cost us money."""
    rng = stream(seed, "mis", "complaint", index)
    opened = moment_between(rng, date(2024, 1, 1), date(2025, 10, 31)) + timedelta(milliseconds=rng.randrange(1000))
    closed = opened + timedelta(minutes=rng.randrange(60, 80_000)) if happens(rng, 800) else None
    return (
        f"a0X{index:09d}AAA001",
        spoil.missing(rng, as_referred_to(rng, customer_ref(index)), 50),
        spoil.name(rng, rng.choice(_GRIEVANCES)),
        "Closed" if closed else rng.choice(("New", "Working", "Ombudsman")),
        opened,
        closed,
        pounds(rng, 10, 300) if closed and happens(rng, 400) else None,
    )


def task(seed: int, index: int) -> Row:
    """A row of Salesforce.Task; what is in the bin is flagged, not gone."""
    rng = stream(seed, "mis", "task", index)
    return (
        f"00T{index:09d}AAA001",
        spoil.missing(rng, case_id(index), 50),
        spoil.missing(rng, rng.choice(_SUBJECTS), 30),
        spoil.missing(rng, day_between(rng, date(2025, 1, 1), date(2026, 6, 30)), 100),
        rng.choice(("Not Started", "In Progress", "Completed")),
        happens(rng, 60),
        moment_between(rng, date(2025, 1, 1), date(2025, 12, 31)) + timedelta(milliseconds=rng.randrange(1000)),
    )
