"""Ranges that no longer fit, are refused, or are tried again: no batch of them is wrong, and none is left over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import EpochBroken, ForbiddenError, IntegrityError, NotNow, SourceUnavailable, TooManyDeletions
from include.extract import ranges
from include.stage.log import Batch, DatasetLog
from include.stage.parquet import PartWriter
from tests.include.steps.in_ranges import (
    finish,
    handed_on,
    is_the_source,
    log_of,
    newest,
    parts_of,
    plan,
    read_one,
    write,
)
from tests.include.steps.way import SSE, Way


def test_what_does_not_fit_any_more_is_not_used(
    declared: Callable[[str], Way], caplog: pytest.LogCaptureFixture
) -> None:
    way = declared("rowversion")
    read = [read_one(way, share) for share in plan(way)]
    other_plan = plan(way)

    for last, why in (
        ([], "3 of 4 ranges are there"),
        ([read[2]], "4 of 4 ranges are there"),
        ([other_plan[3]], "they belong to several plans"),
        ([handed_on({**read[3], "parts": None})], "a range was not read"),
        ([{**read[3], "counted": 9}], "a range was not read, or not as it was counted"),
        ([{**read[3], "another": "field"}], "another version of the code has planned them"),
        ([{**read[3], "parts": [{**read[3]["parts"][0], "path": "x"}]}], "parts of them are gone"),
    ):
        caplog.clear()
        next_one = log_of(way).next_number()
        told = finish(way, [{**share, "batch": next_one} for share in (*read[:3], *last)])  # as if planned just now
        assert why in caplog.text
        assert (told["kind"], told["rows"]) == ("full", 40), "read in one picture instead"
        assert newest(way).catch_up is None


def test_a_contract_that_changes_meanwhile_ends_the_plan(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    """But not one of its words, which change nothing of what is read."""
    shares = plan(way)
    read = [read_one(way, share) for share in shares[:2]]
    write(way, "owner: .*", "owner: somebody-else")
    read.append(read_one(way, shares[2]))
    assert read[2]["parts"]
    write(way, "deletes: key_scan", "deletes: never")
    read.append(read_one(way, shares[3]))
    assert read[3]["parts"] is None
    assert finish(way, read)["rows"] == 40
    assert newest(way).catch_up is None


def test_a_table_that_is_altered_meanwhile_is_read_anew(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    shares = plan(way)
    read = [read_one(way, share) for share in shares]
    way.sql("ALTER TABLE dbo.Customer ADD Nickname nvarchar(20) NULL")
    assert read_one(way, shares[3])["parts"] is None
    told = finish(way, read)
    assert (told["rows"], newest(way).catch_up) == (40, None)


def test_a_try_that_was_killed_after_its_commit_uses_what_it_has_committed(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    read = [read_one(way, share) for share in plan(way)]
    told = finish(way, read)
    kept = parts_of(way, told["batch"])
    again = finish(way, read, full_refresh=False)
    assert (again["batch"], again["reused"]) == (told["batch"], True)
    assert parts_of(way, told["batch"]) == kept == {part.path for part in newest(way).named}
    assert is_the_source(way)


def test_a_database_that_is_restored_meanwhile_gives_no_batch(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    shares = plan(way)
    before = log_of(way).numbers()
    other = [{**share, "epoch": {**share["epoch"], "recovery_fork": "another"}} for share in shares]
    with pytest.raises(EpochBroken, match="restored"):
        read_one(way, other[0])
    read = [read_one(way, share) for share in shares]
    with pytest.raises(EpochBroken, match="restored"):
        finish(way, [{**share, "epoch": other[0]["epoch"]} for share in read])
    assert log_of(way).numbers() == before
    assert parts_of(way, shares[0]["batch"]) == set()


def test_an_unavailable_source_leaves_the_ranges_for_the_next_try(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = declared("rowversion")
    read = [read_one(way, share) for share in plan(way)]
    with monkeypatch.context() as patched:
        patched.setattr("include.extract.capture.read", _unavailable)
        with pytest.raises(SourceUnavailable):
            finish(way, read)
    told = finish(way, read)
    assert newest(way).catch_up is not None
    assert told["rows"] == 40


def _unavailable(*_: Any) -> None:
    raise SourceUnavailable("gone for a moment", where="here", remedy="wait")


def test_the_plan_of_a_number_that_was_never_committed_clears_what_is_left_of_it(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that is refused ends the run, and nobody else would delete the others: one more full each night."""
    way = declared("rowversion")
    shares = plan(way)
    left = {part["path"] for share in shares[:3] for part in read_one(way, share)["parts"]}
    assert left <= parts_of(way, shares[0]["batch"])
    plan(way)
    assert not left & parts_of(way, shares[0]["batch"])


