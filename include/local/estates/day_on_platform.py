"""What happens on the platform on a business day? Also: whom does it take over from the legacy estates?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from include.clients.big_query import BigQuery
from include.connections import Connections
from include.local.estates import landing, platform
from include.local.estates.day import Counts, Day, deal, shuffled
from include.local.estates.people import address
from include.local.estates.platform import ACCOUNT_FIELDS, CUSTOMER_FIELDS, Record
from include.local.estates.seed_landing import LandingDataset
from include.local.estates.tables import PLATFORM_ACCOUNT, PLATFORM_CUSTOMER, Row, Table
from include.local.estates.take_over import TakenOver, from_mis, from_sse

AGE = timedelta(hours=1)
"""How long ago the day's records landed: settled, whatever a landing contract's `settle` says."""


def happen(connections: Connections, day: Day) -> Counts:
    """All records of the day, landed behind those that are there; how many of each kind."""
    dataset = LandingDataset(BigQuery(connections.google_cloud()))
    known, held = _Newest(dataset, PLATFORM_CUSTOMER), _Newest(dataset, PLATFORM_ACCOUNT)
    imported = known.imported_from()
    candidates = [
        *from_sse(connections.sql_server("sse"), day, imported),
        *from_mis(connections.sql_server("mis"), day, imported),
    ]
    producing = _Producing(day, known, held)
    counts = producing.happen(candidates)
    landed_at = datetime.now(UTC) - AGE
    _land(dataset, PLATFORM_CUSTOMER, platform.CUSTOMER_TOPIC, producing.customers, landed_at)
    _land(dataset, PLATFORM_ACCOUNT, platform.ACCOUNT_TOPIC, producing.accounts, landed_at)
    return counts


def _land(
    dataset: LandingDataset, table: Table, topic: str, produced: Sequence[tuple[str, Record]], at: datetime
) -> None:
    rows = landing.follow(table, topic, _Newest(dataset, table).ends(), produced, at)
    dataset.append(table, rows)


@dataclass(frozen=True)
class _Newest:
    """What a landing table says now."""

    dataset: LandingDataset
    table: Table

    def _query(self, select: str, tail: str = "", **params: str) -> list[dict[str, object]]:
        newest = (
            f"SELECT * FROM `{self.dataset.table_id(self.table.name)}` WHERE TRUE "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_data.offset DESC) = 1"
        )
        return self.dataset.big_query.query(
            f"SELECT {select} FROM ({newest}) WHERE customer_id IS NOT NULL {tail}", params, where=self.table.name
        )

    def keys(self) -> list[str]:
        return [str(row["kafka_key"]) for row in self._query("kafka_key", "ORDER BY kafka_key")]

    def prepared(self) -> list[str]:
        """Customers who are known from a legacy system that still speaks for them."""
        rows = self._query("kafka_key", "AND imported_from IS NOT NULL AND migrated_at IS NULL ORDER BY kafka_key")
        return [str(row["kafka_key"]) for row in rows]

    def imported_from(self) -> set[str]:
        return {str(row["imported_from"]) for row in self._query("imported_from", "AND imported_from IS NOT NULL")}

    def records(self, column: str, keys: Iterable[str]) -> list[Row]:
        """The records whose `column` is one of `keys`, in the order of their keys."""
        fields = CUSTOMER_FIELDS if self.table is PLATFORM_CUSTOMER else ACCOUNT_FIELDS
        found = self._query(
            ", ".join(fields), f"AND {column} IN UNNEST(SPLIT(@keys, ',')) ORDER BY kafka_key", keys=",".join(keys)
        )
        return [tuple(row[field] for field in fields) for row in found]

    def keys_ever(self) -> int:
        """How many keys were ever produced: the index of the next new customer."""
        table = self.dataset.table_id(self.table.name)
        return int(self.dataset.big_query.query(f"SELECT COUNT(DISTINCT kafka_key) AS n FROM `{table}`")[0]["n"])

    def ends(self) -> dict[int, int]:
        """The next offset of each partition."""
        rows = self.dataset.big_query.query(
            "SELECT kafka_data.partition AS part, MAX(kafka_data.offset) + 1 AS following "
            f"FROM `{self.dataset.table_id(self.table.name)}` GROUP BY part"
        )
        return {int(row["part"]): int(row["following"]) for row in rows}


@dataclass
class _Producing:
    """The day's records, in the order in which they are produced."""

    day: Day
    known: _Newest
    held: _Newest
    customers: list[tuple[str, Record]] = field(default_factory=list)
    accounts: list[tuple[str, Record]] = field(default_factory=list)
    buried: set[str] = field(default_factory=set)

    def happen(self, candidates: Sequence[TakenOver]) -> Counts:
        deck, share = shuffled(self.day.stream("platform", "customers"), self.known.keys()), self.day.share
        deals = shuffled(self.day.stream("platform", "accounts"), self.held.keys())
        return {
            "platform: names changed": self._rename(deal(deck, share)),
            "platform: customers made again": self._make_again(deal(deck, share)),
            "platform: customers deleted": self._bury(deal(deck, self.day.few)),
            "platform: prepared ones taken over": self._complete(),
            "platform: homes moved": self._move(deal(deals, share)),
            "platform: payments": self._pay(deal(deals, share)),
            **self._join(candidates),
        }

    def _rename(self, keys: Sequence[str]) -> int:
        for record in self.known.records("kafka_key", keys):
            rng = self.day.stream("platform", "name", str(record[0]))
            self.customers.append((str(record[0]), platform.renamed(rng, record)))
        return len(keys)

    def _make_again(self, keys: Sequence[str]) -> int:
        """A tombstone, and a newer record of the same key."""
        for record in self.known.records("kafka_key", keys):
            again = platform.customer_with(record, created_at=self.day.noon_utc)
            self.customers += [(str(record[0]), None), (str(record[0]), again)]
        return len(keys)

    def _bury(self, keys: Sequence[str]) -> int:
        """Tombstones for customers and for their accounts."""
        self.buried |= {str(record[0]) for record in self.held.records("customer_id", keys)}
        self.accounts += [(key, None) for key in sorted(self.buried)]
        self.customers += [(key, None) for key in keys]
        return len(keys)

    def _complete(self) -> int:
        """From now on the platform speaks for these."""
        touched = {key for key, _ in self.customers}
        keys = [key for key in self.known.prepared() if key not in touched][: self.day.few]
        for record in self.known.records("kafka_key", keys):
            self.customers.append((str(record[0]), platform.customer_with(record, migrated_at=self.day.noon_utc)))
        return len(keys)

    def _move(self, keys: Sequence[str]) -> int:
        for record in self.held.records("kafka_key", keys):
            to = address(self.day.stream("platform", "move", str(record[0])))
            moved = platform.account_with(record, address=f"{to.line}, {to.town}", postcode=to.postcode)
            self._produce_account(moved)
        return len(keys)

    def _pay(self, keys: Sequence[str]) -> int:
        for record in self.held.records("kafka_key", keys):
            self._produce_account(platform.paid(self.day.stream("platform", "payment", str(record[0])), record))
        return len(keys)

    def _produce_account(self, record: Row) -> None:
        """Unless its customer was deleted today: the tombstone stays the last word."""
        if record[0] not in self.buried:
            self.accounts.append((str(record[0]), record))

    def _join(self, candidates: Sequence[TakenOver]) -> Counts:
        """New customers, and those taken over from a legacy system."""
        first = self.known.keys_ever()
        for index in range(first, first + self.day.share):
            self._produce_new(index)
        for index, customer in enumerate(candidates, first + self.day.share):
            self._produce_taken_over(index, customer)
        taken_over = [customer.system for customer in candidates]
        return {
            "platform: new customers": self.day.share,
            "platform: taken over from sse": taken_over.count("sse"),
            "platform: taken over from mis": taken_over.count("mis"),
        }

    def _produce_new(self, index: int) -> None:
        record = platform.customer_record(self.day.seed, index)
        new = platform.customer_with(record, imported_from=None, migrated_at=None, created_at=self.day.noon_utc)
        self.customers.append((str(record[0]), new))
        for _, history in platform.account_histories(self.day.seed, index):
            last = history[0]
            assert last is not None
            self._produce_account(platform.account_with(last, imported_from=None))

    def _produce_taken_over(self, index: int, customer: TakenOver) -> None:
        key = platform.customer_key(self.day.seed, index)
        self.customers.append((key, (key, *customer.fields, self.day.noon_utc, self.day.noon_utc)))
        for place, fields in enumerate(customer.accounts):
            account = platform.account_key(self.day.seed, index, place)
            self.accounts.append((account, (account, key, *fields)))
