"""Whom may SSE speak to for a customer, how, and who needs help? (joint holders, consents, priority services)"""

from __future__ import annotations

import random
import uuid
from datetime import date, timedelta

from include.local.estates import spoil
from include.local.estates.chance import REFERENCE, day_between, happens, moment_between, stream, weighted
from include.local.estates.people import family_name, first_name
from include.local.estates.sse import customer_id, late_parents
from include.local.estates.sse_tables import SSE_CONTACT, SSE_CONTACT_PREFERENCE, SSE_PRIORITY_SERVICES
from include.local.estates.tables import Row, TableData

CHANNELS = ("EMAIL", "PHONE", "POST ", "SMS  ")
PURPOSES = ("marketing", "service", "third party")
_TYPES = ((600, "JNT"), (250, "NOM"), (80, "EXE"), (70, "LLD"))
_SOURCES = ("web", "call centre", "letter", "migration")
_NEEDS = ("01", "03", "08", "09", "14", "15", "20", "22", "25", "27", "29", "30")
_DETAILS = (
    "oxygen at home",
    "hard of hearing, ring twice",
    "büro im Erdgeschoss 🐘",
    "knock loudly",
    "carer comes at 9",
)
_WORDS = ("otter", "bramble", "lantern", "thistle", "pebble")
_LAST_YEAR = date(2025, 1, 1), REFERENCE - timedelta(days=1)


def contacts(seed: int, count: int) -> TableData:
    """About three customers in ten have one; some belong to customers whom CRM does not have yet."""
    indexes = [index for index in range(count) if happens(stream(seed, "sse", "has contact", index), 300)]
    late = range(count, count + late_parents(count))
    return TableData(SSE_CONTACT, [contact(seed, index) for index in (*indexes, *late)])


def contact(seed: int, index: int, turn: int = 0) -> Row:
    """A row of CRM.dbo.Contact; `turn` counts those of one customer."""
    rng = stream(seed, "sse", "contact", index, turn)
    first, last = first_name(rng), family_name(rng)
    since = moment_between(rng, date(2015, 1, 1), date(2025, 6, 30)).replace(second=0)  # smalldatetime has minutes
    return (
        str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        customer_id(index),
        weighted(rng, _TYPES),
        spoil.name(rng, f"{first} {last}"),
        spoil.missing(rng, f"07700 900{rng.randrange(1000):03d}", 100),
        spoil.missing(rng, f"contact{index}.{turn}@example.org", 300),
        happens(rng, 40),
        spoil.missing(rng, since, 50),
    )


def contact_preferences(seed: int, count: int) -> TableData:
    return TableData(SSE_CONTACT_PREFERENCE, [row for index in range(count) for row in preferences_of(seed, index)])


def preferences_of(seed: int, index: int) -> list[Row]:
    """One to three wishes of a customer, each for a channel and a purpose; what was never asked has no row."""
    rng = stream(seed, "sse", "preference", index)
    asked = rng.sample(range(len(CHANNELS) * len(PURPOSES)), weighted(rng, ((250, 1), (500, 2), (250, 3))))
    return [(customer_id(index), CHANNELS[pair % 4], PURPOSES[pair // 4], *preference(rng)) for pair in sorted(asked)]


def preference(rng: random.Random) -> tuple[bool, object, object]:
    """Whether it is allowed, since when, and who told us."""
    since = moment_between(rng, *_LAST_YEAR) + timedelta(milliseconds=rng.randrange(1000))
    return happens(rng, 650), since, spoil.missing(rng, rng.choice(_SOURCES), 50)


def priority_services(seed: int, count: int) -> TableData:
    """About one customer in six is on the register, some for two reasons."""
    indexes = [index for index in range(count) if happens(stream(seed, "sse", "has need", index), 160)]
    return TableData(
        SSE_PRIORITY_SERVICES,
        [need(seed, index, turn) for index in indexes for turn in range(1 + (index % 4 == 0))],
    )


def need(seed: int, index: int, turn: int) -> Row:
    """A row of CRM.dbo.PriorityServices."""
    rng = stream(seed, "sse", "need", index, turn)
    registered = day_between(rng, date(2016, 1, 1), date(2025, 12, 31))
    return (
        psr_id(index, turn),
        customer_id(index),
        needs_code(rng),
        spoil.missing(rng, rng.choice(_DETAILS), 600),
        spoil.missing(rng, rng.choice(_WORDS), 700),
        "Y" if happens(rng, 900) else "N",
        registered,
        spoil.missing(rng, registered + timedelta(days=730), 200),
    )


def psr_id(index: int, turn: int) -> int:
    return 50_003 + 2 * index + turn


def needs_code(rng: random.Random) -> str:
    """The industry's code; those that came by spreadsheet have lost their zero, and `char` fills up with a blank."""
    code = rng.choice(_NEEDS)
    return f"{int(code):<2d}" if happens(rng, 250) else code
