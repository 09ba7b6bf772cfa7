"""Who has vanished? (a warehouse that truncates and refills at night looks like everybody's death)"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from include.clients.cloud_storage import Bucket
from include.errors import IntegrityError, TooManyDeletions
from include.names import IS_GONE, DatasetName
from include.stage.keys import Keys, check_deletions
from include.stage.log import Batch, Part
from include.stage.parquet import PartWriter
from tests.include.stage.batches import a_batch

NAME = DatasetName("sse", "keys")
SCHEMA = pa.schema([("CustomerId", pa.int64()), ("Surname", pa.string())])


def _parts(bucket: Bucket, token: str, *keys: Sequence[int]) -> tuple[Part, ...]:
    batches = [pa.RecordBatch.from_pydict({"CustomerId": k, "Surname": ["x"] * len(k)}, SCHEMA) for k in keys]
    return PartWriter(bucket, NAME, 1, token, rows_per_part=2).write(batches, SCHEMA)


def _marked(bucket: Bucket, token: str, **gone: bool) -> tuple[Part, ...]:
    """Parts of a window: key (k<number>) and whether it is gone."""
    schema = pa.schema([("CustomerId", pa.int64()), (IS_GONE, pa.bool_())])
    columns = {"CustomerId": [int(key[1:]) for key in gone], IS_GONE: list(gone.values())}
    return PartWriter(bucket, NAME, 1, token).write([pa.RecordBatch.from_pydict(columns, schema)], schema)


def _alive(bucket: Bucket, *batches: Batch, flag: str | None = None) -> list[int]:
    return sorted(Keys({"CustomerId": None}, flag).alive(bucket, batches).column("CustomerId").to_pylist())


def test_whom_a_cohort_brings_is_known_and_whom_it_finds_gone_is_not(bucket: Bucket) -> None:
    full = a_batch(1, "full", parts=_parts(bucket, "cohort-full", [1, 2, 3]))
    cohort = a_batch(2, "cohort", parts=_marked(bucket, "cohort", k1=False, k2=True, k4=False))
    assert _alive(bucket, full, cohort) == [1, 3, 4]
    assert _alive(bucket, cohort) == [1, 4]


def test_the_keys_of_a_full_are_those_of_its_rows_each_once(bucket: Bucket) -> None:
    assert _alive(bucket, a_batch(1, "full", parts=_parts(bucket, "before", [1, 2], [3, 3], [4]))) == [1, 2, 3, 4]


def test_the_key_set_of_a_window_counts_not_its_rows(bucket: Bucket) -> None:
    keys, rows = _parts(bucket, "keys", [1, 2], [3]), _parts(bucket, "rows", [2, 9])
    assert _alive(bucket, a_batch(2, parts=rows, keys=keys)) == [1, 2, 3]


def test_windows_add_what_is_new_and_take_away_what_they_say_is_gone(bucket: Bucket) -> None:
    full = a_batch(1, "full", parts=_parts(bucket, "full", [1, 2, 3]))
    first = a_batch(2, parts=_marked(bucket, "first", k2=True, k4=False))
    second = a_batch(3, parts=_marked(bucket, "second", k4=True, k2=False, k5=False))
    assert _alive(bucket, full, first) == [1, 3, 4]
    assert _alive(bucket, full, first, second) == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("collation", "keys"),
    [
        ("case_insensitive", ["ABC"]),
        ("case_sensitive", ["ABC", "abc"]),
        ("exact", ["ABC", "ABC  ", "abc"]),
    ],
)
def test_keys_are_one_where_the_source_takes_them_for_one(bucket: Bucket, collation: str, keys: list[str]) -> None:
    schema = pa.schema([("Ref", pa.string())])
    batch = pa.RecordBatch.from_pydict({"Ref": ["abc", "ABC", "ABC  "]}, schema)
    parts = PartWriter(bucket, NAME, 1, f"text-{collation}").write([batch], schema)
    alive = Keys({"Ref": collation}).alive(bucket, [a_batch(1, "full", parts=parts)])
    assert sorted(alive.column("Ref").to_pylist()) == keys


def test_a_flagged_row_is_gone_also_in_a_full_and_null_is_no_flag(bucket: Bucket) -> None:
    schema = pa.schema([("CustomerId", pa.int64()), ("IsDeleted", pa.bool_())])
    batch = pa.RecordBatch.from_pydict({"CustomerId": [1, 2, 3], "IsDeleted": [True, False, None]}, schema)
    parts = PartWriter(bucket, NAME, 1, "flagged").write([batch], schema)
    assert _alive(bucket, a_batch(1, "full", parts=parts), flag="IsDeleted") == [2, 3]


def test_a_part_that_is_gone_is_named(bucket: Bucket) -> None:
    parts = _parts(bucket, "gone", [1])
    bucket.delete(parts[0].path)
    with pytest.raises(IntegrityError) as refused:
        Keys({"CustomerId": None}).of_parts(bucket, parts)
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


def test_all_may_never_vanish_at_once_without_a_person() -> None:
    with pytest.raises(TooManyDeletions, match="10 of 10"):
        check_deletions(10, 10, 1.0, None, dataset="sse/customer", where="here")
    check_deletions(10, 10, 1.0, 10, dataset="sse/customer", where="here")
