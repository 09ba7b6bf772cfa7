"""What do SSE's own systems hold? `CRM` the customers, `Billing` their accounts and payments."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from include.local.estates import spoil
from include.local.estates.chance import (
    REFERENCE,
    day_between,
    happens,
    moment_between,
    pounds,
    stream,
    weighted,
)
from include.local.estates.people import Address, Person, address, family_name, person
from include.local.estates.tables import SSE_ACCOUNT, SSE_CUSTOMER, SSE_PAYMENT, Row, TableData

_METHODS = ("direct debit", "card", "bacs", "cash")
_MOST_ACCOUNTS = 3
_MOST_PAYMENTS = 3


def customer_id(index: int) -> int:
    """The id of the customer of that index; ids have gaps, as real ones do."""
    return 100_001 + 3 * index


def index_of(customer: int) -> int:
    """The inverse of `customer_id`."""
    return (customer - 100_001) // 3


def customers(seed: int, count: int) -> TableData:
    rows = [customer(seed, index) for index in range(count)]
    earlier = [row for index in range(count) if (row := _earlier(seed, index)) is not None]
    return TableData(SSE_CUSTOMER, rows, earlier)


def accounts(seed: int, count: int) -> TableData:
    """Also the first accounts of some customers whom CRM does not have yet: a parent may be late."""
    rows = [row for index in range(count) for row in accounts_of(seed, index)]
    late = [accounts_of(seed, index)[0] for index in range(count, count + late_parents(count))]
    return TableData(SSE_ACCOUNT, rows + late)


def payments(seed: int, count: int) -> TableData:
    rows = [
        row
        for index in range(count)
        for place in range(accounts_held(seed, index))
        for row in _payments_of(seed, index, place)
    ]
    return TableData(SSE_PAYMENT, rows)


def late_parents(count: int) -> int:
    """How many of the next customers already have an account."""
    return max(1, count * 12 // 1000)


def person_of(seed: int, index: int) -> Person:
    """Every fortieth is the neighbour again, in capitals: equal to SQL Server, different to anybody else."""
    if is_twin(seed, index):
        return person(seed, 3 * (index - 1)).shouting()
    return person(seed, 3 * index)


def is_twin(seed: int, index: int) -> bool:
    """Only odd ones are, so that the neighbour never is."""
    return index % 2 == 1 and happens(stream(seed, "sse", "twin", index), 50)


def customer(seed: int, index: int) -> Row:
    """A row of CRM.dbo.Customer."""
    rng, who = stream(seed, "sse", "customer", index), person_of(seed, index)
    exact = is_twin(seed, index)
    created = moment_between(rng, date(2009, 1, 1), date(2025, 6, 30))
    modified = created + timedelta(days=rng.randrange(180), milliseconds=rng.randrange(1000))
    return (
        customer_id(index),
        spoil.missing(rng, who.title, 100),
        who.first_name if exact else spoil.name(rng, who.first_name),
        who.surname if exact else spoil.name(rng, who.surname),
        spoil.missing(rng, who.email),
        spoil.missing(rng, who.phone, 50),
        spoil.missing(rng, who.born_on),
        "X" if happens(rng, 20) else "A",
        spoil.missing(rng, who.insurance_no, 200),
        created,
        spoil.missing(rng, modified, 100),
    )


def _earlier(seed: int, index: int) -> Row | None:
    """What the row said before it was deleted and made again, for one in thirty."""
    rng = stream(seed, "sse", "earlier", index)
    if not happens(rng, 33):
        return None
    was = dict(zip(SSE_CUSTOMER.written, customer(seed, index), strict=True))
    was |= {"Surname": family_name(rng), "CreatedAt": moment_between(rng, date(2001, 1, 1), date(2008, 12, 31))}
    return tuple(was.values())


def account_no(index: int, place: int) -> str:
    """Text, with leading zeros that a number would lose: `000010000019`."""
    return f"{10_000_019 + 7 * (_MOST_ACCOUNTS * index + place):012d}"


def accounts_held(seed: int, index: int) -> int:
    return weighted(stream(seed, "sse", "held", index), ((750, 1), (200, 2), (50, _MOST_ACCOUNTS)))


def accounts_of(seed: int, index: int) -> list[Row]:
    """The rows of Billing.dbo.Account of one customer; the first is at home, the others are elsewhere."""
    home, others = person_of(seed, index).address, range(1, accounts_held(seed, index))
    places = [home, *(address(stream(seed, "sse", "site", index, place)) for place in others)]
    return [_account(seed, index, place, at) for place, at in enumerate(places)]


def _account(seed: int, index: int, place: int, at: Address) -> Row:
    rng = stream(seed, "sse", "account", index, place)
    opened = day_between(rng, date(2009, 1, 1), date(2024, 12, 31))
    return (
        account_no(index, place),
        customer_id(index),
        spoil.missing(rng, pounds(rng, -200, 900), 10),
        spoil.missing(rng, opened),
        closed_on(rng),
        at.line,
        spoil.missing(rng, at.postcode, 20),
    )


def closed_on(rng: random.Random) -> date:
    """Most are open, which is written as the end of time."""
    return day_between(rng, date(2025, 1, 1), REFERENCE - timedelta(days=1)) if happens(rng, 80) else spoil.OPEN_END


def _payments_of(seed: int, index: int, place: int) -> list[Row]:
    rng = stream(seed, "sse", "payment", index, place)
    how_many = weighted(rng, ((300, 0), (400, 1), (200, 2), (100, _MOST_PAYMENTS)))
    first = 5_000_000_000 + _MOST_PAYMENTS * (_MOST_ACCOUNTS * index + place)
    return [(first + turn, account_no(index, place), *payment(rng)) for turn in range(how_many)]


def payment(rng: random.Random) -> tuple[Decimal, object, object]:
    """Amount, time and method of a payment of the year before the reference."""
    paid = moment_between(rng, date(2025, 1, 1), REFERENCE - timedelta(days=1))
    return (
        pounds(rng, 5, 400),
        paid + timedelta(milliseconds=rng.randrange(1000)),
        spoil.missing(rng, rng.choice(_METHODS), 30),
    )
