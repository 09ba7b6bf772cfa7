"""Rows that break a check are held by a person: the others go on, and they come back with a newer row or mapping."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from include.catalogue import Catalogue
from include.errors import IntegrityError
from include.merge.hold import Held, hold_rows
from include.merge.progress import MappingProgress
from include.merge.statement import Chain, Staged, hold_statement, look_statement
from include.names import DatasetName, MappingName
from tests.conftest import World
from tests.include.merge.merging import SSE_ACCOUNT, Merging, Row, sse_account

SOURCE = DatasetName("sse", "account")
NAME = MappingName.parse(SSE_ACCOUNT, "test")
TOO_MUCH = "2000000.0000"


@pytest.fixture
def merging(world: World, people: Catalogue) -> Iterator[Merging]:
    found = Merging(world.servers, people, {SOURCE})
    yield found
    found.clear()


def hold(merging: Merging, *batches: Staged) -> Held:
    chain = Chain(tuple(batch.batch for batch in batches), batches)
    return hold_rows(
        merging.servers.big_query,
        merging.ledger(NAME.entity),
        NAME.file_stem,
        *(
            make(merging.catalogue, merging.servers.cloud.table, NAME, chain)
            for make in (look_statement, hold_statement)
        ),
        expected=merging.progress(SSE_ACCOUNT),
        run_id="by hand",
        attempt=uuid.uuid4().hex,
    )


def _many(*more: Row) -> list[Row]:
    """So many rows that a few of them are not more than the contract allows to be kept aside."""
    return [*(sse_account(f"{number:04}", 7) for number in range(1, 1001)), *more]


def _aside(merging: Merging) -> list[Row]:
    return merging.rows("quarantine", SOURCE.flat, order="source_key")


def _first(merging: Merging) -> MappingProgress:
    return merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, _many(), full=True))


def test_a_row_that_breaks_a_check_is_held_and_the_others_go_on(merging: Merging) -> None:
    _first(merging)
    rows = [sse_account("0001", 7, TOO_MUCH, 2), sse_account("0002", 7, "5.0000", 2), sse_account("9999", 7, version=2)]
    batch = merging.batch(SSE_ACCOUNT, 2, rows)
    with pytest.raises(IntegrityError, match="break balance_within_bounds") as refused:
        merging.merge(SSE_ACCOUNT, batch)
    assert f"python -m include hold {SSE_ACCOUNT} 2" in refused.value.remedy
    before = merging.rows("conformed", "account"), merging.changes("account"), merging.progress(SSE_ACCOUNT)
    assert hold(merging, batch) == Held(1, ("balance_within_bounds",))
    assert (merging.rows("conformed", "account"), merging.changes("account"), merging.progress(SSE_ACCOUNT)) == before
    done = merging.merge(SSE_ACCOUNT, batch)
    assert (done.quarantined, done.inserted, done.updated) == (1, 1, 1)
    assert [str(merging.model("account")[key]["balance_gbp"]) for key in ("0001", "0002")] == ["1", "5"]
    (aside,) = _aside(merging)
    assert (aside["source_key"], aside["rule"], aside["batch"]) == ("0001", "held: balance_within_bounds", 2)
    assert json.loads(aside["raw"])["Balance"] == 2000000


def test_what_is_held_comes_back_with_a_newer_row(merging: Merging) -> None:
    _first(merging)
    batch = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 7, TOO_MUCH, 2)])
    hold(merging, batch)
    merging.merge(SSE_ACCOUNT, batch)
    done = merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 3, [sse_account("0001", 7, "3.0000", 3)]))
    assert (done.updated, done.quarantined, _aside(merging)) == (1, 0, [])


def test_a_newer_row_that_breaks_the_check_too_is_not_held_by_the_older_one(merging: Merging) -> None:
    _first(merging)
    batch = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 7, TOO_MUCH, 2)])
    hold(merging, batch)
    newer = merging.batch(SSE_ACCOUNT, 3, [sse_account("0001", 7, "3000000.0000", 3)])
    with pytest.raises(IntegrityError, match="break balance_within_bounds"):
        merging.merge(SSE_ACCOUNT, batch, newer)


def test_the_same_row_stays_held_whatever_batch_brings_it_again(merging: Merging) -> None:
    _first(merging)
    batch = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 7, TOO_MUCH, 2)])
    hold(merging, batch)
    merging.merge(SSE_ACCOUNT, batch)
    done = merging.merge(
        SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 3, [*_many()[1:], sse_account("0001", 7, TOO_MUCH, 2)], full=True)
    )
    assert (done.quarantined, done.removed, str(merging.model("account")["0001"]["balance_gbp"])) == (1, 0, "1")
    assert [(row["batch"], row["rule"]) for row in _aside(merging)] == [(3, "held: balance_within_bounds")]


def test_an_account_that_ends_is_held_no_longer(merging: Merging) -> None:
    _first(merging)
    batch = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 7, TOO_MUCH, 2)])
    hold(merging, batch)
    merging.merge(SSE_ACCOUNT, batch)
    keys = [f"{number:04}" for number in range(2, 1001)]
    done = merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 3, [], keys=keys))
    assert (done.removed, _aside(merging)) == (1, [])


def test_where_nothing_breaks_a_check_nothing_is_held_and_nothing_changes(merging: Merging) -> None:
    _first(merging)
    batch = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 7, "4.0000", 2)])
    before = merging.progress(SSE_ACCOUNT)
    assert hold(merging, batch) == Held()
    assert (_aside(merging), merging.progress(SSE_ACCOUNT)) == ([], before)
    assert merging.merge(SSE_ACCOUNT, batch).updated == 1
