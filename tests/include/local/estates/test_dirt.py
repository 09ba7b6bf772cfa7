"""Is there enough of each kind of dirt?"""

from __future__ import annotations

import pytest

from include.local.estates.dirt import KINDS, Kind
from include.local.estates.generate import Estates, generate


@pytest.fixture(scope="session")
def other_estates() -> Estates:
    return generate(seed=20_260_101, customers=2_000)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_each_kind_is_there_twenty_times_in_each_place(estates: Estates, other_estates: Estates, kind: Kind) -> None:
    for made in (estates, other_estates):
        assert {place: n for place, n in kind.count(made).items() if n < 20} == {}


def test_the_kinds_that_were_asked_for_are_counted() -> None:
    assert {kind.name for kind in KINDS} >= {
        "blank names",
        "padded names",
        "taken over",
        "met elsewhere",
        "accents",
        "emoji",
        "1753-01-01",
        "9999-12-31",
        "unexpected NULL",
        "four decimals",
        "leading zeros",
        "made again",
        "differ in case",
        "loose references",
    }


def test_most_of_the_data_is_clean(estates: Estates) -> None:
    """Dirt that is everywhere would hide what a mapping does to clean rows."""
    for kind in KINDS:
        if kind.name not in ("9999-12-31", "leading zeros", "four decimals"):
            assert max(kind.count(estates).values()) < 300, kind.name
