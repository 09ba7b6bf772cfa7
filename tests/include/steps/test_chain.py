"""Which batches must a mapping still take? (never a gap, never a batch that is too narrow)"""

from __future__ import annotations

import itertools

import pytest

from include.catalogue import Catalogue
from include.clients.cloud_storage import Bucket
from include.errors import EpochBroken, NotDeployed
from include.local.platform import Platform
from include.merge.progress import NEVER, MappingProgress
from include.names import DatasetName
from include.stage.log import Batch, DatasetLog, Part
from include.steps.chain import as_merge_chain, require, slices, unmerged
from tests.conftest import bare_world
from tests.include.stage.batches import a_batch

NAME, SSE = DatasetName("platform", "customer"), DatasetName("sse", "customer")
SURNAME = ["CustomerId", "Surname"]
NARROW = {"CustomerId": "INT64"}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bucket(platform: Platform) -> Bucket:
    return bare_world(platform, "chain").servers.bucket


def _log(bucket: Bucket, *batches: Batch) -> DatasetLog:
    log = DatasetLog(bucket, DatasetName("sse", f"chain{next(_numbers)}"))
    for batch in batches:
        log.commit(batch)
    return log


def _numbers_of(chain: list[Batch] | None) -> list[int] | None:
    return None if chain is None else [batch.number for batch in chain]


@pytest.mark.parametrize(
    ("kinds", "merged", "hash_now", "expected"),
    [
        pytest.param("ww", 0, "same", None, id="windows behind no full are no chain"),
        pytest.param("fww", 1, "same", [2, 3], id="on from where it was"),
        pytest.param("fww", 3, "same", [], id="nothing to do"),
        pytest.param("fww", 3, "other", [1, 2, 3], id="a mapping that changed begins at the full"),
        pytest.param("fwfw", 1, "same", [3, 4], id="a later full makes what lies before it needless"),
        pytest.param("fwfw", 4, "other", [3, 4], id="from the latest full, not the first"),
        pytest.param("cc", 0, "same", [1, 2], id="nothing but cohorts was ever read"),
        pytest.param("cc", 1, "same", [2], id="on from the first cohort"),
        pytest.param("cc", 2, "other", [1, 2], id="a mapping that changed begins at the first cohort"),
        pytest.param("ccfw", 1, "same", [3, 4], id="a full makes the cohorts before it needless"),
        pytest.param("cw", 0, "same", None, id="a window behind a cohort is no chain"),
        pytest.param("fwcw", 1, "same", [2, 3, 4], id="a cohort is a link of the chain"),
    ],
)
def test_the_chain_is_unbroken(
    bucket: Bucket, kinds: str, merged: int, hash_now: str, expected: list[int] | None
) -> None:
    names = {"f": "full", "w": "window", "c": "cohort"}
    log = _log(bucket, *(a_batch(number, names[kind]) for number, kind in enumerate(kinds, 1)))
    assert _numbers_of(unmerged(log, MappingProgress(merged, "same"), hash_now, SURNAME)) == expected


def test_a_mapping_that_never_merged_begins_at_the_full(bucket: Bucket) -> None:
    log = _log(bucket, a_batch(1, "full"), a_batch(2))
    assert _numbers_of(unmerged(log, NEVER, "new", SURNAME)) == [1, 2]


def test_a_batch_without_a_needed_column_serves_nobody_who_needs_it(bucket: Bucket) -> None:
    log = _log(bucket, a_batch(1, "full", columns=NARROW), a_batch(2, columns=NARROW))
    assert unmerged(log, NEVER, "new", SURNAME) is None
    assert _numbers_of(unmerged(log, NEVER, "new", ["CustomerId"])) == [1, 2]


def test_a_cohort_without_a_needed_column_serves_nobody_either(bucket: Bucket) -> None:
    log = _log(bucket, a_batch(1, "cohort", columns=NARROW), a_batch(2, "cohort"))
    assert unmerged(log, NEVER, "new", SURNAME) is None
    assert _numbers_of(unmerged(log, MappingProgress(1, "same"), "same", SURNAME)) == [2]


