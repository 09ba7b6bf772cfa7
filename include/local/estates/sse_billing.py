"""On which terms does SSE supply, and what did it bill? (tariffs, agreements, bills)"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from include.local.estates import spoil
from include.local.estates.chance import day_between, happens, moment_between, pounds, stream, weighted
from include.local.estates.sse import account_no, accounts_held
from include.local.estates.sse_supply import (
    ELECTRICITY,
    GAS,
    GSP_GROUPS,
    Place,
    number,
    places_of,
    supply_point_id,
)
from include.local.estates.sse_tables import SSE_AGREEMENT, SSE_BILL, SSE_TARIFF
from include.local.estates.tables import Row, TableData

PRODUCTS = (
    ("SVT", "Standard variable"),
    ("FX1", "Fixed, one year"),
    ("FX2", "Fixed, two years"),
    ("PPM", "Prepayment"),
)
"""Code and name; each is sold in every region, for either fuel."""
METHODS = ("DD", "CC", "PP", "SO")
BILLS = 2
"""The last two of an account."""
VAT = Decimal("0.05")
_MOST_ACCOUNTS = 3


def tariffs(seed: int, count: int) -> TableData:
    """As many as there are: they do not grow with the customers."""
    return TableData(
        SSE_TARIFF,
        [
            tariff(seed, product, fuel, group)
            for product in range(len(PRODUCTS))
            for fuel in (ELECTRICITY, GAS)
            for group in GSP_GROUPS
        ],
    )


def tariff_code(product: int, fuel: int, group: str, edition: int = 25) -> str:
    """As `char(10)` has it: `SVT25E_A  `."""
    return f"{PRODUCTS[product][0]}{edition:02d}{'EG'[fuel]}{group}".ljust(10)


def tariff(seed: int, product: int, fuel: int, group: str, edition: int = 25) -> Row:
    """A row of Billing.dbo.Tariff; prices are pence with four decimals."""
    rng = stream(seed, "sse", "tariff", product, fuel, group, edition)
    rate = (200_000, 320_000) if fuel == ELECTRICITY else (50_000, 90_000)
    return (
        tariff_code(product, fuel, group, edition),
        f"{PRODUCTS[product][1]} 20{edition:02d}, région {group}",
        "EG"[fuel],
        pence(rng, *rate),
        pence(rng, 90_000, 150_000) if fuel == ELECTRICITY else None,
        pence(rng, 250_000, 680_000),
        Decimal(rng.randrange(0, 1_500_000, 5_000)).scaleb(-4) if product in (1, 2) else None,
        date(2000 + edition, 1, 1),
        spoil.OPEN_END if happens(rng, 700) else date(2025, 12, 31),
    )


def pence(rng: random.Random, least: int, most: int) -> Decimal:
    """A price in ten-thousandths of a penny."""
    return Decimal(rng.randrange(least, most)).scaleb(-4)


def agreements(seed: int, count: int) -> TableData:
    places = [at for index in range(count) for at in places_of(seed, index)]
    return TableData(SSE_AGREEMENT, [row for at in places for row in agreements_of(seed, at)])


def agreement_id(at: Place, generation: int) -> int:
    return 3_000_000_000 + 2 * number(at) + generation


def agreements_of(seed: int, at: Place) -> list[Row]:
    """The one that goes on, and for one in five the one before."""
    rng = stream(seed, "sse", "agreement", *at[:3])
    starts = day_between(rng, date(2023, 1, 1), date(2025, 10, 31))
    ends = day_between(rng, date(2026, 2, 1), date(2027, 12, 31)) if happens(rng, 300) else spoil.OPEN_END
    rows = [_agreement(seed, at, 0, starts, spoil.missing(rng, ends, 20))]
    if happens(rng, 200):
        rows.append(_agreement(seed, at, 1, starts - timedelta(days=365), starts - timedelta(days=1)))
    return rows


def _agreement(seed: int, at: Place, generation: int, starts: date, ends: date | None) -> Row:
    rng, account = stream(seed, "sse", "terms", *at[:3], generation), account_no(at.customer, at.place)
    return (
        agreement_id(at, generation),
        weighted(rng, ((30, f"{account}  "), (0, account))),
        supply_point_id(at),
        chosen_tariff(rng, at.fuel, at.region),
        *terms(rng),
        spoil.missing(rng, moment_between(rng, starts - timedelta(days=40), starts - timedelta(days=1)), 40),
        starts,
        ends,
    )


def chosen_tariff(rng: random.Random, fuel: int, group: str) -> str:
    """Its code, at times in small letters: SQL Server joins them all the same."""
    code = tariff_code(rng.randrange(len(PRODUCTS)), fuel, group)
    return code.lower() if happens(rng, 20) else code


def terms(rng: random.Random) -> tuple[object, object]:
    """Payment method (some in small letters) and monthly amount."""
    method = spoil.missing(rng, rng.choice(METHODS), 20)
    amount = pounds(rng, 20, 400) if method == "DD" else None
    return method.lower() if method and happens(rng, 20) else method, amount


def bills(seed: int, count: int) -> TableData:
    rows = [
        bill(seed, index, place, turn)
        for index in range(count)
        for place in range(accounts_held(seed, index))
        for turn in range(BILLS)
    ]
    return TableData(SSE_BILL, rows)


def bill(seed: int, index: int, place: int, turn: int) -> Row:
    """A row of Billing.dbo.Bill, of the third or the last quarter before the reference."""
    rng = stream(seed, "sse", "bill", index, place, turn)
    last = date(2025, 6, 30) + timedelta(days=92 * turn + rng.randrange(60))
    first = 9_000_000_000 + 2 * BILLS * (_MOST_ACCOUNTS * index + place)
    return (first + turn, account_no(index, place), *charges(rng, last), False, None)


def charges(rng: random.Random, last: date) -> Row:
    """Period, net, VAT, type, when it was issued and is due: of a quarter that ends on `last`."""
    net = pounds(rng, 20, 600)
    issued = moment_between(rng, last + timedelta(days=1), last + timedelta(days=9)).replace(second=0)
    return (
        last - timedelta(days=91),
        last,
        net,
        (net * VAT).quantize(Decimal("0.0001")),
        weighted(rng, ((600, "A"), (350, "E"), (50, "F"))),
        issued,
        spoil.missing(rng, issued.date() + timedelta(days=14), 20),
    )
