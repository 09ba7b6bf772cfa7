"""What is in the three estates, for a seed and a size?

    estates = generate(seed=1, customers=2_000)
    estates["CRM.dbo.Customer"].rows

Pure: no clock, no network, no hash(). `fingerprint` is the same on every machine; a test compares it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from include.errors import RequestError
from include.local.estates import landing, mis, platform, sse, sse_billing, sse_contacts, sse_supply
from include.local.estates.tables import PLATFORM_ACCOUNT, PLATFORM_CUSTOMER, TableData

MOST_CUSTOMERS = 900_000


@dataclass(frozen=True)
class Estates:
    """All tables by their full name; about 1 GB of memory at 100,000 customers."""

    seed: int
    customers: int
    tables: Mapping[str, TableData] = field(repr=False)

    def __getitem__(self, name: str) -> TableData:
        return self.tables[name]


def generate(*, seed: int, customers: int) -> Estates:
    """The estates, each with `customers` customers. Raises RequestError for a size that cannot be made."""
    check_size(customers)
    return Estates(seed, customers, {data.table.name: data for data in tables(seed, customers)})


def tables(seed: int, customers: int) -> Iterator[TableData]:
    """The tables one after the other, for who need not have all in memory."""
    for make in (
        sse.customers,
        sse_contacts.contacts,
        sse_contacts.contact_preferences,
        sse_contacts.priority_services,
        sse.accounts,
        sse.payments,
        sse_billing.tariffs,
        sse_supply.supply_points,
        sse_supply.meters,
        sse_supply.meter_readings,
        sse_billing.agreements,
        sse_billing.bills,
        mis.customers,
        mis.accounts,
        mis.invoices,
        mis.cases,
        mis.complaints,
        mis.tasks,
    ):
        yield make(seed, customers)
    yield landing.land(seed, PLATFORM_CUSTOMER, platform.CUSTOMER_TOPIC, platform.customers(seed, customers))
    yield landing.land(seed, PLATFORM_ACCOUNT, platform.ACCOUNT_TOPIC, platform.accounts(seed, customers))


def check_size(customers: int) -> None:
    """Raises RequestError unless there can be that many customers per estate."""
    if not 1 <= customers <= MOST_CUSTOMERS:
        raise RequestError(
            f"an estate cannot have {customers} customers",
            where="--customers",
            remedy=f"ask for 1 to {MOST_CUSTOMERS:,}; 2,000 is the default, below 200 some dirt is missing",
        )


def fingerprint(estates: Estates) -> str:
    """SHA-256 over every value of every table, in order."""
    digest = hashlib.sha256()
    for name, data in estates.tables.items():
        digest.update(f"{name}{data.table.written}".encode())
        for row in (*data.earlier, *data.rows):
            digest.update(repr(row).encode())
    return digest.hexdigest()
