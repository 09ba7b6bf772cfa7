"""Who has vanished? (a warehouse that truncates and refills at night looks like everybody's death)"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from include.clients.cloud_storage import Bucket
from include.errors import IntegrityError, TooManyDeletions
from include.names import DatasetName
from include.stage.keys import check_deletions, keys_of, known, vanished
from include.stage.log import Batch, Part
from include.stage.parquet import PartWriter
from tests.include.stage.batches import a_batch

NAME = DatasetName("sse", "keys")
SCHEMA = pa.schema([("CustomerId", pa.int64()), ("Surname", pa.string())])


def _vanished(bucket: Bucket, before: Batch, now: Sequence[Part]) -> int:
    return vanished(bucket, before, keys_of(bucket, now, ["CustomerId"]), ["CustomerId"])


def _parts(bucket: Bucket, token: str, *keys: Sequence[int]) -> tuple[Part, ...]:
    batches = [pa.RecordBatch.from_pydict({"CustomerId": k, "Surname": ["x"] * len(k)}, SCHEMA) for k in keys]
    return PartWriter(bucket, NAME, 1, token, rows_per_part=2).write(batches, SCHEMA)


def test_keys_that_are_not_there_any_more_are_counted_once(bucket: Bucket) -> None:
    before = a_batch(1, "full", parts=_parts(bucket, "before", [1, 2], [3, 3], [4]))
    assert _vanished(bucket, before, _parts(bucket, "after", [2], [5])) == 3


def test_the_key_set_of_a_window_counts_not_its_rows(bucket: Bucket) -> None:
    keys, rows = _parts(bucket, "keys", [1, 2], [3]), _parts(bucket, "rows", [2])
    before = a_batch(2, parts=rows, keys=keys)
    assert _vanished(bucket, before, _parts(bucket, "later", [2, 3])) == 1
    assert known(before) == 3


def test_an_empty_source_has_lost_everybody(bucket: Bucket) -> None:
    before = a_batch(1, "full", parts=_parts(bucket, "all", [1, 2]))
    assert _vanished(bucket, before, _parts(bucket, "none")) == 2


def test_a_part_that_is_gone_is_named(bucket: Bucket) -> None:
    parts = _parts(bucket, "gone", [1])
    bucket.delete(parts[0].path)
    with pytest.raises(IntegrityError) as refused:
        keys_of(bucket, parts, ["CustomerId"])
    assert parts[0].path in refused.value.where


@pytest.mark.parametrize("allowed", [None, 1, 3])
def test_too_many_are_refused_unless_exactly_that_number_is_allowed(allowed: int | None) -> None:
    with pytest.raises(TooManyDeletions, match="2 of 100 known keys") as refused:
        check_deletions(2, 100, 0.01, allowed, dataset="sse/customer", where="here")
    assert "allow_deletions: sse/customer=2" in refused.value.remedy
    assert "the contract allows 1 % of them, 1" in refused.value.problem
    assert ("another number" in refused.value.problem) == (allowed is not None)


@pytest.mark.parametrize(("deleted", "allowed"), [(0, None), (1, None), (2, 2), (100, 100)])
def test_few_or_allowed_deletions_pass(deleted: int, allowed: int | None) -> None:
    check_deletions(deleted, 100, 0.01, allowed, dataset="sse/customer", where="here")


def test_nobody_may_vanish_where_the_contract_allows_none() -> None:
    with pytest.raises(TooManyDeletions):
        check_deletions(1, 1000, 0.0, None, dataset="sse/customer", where="here")
