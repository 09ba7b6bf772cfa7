"""What is wrong with the estates on purpose, and how often?

`KINDS` is the one list: what each kind of dirt is, and the function that counts it in made data, per place. A test
asks for 20 of each in each place at 2,000 customers. Where it is made: `spoil.py`, `people.py` and the three systems.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from include.local.estates import dirt_of_energy, mis, spoil
from include.local.estates.generate import Estates
from include.local.estates.tables import TableData

Counts = dict[str, int]


@dataclass(frozen=True)
class Kind:
    """One kind of dirt; `count` gives how often it is there, by place."""

    name: str
    describes: str
    count: Callable[[Estates], Counts]


def counts(estates: Estates) -> dict[str, Counts]:
    """How often each kind is there, by kind and place."""
    return {kind.name: kind.count(estates) for kind in KINDS}


def current(data: TableData) -> list[dict[str, object]]:
    """What a landing table says now: the newest record of each key, without those that end in a tombstone."""
    newest: dict[object, dict[str, object]] = {}
    for record in sorted(data.records(), key=_offset):
        newest[record["kafka_key"]] = record
    return [record for record in newest.values() if not _is_tombstone(record)]


def _offset(record: dict[str, object]) -> int:
    offset = record["kafka_data.offset"]
    assert isinstance(offset, int)
    return offset


def _is_tombstone(record: dict[str, object]) -> bool:
    return record["customer_id"] is None


def _names(estates: Estates) -> dict[str, list[str]]:
    """All names, by system."""
    sse, old = estates["CRM.dbo.Customer"], estates["OldDB.Gentrack.Customer"]
    new = current(estates["platform_landing.customer"])
    return {
        "sse": [str(name) for column in ("FirstName", "Surname") for name in sse.column(column)],
        "mis": [str(name) for name in old.column("FullName")],
        "platform": [str(record[column]) for record in new for column in ("given_name", "family_name")],
    }


def _where_names(wrong: Callable[[str], bool]) -> Callable[[Estates], Counts]:
    return lambda estates: {system: sum(map(wrong, names)) for system, names in _names(estates).items()}


def _is_padded(name: str) -> bool:
    return bool(name.strip()) and name != name.strip()


def _has_accent(name: str) -> bool:
    return any(unicodedata.category(letter).startswith("L") and not letter.isascii() for letter in name)


def _has_emoji(name: str) -> bool:
    return any(unicodedata.category(letter) == "So" for letter in name)


def _taken_over(estates: Estates) -> Counts:
    """Only those whose customer the other system has: an import of nobody would be another kind."""
    imported = {record["imported_from"] for record in current(estates["platform_landing.customer"])}
    sse = {f"sse:{key}" for key in estates["CRM.dbo.Customer"].column("CustomerId")}
    old = {f"mis:{key}" for key in estates["OldDB.Gentrack.Customer"].column("CustomerRef")}
    return {"sse and platform": len(imported & sse), "mis and platform": len(imported & old)}


def _prepared(estates: Estates) -> Counts:
    records = current(estates["platform_landing.customer"])
    return {"platform": sum(bool(record["imported_from"] and not record["migrated_at"]) for record in records)}


def _met_elsewhere(estates: Estates) -> Counts:
    sse = _emails(estates["CRM.dbo.Customer"].column("Email"))
    old = _emails(estates["OldDB.Gentrack.Customer"].column("Email"))
    own = [record for record in current(estates["platform_landing.customer"]) if not record["imported_from"]]
    return {"sse and mis": len(sse & old), "sse and platform": len(sse & _emails(r["email"] for r in own))}


def _emails(values: Iterable[object]) -> set[str]:
    return {str(value).casefold() for value in values if value is not None}


def _how_many(estates: Estates, value: object, *places: tuple[str, str]) -> Counts:
    return {f"{table}.{column}": estates[table].column(column).count(value) for table, column in places}


def _nulls(estates: Estates) -> Counts:
    legacy = _how_many(
        estates,
        None,
        ("CRM.dbo.Customer", "Email"),
        ("Billing.dbo.Account", "OpenedOn"),
        ("OldDB.Gentrack.Customer", "Email"),
        ("OldDB.Gentrack.Account", "OpenedOn"),
    )
    records = current(estates["platform_landing.customer"])
    return legacy | {"platform_landing.customer.email": sum(record["email"] is None for record in records)}


def _four_decimals(estates: Estates) -> Counts:
    amounts = {
        "Billing.dbo.Account.Balance": estates["Billing.dbo.Account"].column("Balance"),
        "Billing.dbo.Payment.Amount": estates["Billing.dbo.Payment"].column("Amount"),
        "OldDB.Gentrack.Account.Balance": estates["OldDB.Gentrack.Account"].column("Balance"),
        "OldDB.Gentrack.Invoice.Net": estates["OldDB.Gentrack.Invoice"].column("Net"),
        "platform_landing.account.balance_gbp": [
            r["balance_gbp"] for r in current(estates["platform_landing.account"])
        ],
    }
    return {place: sum(map(_has_four_decimals, values)) for place, values in amounts.items()}


def _has_four_decimals(amount: object) -> bool:
    return isinstance(amount, Decimal) and amount != amount.quantize(Decimal("0.001"))


def _leading_zeros(estates: Estates) -> Counts:
    return {
        table: sum(str(key).startswith("0") for key in estates[table].column(column))
        for table, column in (("Billing.dbo.Account", "AccountNo"), ("OldDB.Gentrack.Account", "AccountId"))
    }


def _made_again(estates: Estates) -> Counts:
    return {
        "CRM.dbo.Customer": len(estates["CRM.dbo.Customer"].earlier),
        "platform_landing.customer": _made_again_on(estates["platform_landing.customer"]),
        "platform_landing.account": _made_again_on(estates["platform_landing.account"]),
    }


def _made_again_on(data: TableData) -> int:
    """Keys whose tombstone is followed by a record."""
    buried = {record["kafka_key"] for record in data.records() if _is_tombstone(record)}
    return len(buried & {record["kafka_key"] for record in current(data)})


def _differ_in_case(estates: Estates) -> Counts:
    """Customers whose names and e-mail are another's but for case."""
    spelt: dict[tuple[str, ...], set[tuple[object, ...]]] = {}
    for record in estates["CRM.dbo.Customer"].records():
        values = (record["FirstName"], record["Surname"], record["Email"])
        if None not in values:
            spelt.setdefault(tuple(str(value).casefold() for value in values), set()).add(values)
    return {"CRM.dbo.Customer": sum(len(spellings) > 1 for spellings in spelt.values())}


