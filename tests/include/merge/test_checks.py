"""What must hold of rows is asked before they stay, and what may be late is told afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.errors import IntegrityError
from include.merge.checks import warnings_statement
from tests.include.merge.merging import (
    PLATFORM_ACCOUNT,
    PLATFORM_CUSTOMER,
    SSE_ACCOUNT,
    SSE_CUSTOMER,
    Merging,
    Row,
    platform_account,
    platform_customer,
    sse_account,
    sse_customer,
)


def test_a_row_that_breaks_a_check_takes_its_merge_back_and_is_named(merging: Merging) -> None:
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 7)], full=True))
    key, before = merging.key("0001", "account"), merging.rows("conformed", "account")
    rows = [sse_account("0001", 7, "1000000.0000", 2), sse_account("0002", 7, version=2)]
    with pytest.raises(IntegrityError, match=f"1 of account break balance_within_bounds, .*million.*: {key}"):
        merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 2, rows))
    assert (merging.rows("conformed", "account"), len(merging.changes("account"))) == (before, 1)
    assert merging.progress(SSE_ACCOUNT).batch == 1


def test_two_rows_of_one_key_are_found_when_it_is_written(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True))
    table = merging.servers.cloud.table("common_model", "customer")
    merging.servers.big_query.query(f"INSERT INTO `{table}` SELECT * FROM `{table}`")
    with pytest.raises(IntegrityError, match="break one_row_per_key"):
        merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(1, "New", RowVer=2)]))


def test_a_customer_for_whom_no_system_speaks_takes_its_merge_back(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True))
    authority = merging.servers.cloud.table("migration", "authority")
    merging.servers.big_query.query(f"INSERT INTO `{authority}` SELECT * FROM `{authority}`")
    with pytest.raises(IntegrityError, match="1 of customer break one_system_speaks"):
        merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(1, "New", RowVer=2)]))


def test_a_parent_that_is_late_is_told_with_the_age_of_the_oldest_and_stops_nobody(merging: Merging) -> None:
    rows = [sse_account("0001", 7), sse_account("0002", 8), sse_account("0003", 9)]
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, rows, full=True))
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(7)], full=True))
    told = _told(merging, "account")
    assert told["customer_is_there"]["found"] == 2
    assert datetime.now(UTC) - told["customer_is_there"]["oldest"] < timedelta(hours=1)
    assert told["closed_after_opened"] == {"name": "closed_after_opened", "found": 0, "oldest": None}


def test_what_links_contradict_is_told_as_long_as_it_is_so(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4), sse_customer(5)], full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 4)], full=True))
    twice = [platform_customer(key, link) for key, link in (("9", "sse:4"), ("10", "sse:4"), ("11", "sse:5"))]
    merging.land(PLATFORM_CUSTOMER, 1, twice)
    merging.land(PLATFORM_ACCOUNT, 1, [platform_account("8", "11", "sse:0001")])
    assert _found(merging, "customer", "two_records_of_one_system") == 1
    assert _found(merging, "account", "two_customers_have_it") == 1
    merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("10", "sse:4", is_active=False)])
    merging.land(PLATFORM_ACCOUNT, 2, [platform_account("8", "9", "sse:0001")])
    assert _found(merging, "customer", "two_records_of_one_system") == 0
    assert _found(merging, "account", "two_customers_have_it") == 0


def test_a_customer_whom_only_a_system_has_that_does_not_speak_for_him_is_told(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4), sse_customer(5)], full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", migrated_at="2026-01-01T00:00:00Z")])
    assert _found(merging, "customer", "only_another_system_has_it") == 0
    merging.land(PLATFORM_CUSTOMER, 2, [{"kafka_key": "9"}])
    assert sorted(merging.model()) == ["5"]
    assert _found(merging, "customer", "only_another_system_has_it") == 1


def _found(merging: Merging, entity: str, name: str) -> int:
    return int(_told(merging, entity)[name]["found"])


def _told(merging: Merging, entity: str) -> dict[str, Row]:
    statement = warnings_statement(merging.catalogue, merging.servers.cloud.table, entity)
    assert statement
    return {row["name"]: row for row in merging.servers.big_query.query(statement)}


def test_a_row_that_follows_its_customer_is_checked_before_it_is_written(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4)], full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 4)], full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4")])
    merging.land(PLATFORM_ACCOUNT, 1, [platform_account("8", "9", "sse:0001", balance_gbp="2000000")])
    assert str(merging.model("account")["0001"]["balance_gbp"]) == "1"
    with pytest.raises(IntegrityError, match="1 of account break balance_within_bounds") as refused:
        merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("9", "sse:4", migrated_at="2026-01-01T00:00:00Z")])
    assert "hold" not in refused.value.remedy
    assert (str(merging.model("account")["0001"]["balance_gbp"]), merging.progress(PLATFORM_CUSTOMER).batch) == ("1", 1)
