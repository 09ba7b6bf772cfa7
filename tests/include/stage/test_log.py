"""The numbered log on a real bucket: one winner per number, and no number ever made twice."""

from __future__ import annotations

import itertools

import pytest

from include.clients.cloud_storage import Bucket
from include.errors import IntegrityError, LostRace
from include.names import DatasetName
from include.stage.log import Batch, DatasetLog, Part
from tests.include.stage.batches import a_batch

_numbers = itertools.count(1)


@pytest.fixture
def name() -> DatasetName:
    return DatasetName("sse", f"thing{next(_numbers)}")


def test_a_batch_comes_back_as_it_was(bucket: Bucket, name: DatasetName) -> None:
    part = Part("sse/thing/parts/x.parquet", 3, 99, "AAAAAA==")
    batch = a_batch(1, "full", position={"rowversion": "00ff"}, parts=(part,), keys=(part,), notes=("a note",))
    DatasetLog(bucket, name).commit(batch)
    assert DatasetLog(bucket, name).get(1) == batch


def test_of_two_that_commit_one_number_the_second_has_lost_and_the_first_stays(
    bucket: Bucket, name: DatasetName
) -> None:
    DatasetLog(bucket, name).commit(a_batch(1, rows=1, attempt="first"))
    with pytest.raises(LostRace, match="batch 1"):
        DatasetLog(bucket, name).commit(a_batch(1, rows=2, attempt="second"))
    assert DatasetLog(bucket, name).get(1).rows == 1


def test_a_lost_reply_to_our_own_request_is_no_lost_race(bucket: Bucket, name: DatasetName) -> None:
    DatasetLog(bucket, name).commit(a_batch(1, attempt="mine"))
    DatasetLog(bucket, name).commit(a_batch(1, attempt="mine"))
    assert DatasetLog(bucket, name).numbers() == [1]


def test_a_missing_entry_is_refused_so_that_no_number_is_made_twice(bucket: Bucket, name: DatasetName) -> None:
    log = DatasetLog(bucket, name)
    for number in (1, 2, 3):
        log.commit(a_batch(number))
    bucket.delete(f"{name}/log/00000002.json")
    with pytest.raises(IntegrityError, match="lacks batch 2") as refused:
        log.next_number()
    assert refused.value.where.endswith(f"/{name}/log/00000002.json")


def test_other_objects_in_the_folder_are_no_batches(bucket: Bucket, name: DatasetName) -> None:
    log = DatasetLog(bucket, name)
    log.commit(a_batch(1))
    bucket.create(f"{name}/log/2.claim", b"", "text/plain")
    assert log.numbers() == [1]


def test_a_cohort_is_never_the_latest(bucket: Bucket, name: DatasetName) -> None:
    log = DatasetLog(bucket, name)
    log.commit(a_batch(1, "full"))
    log.commit(a_batch(2, "cohort"))
    latest = log.latest()
    assert latest is not None
    assert latest.number == 1
    assert log.next_number() == 3


def test_an_empty_log_has_no_latest_and_begins_with_one(bucket: Bucket, name: DatasetName) -> None:
    log = DatasetLog(bucket, name)
    assert log.latest() is None
    assert log.next_number() == 1


def test_a_full_and_a_key_scan_look_at_all_keys_and_a_window_does_not() -> None:
    looked = [batch.looked_at_all_keys for batch in (a_batch(1, "full"), a_batch(2, keys=()), a_batch(3))]
    assert looked == [True, True, False]


def test_an_unknown_number_is_refused(bucket: Bucket, name: DatasetName) -> None:
    with pytest.raises(IntegrityError, match="no batch 7"):
        DatasetLog(bucket, name).get(7)


def test_json_is_the_whole_truth(name: DatasetName) -> None:
    batch = a_batch(4, "full", window={"0": [1, 5]})
    assert Batch.from_json(batch.to_json()) == batch
