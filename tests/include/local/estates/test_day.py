"""How much happens on a business day?"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

import pytest

from include.local.estates import sse
from include.local.estates.day import Day, deal, shuffled


@pytest.mark.parametrize(("customers", "share", "few"), [(10, 5, 1), (200, 5, 1), (2_000, 40, 6), (100_000, 500, 300)])
def test_a_day_changes_two_percent_and_deletes_three_per_mille(customers: int, share: int, few: int) -> None:
    day = Day(seed=1, number=1, customers=customers)
    assert (day.share, day.few) == (share, few)


@pytest.mark.parametrize("customers", [200, 500, 2_000, 10_000, 100_000, 900_000])
def test_deletions_stay_within_what_contracts_allow(customers: int) -> None:
    """Customers with one account each, and half as many accounts alone: at most 1 % of either table."""
    few = Day(seed=1, number=1, customers=customers).few
    assert few + max(1, few // 2) <= customers // 100


def test_those_whom_an_account_awaits_come_within_days() -> None:
    for customers in (200, 2_000, 10_000):
        assert sse.late_parents(customers) <= Day(seed=1, number=1, customers=customers).share


def test_days_follow_the_reference() -> None:
    day = Day(seed=1, number=2, customers=10)
    assert (day.on, day.noon_utc) == (date(2026, 1, 3), datetime(2026, 1, 3, 12, tzinfo=UTC))


def test_a_deck_deals_each_key_once() -> None:
    deck = shuffled(random.Random(1), range(10))
    dealt = [*deal(deck, 4), *deal(deck, 4), *deal(deck, 4)]
    assert sorted(dealt) == list(range(10))
    assert dealt != list(range(10))


def test_two_days_meet_other_customers() -> None:
    first, second = (deal(shuffled(Day(1, n, 100).stream("x"), range(100)), 20) for n in (1, 2))
    assert first != second
