"""Two runs do not read the same, if they can help it; and no dead run keeps another waiting for long."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta

import pytest

from include.clients.cloud_storage import Bucket
from include.errors import NotNow
from include.names import DatasetName
from include.stage import claim
from include.stage.claim import Claim
from include.stage.sweep import sweep
from tests.include.stage.batches import a_batch

NAME = DatasetName("sse", "claimed")


def _claim(bucket: Bucket, number: int, run: str) -> Claim:
    return Claim(bucket, NAME, number, run)


def test_a_second_run_is_told_who_reads_and_when_to_look_again(bucket: Bucket) -> None:
    with _claim(bucket, 1, "one/manual").held():
        said = "the run one/manual reads batch 1 of sse/claimed already"
        with pytest.raises(NotNow, match=said) as told, _claim(bucket, 1, "two/manual").held():
            pytest.fail("it was not held back")
        assert timedelta(seconds=50) < told.value.until - datetime.now(UTC) <= timedelta(minutes=1)
        with _claim(bucket, 2, "two/manual").held():
            pass
    with _claim(bucket, 1, "two/manual").held():
        pass
    assert list(bucket.names(f"{NAME}/")) == []


def test_the_next_try_of_a_killed_run_does_not_wait_for_itself(bucket: Bucket) -> None:
    bucket.replace(_claim(bucket, 3, "one/manual").path, b'{"run": "one/manual"}', "application/json")
    with _claim(bucket, 3, "one/manual").held():
        pass


def test_a_run_that_says_nothing_any_more_is_not_waited_for(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.replace(_claim(bucket, 4, "dead/manual").path, b'{"run": "dead/manual"}', "application/json")
    with pytest.raises(NotNow), _claim(bucket, 4, "two/manual").held():
        pass
    monkeypatch.setattr(claim, "LASTS", timedelta(0))
    with _claim(bucket, 4, "two/manual").held():
        pass


def test_who_reads_for_long_goes_on_saying_so(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "BEAT", timedelta(milliseconds=50))
    own = _claim(bucket, 5, "one/manual")
    with own.held():
        first = bucket.updated_at(own.path)
        assert first is not None
        deadline = time.monotonic() + 20
        while (bucket.updated_at(own.path) or first) <= first:
            assert time.monotonic() < deadline, "no second beat"
            time.sleep(0.05)


def test_a_claim_that_was_left_goes_with_the_sweep(bucket: Bucket) -> None:
    path = _claim(bucket, 6, "dead/manual").path
    bucket.replace(path, b"{}", "application/json")
    assert sweep(bucket, a_batch(6, dataset=str(NAME))) == 1
    assert bucket.updated_at(path) is None


def test_the_moment_survives_the_way_between_processes() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    again = pickle.loads(pickle.dumps(NotNow("p", where="w", remedy="r", until=at)))
    assert (str(again), again.until) == ("p\n  where: w\n  to do: r", at)