def _loose_references(estates: Estates) -> Counts:
    """References that only a comparison without case and trailing blanks finds."""
    keys = set(estates["OldDB.Gentrack.Customer"].column("CustomerRef"))
    references = [str(value) for value in estates["OldDB.Gentrack.Account"].column("CustomerRef")]
    loose = [ref for ref in references if ref not in keys and ref.strip().upper() in keys]
    return {
        "in another case": sum(ref.rstrip() != ref.rstrip().upper() for ref in loose),
        "with blanks behind": sum(ref != ref.rstrip() for ref in loose),
    }


def _not_counting(estates: Estates) -> Counts:
    records = current(estates["platform_landing.customer"])
    return {
        "sse": estates["CRM.dbo.Customer"].column("Status").count("X"),
        "mis": estates["OldDB.Gentrack.Customer"].column("IsDeleted").count(True),
        "platform": sum(not record["is_active"] for record in records),
    }


def _late_parents(estates: Estates) -> Counts:
    sse = set(estates["CRM.dbo.Customer"].column("CustomerId"))
    old = set(estates["OldDB.Gentrack.Customer"].column("CustomerRef"))
    new = {record["customer_id"] for record in current(estates["platform_landing.customer"])}
    references = [str(ref).strip().upper() for ref in estates["OldDB.Gentrack.Account"].column("CustomerRef")]
    accounts = current(estates["platform_landing.account"])
    return {
        "sse": sum(owner not in sse for owner in estates["Billing.dbo.Account"].column("CustomerId")),
        "mis": sum(owner not in old for owner in references),
        "platform": sum(record["customer_id"] not in new for record in accounts),
    }


