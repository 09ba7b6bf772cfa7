"""Does a seed touch only what a seed made?"""

from __future__ import annotations

import pytest

from include.errors import RequestError
from include.local.estates.seeded import SeededBy, is_done


def test_an_empty_place_is_to_be_filled() -> None:
    assert not is_done("CRM", None, [], seed=1, customers=2_000)


def test_a_place_that_was_killed_in_the_middle_is_to_be_filled_again() -> None:
    assert not is_done("CRM", SeededBy(9, 9, is_done=False), ["dbo.Customer"], seed=1, customers=2_000)


def test_a_place_that_is_done_is_left_alone() -> None:
    assert is_done("CRM", SeededBy(1, 2_000, is_done=True), ["dbo.Customer"], seed=1, customers=2_000)


def test_tables_that_no_seed_made_are_never_touched() -> None:
    with pytest.raises(RequestError, match="not made by a seed") as refused:
        is_done("CRM on connection sse", None, ["dbo.Customer"], seed=1, customers=2_000)
    assert refused.value.where == "CRM on connection sse"


@pytest.mark.parametrize(("seed", "customers"), [(2, 2_000), (1, 100_000)])
def test_other_estates_are_refused_with_the_way_out(seed: int, customers: int) -> None:
    with pytest.raises(RequestError, match="2,000 customers from seed 1") as refused:
        is_done("CRM", SeededBy(1, 2_000, is_done=True), [], seed=seed, customers=customers)
    assert "make erase" in refused.value.remedy
