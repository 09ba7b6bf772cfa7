"""What does the energy platform tell about its customers and accounts? Records and tombstones, in order per key."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

from include.local.estates import mis, spoil, sse
from include.local.estates.chance import day_between, happens, moment_between, pounds, stream, weighted
from include.local.estates.people import Address, Person, address, family_name, person
from include.local.estates.tables import KAFKA_COLUMNS, PLATFORM_ACCOUNT, PLATFORM_CUSTOMER, Row

CUSTOMER_TOPIC, ACCOUNT_TOPIC = "platform.customer", "platform.account"
CUSTOMER_FIELDS = PLATFORM_CUSTOMER.written[len(KAFKA_COLUMNS) :]
ACCOUNT_FIELDS = PLATFORM_ACCOUNT.written[len(KAFKA_COLUMNS) :]

Record = Row | None
"""The fields of a record, or a tombstone."""
History = tuple[str, list[Record]]
"""A key, and what was produced for it, oldest first."""


def customer_key(seed: int, index: int) -> str:
    return str(uuid.UUID(int=stream(seed, "platform", "customer key", index).getrandbits(128), version=4))


def account_key(seed: int, index: int, place: int) -> str:
    return str(uuid.UUID(int=stream(seed, "platform", "account key", index, place).getrandbits(128), version=4))


def customers(seed: int, count: int) -> list[History]:
    return [(customer_key(seed, index), customer_history(seed, index)) for index in range(count)]


def accounts(seed: int, count: int) -> list[History]:
    """Also the first accounts of some customers who are not there yet."""
    histories = [history for index in range(count) for history in account_histories(seed, index)]
    late = range(count, count + sse.late_parents(count))
    return histories + [account_histories(seed, index)[0] for index in late]


def origin(seed: int, index: int) -> str:
    """Where the platform has its customer from.

    `sse`, `mis`: taken over from the customer of the same index there; `met`: the same person as at SSE, who came
    by himself, so that nothing says so; `` for a customer of its own.
    """
    return weighted(stream(seed, "platform", "origin", index), ((60, "sse"), (60, "mis"), (30, "met"), (0, "")))


def person_of(seed: int, index: int) -> Person:
    match origin(seed, index):
        case "sse" | "met":
            return sse.person_of(seed, index)
        case "mis":
            return mis.person_of(seed, index)
        case _:
            return person(seed, 3 * index + 2)


def customer_record(seed: int, index: int) -> Row:
    """The first record of a customer, in the order of CUSTOMER_FIELDS."""
    rng, who, imported = (
        stream(seed, "platform", "customer", index),
        person_of(seed, index),
        _imported_from(seed, index),
    )
    created = moment_between(rng, date(2024, 1, 1), date(2025, 10, 31)).replace(tzinfo=UTC)
    return (
        customer_key(seed, index),
        spoil.name(rng, who.first_name),
        spoil.name(rng, who.surname),
        spoil.missing(rng, who.email),
        spoil.missing(rng, who.born_on),
        not happens(rng, 20),
        imported,
        migrated_at(rng) if imported else None,
        created,
    )


def _imported_from(seed: int, index: int) -> str | None:
    match origin(seed, index):
        case "sse":
            return f"sse:{sse.customer_id(index)}"
        case "mis":
            return f"mis:{mis.customer_ref(index)}"
        case _:
            return None


def migrated_at(rng: random.Random) -> datetime | None:
    """When the customer was taken over; None while the record is only prepared and the legacy system still speaks."""
    return spoil.missing(rng, moment_between(rng, date(2025, 11, 1), date(2025, 12, 20)).replace(tzinfo=UTC), 200)


def customer_history(seed: int, index: int) -> list[Record]:
    """Most were produced once; some changed, some were deleted, some deleted and made again."""
    rng, first = stream(seed, "platform", "history", index), customer_record(seed, index)
    match _life(seed, index):
        case "changed":
            return [renamed(rng, first), first]
        case "changed twice":
            return [renamed(rng, first), renamed(rng, first), first]
        case "made again":
            return [renamed(rng, first), None, first]
        case "gone":
            return [first, None]
        case _:
            return [first]


def _life(seed: int, index: int) -> str:
    lives = ((200, "changed"), (50, "changed twice"), (35, "made again"), (15, "gone"), (0, "quiet"))
    return weighted(stream(seed, "platform", "life", index), lives)


def renamed(rng: random.Random, record: Row) -> Row:
    """The record under another family name."""
    return customer_with(record, family_name=family_name(rng))


def customer_with(record: Row, **changed: object) -> Row:
    return tuple((dict(zip(CUSTOMER_FIELDS, record, strict=True)) | changed).values())


def account_with(record: Row, **changed: object) -> Row:
    return tuple((dict(zip(ACCOUNT_FIELDS, record, strict=True)) | changed).values())


def account_histories(seed: int, index: int) -> list[History]:
    """The accounts of one customer; as many as where the customer was taken over from."""
    held, imported = _accounts_held(seed, index)
    home = person_of(seed, index).address
    places = [home, *(address(stream(seed, "platform", "site", index, place)) for place in range(1, held))]
    return [
        (
            account_key(seed, index, place),
            _account_history(seed, index, place, _account(seed, index, place, at, source)),
        )
        for place, (at, source) in enumerate(zip(places, imported, strict=True))
    ]


def _accounts_held(seed: int, index: int) -> tuple[int, list[str | None]]:
    """How many, and from where each was taken over."""
    if (system := origin(seed, index)) == "sse":
        held = sse.accounts_held(seed, index)
        return held, [f"sse:{sse.account_no(index, place)}" for place in range(held)]
    if system == "mis":
        held = mis.accounts_held(seed, index)
        return held, [f"mis:{mis.account_id(index, place)}" for place in range(held)]
    held = weighted(stream(seed, "platform", "held", index), ((750, 1), (200, 2), (50, 3)))
    return held, [None] * held


def _account(seed: int, index: int, place: int, at: Address, imported_from: str | None) -> Row:
    """A record of an account, in the order of ACCOUNT_FIELDS."""
    rng = stream(seed, "platform", "account", index, place)
    closed = sse.closed_on(rng)
    return (
        account_key(seed, index, place),
        customer_key(seed, index),
        pounds(rng, -200, 900),
        spoil.missing(rng, day_between(rng, date(2015, 1, 1), date(2024, 12, 31))),
        None if closed == spoil.OPEN_END else closed,
        f"{at.line}, {at.town}",
        at.postcode,
        imported_from,
    )


def _account_history(seed: int, index: int, place: int, last: Row) -> list[Record]:
    rng = stream(seed, "platform", "account history", index, place)
    history: list[Record] = weighted(rng, ((150, [paid(rng, last), last]), (30, [last, None, last]), (0, [last])))
    return [*history, None] if _life(seed, index) == "gone" else history


def paid(rng: random.Random, record: Row) -> Row:
    """The record with another balance."""
    balance = record[ACCOUNT_FIELDS.index("balance_gbp")]
    return account_with(record, balance_gbp=balance - pounds(rng, 5, 200) if isinstance(balance, Decimal) else balance)