def test_after_the_claims_grew_the_next_full_serves(bucket: Bucket) -> None:
    log = _log(bucket, a_batch(1, "full", columns=NARROW), a_batch(2, "full"), a_batch(3))
    assert _numbers_of(unmerged(log, MappingProgress(1, "before"), "wider", SURNAME)) == [2, 3]


def test_no_batch_at_all_asks_for_a_full(bucket: Bucket) -> None:
    chain = unmerged(_log(bucket), NEVER, "new", SURNAME)
    with pytest.raises(NotDeployed, match="needs rows that no batch holds"):
        require(chain, "customer/from_sse_customer", "here")


def test_a_log_that_ends_before_what_was_merged_is_another_log(bucket: Bucket) -> None:
    with pytest.raises(EpochBroken, match=r"batch 57 of .* was merged, but its log ends at 1"):
        unmerged(_log(bucket, a_batch(1, "full")), MappingProgress(57, "same"), "same", SURNAME)


def test_a_full_of_a_landing_table_is_never_parted_from_what_follows() -> None:
    chain = [a_batch(1, "full", rows=9), a_batch(2, rows=9)]
    assert [[batch.number for batch in piece] for piece in slices(chain, most=8)] == [[1, 2]]


def test_slices_keep_the_order_and_hold_a_bound_but_for_one_great_batch() -> None:
    chain = [a_batch(number, rows=rows) for number, rows in enumerate((4, 4, 9, 1, 1), 1)]
    found = [[batch.number for batch in piece] for piece in slices(chain, most=8)]
    assert found == [[1, 2], [3], [4, 5]]
    assert list(slices([])) == []


def test_a_full_that_was_read_may_go_alone_before_what_follows() -> None:
    chain = [a_batch(1, "full", rows=9, parts=(Part("rows", 9, 1, "crc"),)), a_batch(2, rows=9)]
    assert [[batch.number for batch in piece] for piece in slices(chain, most=8)] == [[1], [2]]


def test_a_staged_batch_brings_its_keys_and_those_of_what_comes_later() -> None:
    contract, keys = Catalogue().dataset(SSE), (Part("keys", 1, 1, "crc"),)
    batches, later = [a_batch(1, "full"), a_batch(2)], [a_batch(3, keys=keys)]
    chain = as_merge_chain(lambda d, t: f"p.{d}.{t}", "p", SSE, contract, batches, later)
    assert [(staged.batch, staged.is_full, staged.keys_table) for staged in chain.staged + chain.later] == [
        (1, True, None),
        (2, False, None),
        (3, False, f"p.staging.{SSE.keys_table(3)}"),
    ]
    assert [staged.batch for staged in chain.later] == [3]


def test_windows_of_offsets_join_and_go_back_by_the_overlap() -> None:
    contract = Catalogue().dataset(NAME)
    batches = [
        a_batch(2, window={"0": [5000, 6000]}, deleted=3),
        a_batch(3, window={"0": [6000, 7000], "1": [10, 20]}, deleted=4),
    ]
    chain = as_merge_chain(lambda d, t: f"p.{d}.{t}", "p", NAME, contract, batches)
    windows = [(w.partition, w.read_from, w.start, w.end) for w in chain.windows]
    assert windows == [(0, 4000, 5000, 7000), (1, 0, 10, 20)]
    assert chain.landing_counted == sum(batch.counted for batch in batches) > 0
    assert chain.deletions_allowed == 7
    assert not chain.landing_is_full


def test_a_full_of_a_landing_table_is_read_from_the_first_offset_because_absence_removes() -> None:
    contract = Catalogue().dataset(NAME)
    batch = a_batch(1, "full", window={"0": [5000, 6000]})
    chain = as_merge_chain(lambda d, t: f"p.{d}.{t}", "p", NAME, contract, [batch])
    assert [(w.read_from, w.start, w.end) for w in chain.windows] == [(0, 5000, 6000)]
    assert chain.landing_is_full