def _per_topic(count: Callable[[TableData], int]) -> Callable[[Estates], Counts]:
    tables = ("platform_landing.customer", "platform_landing.account")
    return lambda estates: {table: count(estates[table]) for table in tables}


def _positions(data: TableData) -> list[tuple[object, int]]:
    """Partition and offset of each row, in the order in which they landed."""
    return [(record["kafka_data.partition"], _offset(record)) for record in data.records()]


def _landed_twice(data: TableData) -> int:
    return sum(times > 1 for times in Counter(_positions(data)).values())


def _out_of_order(data: TableData) -> int:
    """Rows that landed after one with a greater offset of the same partition, not counting second landings."""
    ends: dict[object, int] = {}
    seen: set[tuple[object, int]] = set()
    late = 0
    for partition, offset in _positions(data):
        late += offset < ends.get(partition, -1) and (partition, offset) not in seen
        seen.add((partition, offset))
        ends[partition] = max(offset, ends.get(partition, -1))
    return late


def _gaps(data: TableData) -> int:
    """Offsets whose predecessor never landed."""
    there = set(_positions(data))
    return sum(offset > 0 and (partition, offset - 1) not in there for partition, offset in there)


KINDS = (
    Kind("blank names", "'' or '   ' instead of NULL", _where_names(lambda name: not name.strip())),
    Kind("padded names", "blanks before or behind", _where_names(_is_padded)),
    Kind("accents", "letters beyond ASCII in a name", _where_names(_has_accent)),
    Kind("emoji", "beyond the basic plane: two code units in an nvarchar", _where_names(_has_emoji)),
    Kind("taken over", "one person in two systems, and imported_from says so", _taken_over),
    Kind("prepared only", "imported_from without migrated_at: the legacy system still speaks", _prepared),
    Kind("met elsewhere", "one person in two systems, and nothing but the e-mail address shows it", _met_elsewhere),
    Kind(
        "1753-01-01",
        "Gentrack's word for an unknown date of birth",
        lambda estates: _how_many(estates, mis.UNKNOWN_BIRTH, ("OldDB.Gentrack.Customer", "BirthDate")),
    ),
    Kind(
        "9999-12-31",
        "an open account's end",
        lambda estates: _how_many(
            estates, spoil.OPEN_END, ("Billing.dbo.Account", "ClosedOn"), ("OldDB.Gentrack.Account", "ClosedOn")
        ),
    ),
    Kind("unexpected NULL", "where the documentation says that there always is a value", _nulls),
    Kind("four decimals", "money such as 12.3456", _four_decimals),
    Kind("leading zeros", "ids that are text, and change when read as numbers", _leading_zeros),
    Kind("made again", "a row or record deleted and then made again under the same key", _made_again),
    Kind("differ in case", "two customers with the same names and e-mail address but for case", _differ_in_case),
    Kind("loose references", "an account's CustomerRef in another case or with blanks behind", _loose_references),
    Kind("do not count", "Status X, IsDeleted, is_active FALSE", _not_counting),
    Kind("late parents", "an account whose customer is not there (yet)", _late_parents),
    Kind("late accounts", "a supply point whose account is not there (yet)", dirt_of_energy.late_accounts),
    Kind("codes spelt otherwise", "in small letters, or without a zero", dirt_of_energy.codes_spelt_otherwise),
    Kind("serials as typed", "a meter's number in small letters, with blanks", dirt_of_energy.serial_numbers_as_typed),
    Kind("readings that fall", "less than a quarter before", dirt_of_energy.readings_that_fall),
    Kind("readings that failed", "NULL: the meter did not answer", dirt_of_energy.readings_that_failed),
    Kind("flagged contacts", "IsDeleted: gone, though the row is there", dirt_of_energy.flagged),
    Kind(
        "landed twice", "one partition and offset in two rows: Connect writes at least once", _per_topic(_landed_twice)
    ),
    Kind("out of order", "landed after a greater offset of its partition", _per_topic(_out_of_order)),
    Kind("gaps", "offsets of aborted transactions, which never land", _per_topic(_gaps)),
)
