"""Does the landing look as Kafka Connect leaves it?"""

from __future__ import annotations

import zlib
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from include.local.estates.dirt import current
from include.local.estates.generate import Estates
from include.local.estates.landing import as_json, follow, landed, partition_of
from include.local.estates.platform import ACCOUNT_TOPIC, CUSTOMER_TOPIC
from include.local.estates.tables import KAFKA_COLUMNS, LANDING_TABLES, PLATFORM_ACCOUNT, PLATFORM_CUSTOMER, Table

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
both = pytest.mark.parametrize("table", LANDING_TABLES, ids=lambda table: str(table.name))


@both
def test_a_key_decides_the_partition(estates: Estates, table: Table) -> None:
    for record in estates[table.name].records():
        assert record["kafka_data.partition"] == zlib.crc32(str(record["kafka_key"]).encode()) % 3


@both
def test_offsets_begin_at_zero_and_are_consecutive_but_for_a_few_gaps(estates: Estates, table: Table) -> None:
    offsets = defaultdict(set)
    for record in estates[table.name].records():
        offsets[record["kafka_data.partition"]].add(record["kafka_data.offset"])
    assert set(offsets) == {0, 1, 2}
    for there in offsets.values():
        assert min(there) == 0
        assert 8 <= max(there) + 1 - len(there) <= 8 * 5


@both
def test_rows_of_one_offset_say_the_same(estates: Estates, table: Table) -> None:
    said = defaultdict(set)
    time = table.written.index("kafka_data.insert_time")
    for row in estates[table.name].rows:
        said[row[1:4]].add(row[:time] + row[time + 1 :])
    assert all(len(contents) == 1 for contents in said.values())


@both
def test_rows_are_in_the_order_in_which_they_landed(estates: Estates, table: Table) -> None:
    times = [str(time) for time in estates[table.name].column("kafka_data.insert_time")]
    assert times == sorted(times)


@both
def test_the_topic_is_the_tables(estates: Estates, table: Table) -> None:
    topic = CUSTOMER_TOPIC if table is PLATFORM_CUSTOMER else ACCOUNT_TOPIC
    assert set(estates[table.name].column("kafka_data.topic")) == {topic}


@both
def test_a_tombstone_has_nothing_but_its_key_and_place(estates: Estates, table: Table) -> None:
    tombstones = [row for row in estates[table.name].rows if row[len(KAFKA_COLUMNS)] is None]
    assert tombstones
    assert all(set(row[len(KAFKA_COLUMNS) :]) == {None} for row in tombstones)
    assert all(None not in row[: len(KAFKA_COLUMNS)] for row in tombstones)


def test_accounts_of_a_deleted_customer_end_in_tombstones(estates: Estates) -> None:
    customers = {record["customer_id"] for record in current(estates["platform_landing.customer"])}
    ever = set(estates["platform_landing.customer"].column("kafka_key"))
    held_by_deleted = [r for r in current(estates["platform_landing.account"]) if r["customer_id"] in ever - customers]
    assert held_by_deleted == []


def test_who_was_taken_over_brought_his_accounts(estates: Estates) -> None:
    numbers = {f"sse:{key}" for key in estates["Billing.dbo.Account"].column("AccountNo")}
    imported = {r["imported_from"] for r in current(estates["platform_landing.account"])} - {None}
    assert imported
    assert {ref for ref in imported if str(ref).startswith("sse:")} <= numbers


def test_a_new_record_follows_the_last_of_its_partition() -> None:
    key = next(key for key in "abcdefgh" if partition_of(key) == 1)
    rows = follow(PLATFORM_CUSTOMER, CUSTOMER_TOPIC, {0: 9, 1: 5}, [(key, None), (key, None)], AT)
    assert [row[2:4] for row in rows] == [(1, 5), (1, 6), (1, 5)]  # and the first landed twice


def test_a_partition_without_rows_begins_at_zero() -> None:
    assert follow(PLATFORM_CUSTOMER, CUSTOMER_TOPIC, {}, [("a", None)], AT)[0][3] == 0


def test_json_nests_the_place_and_keeps_money_exact() -> None:
    record = ("a1", "c1", Decimal("12.3456"), date(1753, 1, 1), None, "1 Lane", "ZZ1 2AB", None)
    row = landed(PLATFORM_ACCOUNT, ACCOUNT_TOPIC, "a1", 7, AT, record)
    assert as_json(PLATFORM_ACCOUNT, row) == {
        "kafka_key": "a1",
        "kafka_data": {
            "topic": "platform.account",
            "partition": partition_of("a1"),
            "offset": 7,
            "insert_time": "2026-01-01T12:00:00+00:00",
        },
        "account_id": "a1",
        "customer_id": "c1",
        "balance_gbp": "12.3456",
        "opened_on": "1753-01-01",
        "address": "1 Lane",
        "postcode": "ZZ1 2AB",
    }