def test_a_range_whose_number_was_taken_while_it_was_read_leaves_nothing(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = declared("rowversion")
    share, reading = plan(way)[0], ranges.read_range

    def overtaken(*given: Any) -> Any:
        found = reading(*given)
        finish(way, [])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(ranges, "read_range", overtaken)
        assert read_one(way, share)["parts"] is None
    assert parts_of(way, share["batch"]) == {part.path for part in newest(way).named}


def test_an_entry_that_may_be_there_keeps_its_parts(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket has made it, and then says no: the right has just been withdrawn."""
    way = declared("rowversion")
    read, commit = [read_one(way, share) for share in plan(way)], DatasetLog.commit

    def made_and_forbidden(log: DatasetLog, batch: Batch) -> None:
        commit(log, batch)
        raise ForbiddenError("not allowed", where="here", remedy="ask")

    with monkeypatch.context() as patched:
        patched.setattr(DatasetLog, "commit", made_and_forbidden)
        with pytest.raises(ForbiddenError):
            finish(way, read)
    assert {part.path for part in newest(way).named} == parts_of(way, read[0]["batch"]) - {_claim(way, read)}
    assert finish(way, read, full_refresh=False)["reused"]
    assert is_the_source(way)


def _claim(way: Way, read: Sequence[dict[str, Any]]) -> str:
    return f"{SSE}/parts/{read[0]['batch']:08}-claim.json"


def test_rows_that_no_capture_has_seen_come_are_not_taken_for_read(declared: Callable[[str], Way]) -> None:
    """As when a partition is switched in between two ranges: its rowversions are older than the plan."""
    way = declared("rowversion")
    read = [read_one(way, share) for share in plan(way)]
    empty = way.world.servers.bucket.read(read[3]["parts"][0]["path"])
    schema = pq.read_schema(pa.BufferReader(empty))
    writer = PartWriter(way.world.servers.bucket, SSE, read[3]["batch"], "without")
    (part,) = writer.write((), schema)
    finish(way, [*read[:3], handed_on({**read[3], "parts": [asdict(part)], "counted": 0})])
    way.load()
    with pytest.raises(IntegrityError, match="has no row in its ranges"):
        way.merge()
    finish(way, [])
    assert is_the_source(way)


def test_a_range_begins_in_the_quiet_hours_and_the_end_does_not_wait_for_them(
    declared: Callable[[str], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = declared("rowversion")
    shares = plan(way)
    read = [read_one(way, share) for share in shares]
    at = datetime.now(ZoneInfo("Europe/London")) + timedelta(hours=2)
    write(way, "zone: ", f'quiet_hours: "{at:%H:%M}-{at + timedelta(hours=1):%H:%M}"\nzone: ')
    with pytest.raises(NotNow, match="quiet hours"):
        read_one(way, shares[0])
    assert finish(way, read)["rows"] == 40


def test_a_refusal_leaves_no_part_of_any_range(declared: Callable[[str], Way]) -> None:
    way = declared("rowversion")
    finish(way, [read_one(way, share) for share in plan(way)])
    way.sql("DELETE FROM dbo.Customer")
    way.sql(
        "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt)"
        " SELECT value, N'x', 'A', GETDATE() FROM GENERATE_SERIES(101, 140)"
    )
    shares = plan(way)
    read = [read_one(way, share) for share in shares]
    with pytest.raises(TooManyDeletions, match="40 of 40 known keys"):
        finish(way, read)
    assert parts_of(way, shares[0]["batch"]) == set()
    told = finish(way, read, allow_deletions={"sse/customer": 40})
    assert told["rows"] == 40
    assert is_the_source(way)
