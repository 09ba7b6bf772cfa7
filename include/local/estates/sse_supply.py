"""Where does SSE supply energy, through which meters, and what did these show?"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from include.local.estates import spoil
from include.local.estates.chance import happens, moment_between, stream, weighted
from include.local.estates.sse import account_no, accounts_held, accounts_of, late_parents
from include.local.estates.sse_tables import SSE_METER, SSE_METER_READING, SSE_SUPPLY_POINT
from include.local.estates.tables import Row, TableData

GSP_GROUPS = tuple(f"_{letter}" for letter in "ABCDEFGHJKLMNP")
"""The regions of the electricity market; there is no I and no O."""
ELECTRICITY, GAS = 0, 1
READINGS = 4
"""Of each register of a meter: one a quarter."""
_MOST_ACCOUNTS = 3
_MOST_READINGS = 16
_WEIGHTS = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_FIRST_READING = datetime(2025, 1, 6, 8)


class Place(NamedTuple):
    """A supply point, and what its other tables must agree on: two registers (day and night), a meter before this."""

    customer: int
    place: int
    fuel: int
    region: str
    has_night_rate: bool = False
    was_exchanged: bool = False


@lru_cache(maxsize=20_000)  # five tables ask for each customer
def places_of(seed: int, index: int) -> tuple[Place, ...]:
    """The supply points of one customer: electricity at each account, and gas at two in five."""
    rng = stream(seed, "sse", "places", index)
    region, held = rng.choice(GSP_GROUPS), range(accounts_held(seed, index))
    fuels = [(place, fuel) for place in held for fuel in ((ELECTRICITY, GAS) if happens(rng, 400) else (ELECTRICITY,))]
    return tuple(
        Place(index, place, fuel, region, happens(rng, 150) and fuel == ELECTRICITY, happens(rng, 100))
        for place, fuel in fuels
    )


def late_places(count: int) -> list[Place]:
    """Supply points whose account will be there when its customer is: after those who have an account only."""
    first = count + late_parents(count)
    return [Place(index, 0, ELECTRICITY, GSP_GROUPS[0]) for index in range(first, first + late_parents(count))]


def number(at: Place) -> int:
    return 2 * (_MOST_ACCOUNTS * at.customer + at.place) + at.fuel


def supply_point_id(at: Place) -> int:
    return 400_000_007 + 3 * number(at)


def meter_id(at: Place, generation: int) -> int:
    return 700_000_003 + 2 * number(at) + generation


def supply_points(seed: int, count: int) -> TableData:
    rows = [row for index in range(count) for row in supply_points_of(seed, index)]
    return TableData(SSE_SUPPLY_POINT, rows + [supply_point(seed, at, None) for at in late_places(count)])


def supply_points_of(seed: int, index: int) -> list[Row]:
    """The rows of one customer, each at its account's postcode."""
    codes = [row[6] for row in accounts_of(seed, index)]
    return [supply_point(seed, at, codes[at.place]) for at in places_of(seed, index)]


def supply_point(seed: int, at: Place, postcode: object) -> Row:
    """A row of Billing.dbo.SupplyPoint."""
    rng, is_gas = stream(seed, "sse", "supply point", *at[:3]), at.fuel == GAS
    return (
        supply_point_id(at),
        None if postcode is not None and happens(rng, 15) else account_no(at.customer, at.place),
        "G" if is_gas else "E",
        None if is_gas else mpan(at),
        mprn(at) if is_gas else None,
        spoil.missing(rng, at.region, 20),
        None if is_gas else spoil.missing(rng, "02" if at.has_night_rate else "01", 20),
        postcode,
        happens(rng, 20),
        moment_between(rng, date(2009, 1, 1), date(2024, 12, 31)),
    )


def mpan(at: Place) -> str:
    """Thirteen digits, the last one checks; no distributor is called 99, so it is nobody's."""
    digits = f"99{number(at):010d}"
    return digits + str(sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11 % 10)


def mprn(at: Place) -> str:
    return f"99{number(at):08d}"


def meters(seed: int, count: int) -> TableData:
    places = [at for index in range(count) for at in places_of(seed, index)]
    return TableData(SSE_METER, [row for at in places for row in meters_of(seed, at)])


def meters_of(seed: int, at: Place) -> list[Row]:
    """The meter, and behind it the one that was there before."""
    return [meter(seed, at, generation) for generation in range(1 + at.was_exchanged)]


def meter(seed: int, at: Place, generation: int) -> Row:
    """A row of Billing.dbo.Meter; generation 0 is in use, 1 was exchanged for it."""
    rng = stream(seed, "sse", "meter", *at[:3], generation)
    installed = moment_between(rng, date(2012, 1, 1), date(2021, 12, 31)).replace(second=0)
    removed = installed + timedelta(days=rng.randrange(300, 1_000)) if generation else None
    return (
        meter_id(at, generation),
        supply_point_id(at),
        serial_number(rng),
        rng.choice(("S2ADE", "RCAMY", "CR   ", "N    ")) if at.fuel == ELECTRICITY else rng.choice(("U6   ", "S2   ")),
        1 + at.has_night_rate,
        spoil.missing(rng, installed),
        removed,
    )


def serial_number(rng: random.Random) -> str:
    """As stamped on the meter, but for those who typed it in small letters or with a blank."""
    stamped = f"{rng.choice('DEGKLSZ')}{rng.randrange(10, 25)}{rng.choice('ACMN')}{rng.randrange(1_000_000):06d}"
    return weighted(
        rng, ((20, stamped.lower()), (20, f"{stamped[:4]} {stamped[4:]}"), (20, f"{stamped} "), (0, stamped))
    )


def meter_readings(seed: int, count: int) -> TableData:
    """About eight per customer: four of each register of the meter in use."""
    places = [at for index in range(count) for at in places_of(seed, index)]
    return TableData(SSE_METER_READING, [row for at in places for row in readings_of(seed, at)])


def readings_of(seed: int, at: Place) -> list[Row]:
    rng = stream(seed, "sse", "reading", *at[:3])
    meter, first = meter_id(at, 0), 20_000_000_000 + _MOST_READINGS * number(at)
    rows = []
    for register in range(1 + at.has_night_rate):
        shown = rng.randrange(20_000_000)
        for turn in range(READINGS):
            shown += rng.randrange(50_000, 1_200_000)
            read_at = _FIRST_READING + timedelta(days=91 * turn, milliseconds=rng.randrange(400_000_000))
            rows.append((first + READINGS * register + turn, meter, *reading(rng, register, read_at, shown)))
    return rows


def reading(rng: random.Random, register: int, read_at: datetime, shown: int) -> Row:
    """Register, time, what it showed (thousandths), type and status; one number serves for all that is rare."""
    chance = rng.randrange(1000)
    if chance < 10:
        return f"{register + 1} ", read_at, thousandths(shown), "C", "V"  # by spreadsheet, which ate the zero
    if chance < 20:
        return f"{register + 1:02d}", read_at, None, "S", "V"  # the meter did not answer
    if chance < 30:
        return f"{register + 1:02d}", read_at, thousandths(shown % 10_000), "C", "V"  # clocked over, or misread
    kind = "A" if chance < 250 else "C" if chance < 400 else "E" if chance < 650 else "S"
    return f"{register + 1:02d}", read_at, thousandths(shown), kind, "W" if chance % 50 == 0 else "V"


def thousandths(shown: int) -> Decimal:
    return Decimal(shown).scaleb(-3)
