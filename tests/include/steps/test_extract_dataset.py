"""Reuse, races and refusals of an extract, on real servers; the tests of this file are steps of one story."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import Session
from include.errors import ForbiddenError, LostRace, NotNow, RequestError, TooManyDeletions, Unavailable
from include.extract import capture
from include.names import DatasetName
from include.stage import claim
from include.stage.log import Batch, DatasetLog
from include.stage.parquet import PartWriter
from include.steps import extract_sql_server
from include.steps.extract_sql_server import from_last_look
from include.steps.servers import Servers
from tests.include.stage.batches import a_batch
from tests.include.steps.way import SSE, Way


@pytest.fixture(scope="module", autouse=True)
def _twenty_customers(way: Way) -> None:
    way.customers(range(1, 21))


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def _parts(way: Way) -> list[str]:
    return sorted(way.world.servers.bucket.names("sse/customer/parts/"))


def _named(way: Way) -> list[str]:
    """The parts that the log's entries name."""
    batches = [_log(way).get(number) for number in _log(way).numbers()]
    return sorted(part.path for batch in batches for part in (*batch.parts, *(batch.keys or ())))


def test_a_dry_run_of_the_first_batch_counts_and_writes_nothing(way: Way) -> None:
    told = way.extract(dry_run=True)
    assert (told["kind"], told["rows"]) == ("full", 20)
    assert _log(way).numbers() == []
    assert _parts(way) == []


def test_a_batch_that_is_fresh_and_not_merged_is_used_again(way: Way) -> None:
    assert (way.extract()["batch"], _log(way).numbers()) == (1, [1])
    told = way.extract()
    assert (told["batch"], told["reused"], _log(way).numbers()) == (1, True, [1])


def test_a_batch_that_is_too_old_is_not_used_again(way: Way) -> None:
    later = way.begin()
    told = way.extract(run=replace(later, started_at=later.started_at + timedelta(hours=6, minutes=1)))
    assert (told["batch"], told["reused"], told["rows"]) == (2, False, 0)


def test_a_batch_that_was_merged_is_not_used_again(way: Way) -> None:
    way.load()
    assert way.merge()["inserted"] == 20
    way.sql("UPDATE dbo.Customer SET Surname = N'Changed' WHERE CustomerId = 1")
    told = way.extract()
    assert (told["batch"], told["kind"], told["reused"], told["rows"]) == (3, "window", False, 1)


def test_a_full_refresh_reads_everything_and_changes_nothing_but_what_differs(way: Way) -> None:
    told = way.extract(full_refresh=True)
    assert (told["kind"], told["rows"]) == ("full", 20)
    way.load()
    merged = way.merge()
    assert (merged["rows_taken"], merged["updated"], merged["inserted"], merged["removed"]) == (20, 1, 0, 0)


@pytest.mark.parametrize("customer", [4, 5])
def test_what_commits_around_the_bound_and_the_picture_is_read_now_or_next_time(
    way: Way, monkeypatch: pytest.MonkeyPatch, customer: int
) -> None:
    """Just before the bound is read for one customer, just after it for the other: a picture that was taken before the
    bound shows neither, and no later window would look for the first."""
    shipped, changed = Session.scalar, []

    def scalar(self: Session, sql: str, params: Any = ()) -> Any:
        if "MIN_ACTIVE_ROWVERSION" not in sql or changed:
            return shipped(self, sql, params)
        changed.append(customer)
        change = f"UPDATE dbo.Customer SET Surname = N'Around{customer}' WHERE CustomerId = {customer}"
        if customer == 4:
            way.sql(change)
            return shipped(self, sql, params)
        high = shipped(self, sql, params)
        way.sql(change)
        return high

    monkeypatch.setattr(Session, "scalar", scalar)
    way.extract()
    assert changed == [customer]
    way.load()
    way.merge()
    way.extract()
    way.load()
    way.merge()
    assert way.names()[str(customer)] == f"Around{customer}"


def test_more_deletions_than_the_contract_allows_are_refused_and_nothing_is_committed(way: Way) -> None:
    way.sql("DELETE FROM dbo.Customer WHERE CustomerId IN (2, 3)")
    before = _log(way).numbers()
    with pytest.raises(TooManyDeletions, match="2 of 20 known keys") as refused:
        way.extract()
    assert "allow_deletions: sse/customer=2" in refused.value.remedy
    with pytest.raises(TooManyDeletions):
        way.extract(allow_deletions={"sse/customer": 3})
    with pytest.raises(TooManyDeletions, match="2 of 20 known keys"):
        way.extract(dry_run=True)
    assert way.extract(dry_run=True, allow_deletions={"sse/customer": 2})["deleted"] == 2
    assert _log(way).numbers() == before
    assert _parts(way) == _named(way), "people's rows were written, and stay without an entry"


def test_exactly_the_number_that_a_person_allowed_passes(way: Way) -> None:
    told = way.extract(allow_deletions={"sse/customer": 2})
    assert told["deleted"] == 2
    way.load()
    assert way.merge()["removed"] == 2
    assert "2" not in way.names()


def test_who_loses_the_race_throws_the_parts_away_and_goes_on_from_the_winner(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.sql("UPDATE dbo.Customer SET Surname = N'Raced' WHERE CustomerId = 5")
    rival = _Rival(way, monkeypatch, times=1)
    told = way.extract()
    assert (told["batch"], told["reused"]) == (rival.committed[0], True)
    assert _parts(way) == _named(way)
    way.load()
    assert way.merge()["updated"] == 1
    assert way.names()["5"] == "Raced"


def test_who_loses_again_and_again_gives_up_with_the_task_to_be_tried_again(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Rival(way, monkeypatch, times=9, full_refresh=True)
    with pytest.raises(LostRace):
        way.extract(full_refresh=True)


class _TimeIsOver(BaseException):
    """As Airflow's AirflowTaskTimeout, which is no Exception: it may come at any line."""


def test_who_is_stopped_in_the_middle_of_the_read_leaves_no_row_behind(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, shipped, written = (_log(way).numbers(), _parts(way)), PartWriter.write, list[str]()

    def write(*arguments: Any) -> Any:
        written.extend(part.path for part in shipped(*arguments))
        assert set(written) <= set(_parts(way))
        raise _TimeIsOver

    monkeypatch.setattr(PartWriter, "write", write)
    with pytest.raises(_TimeIsOver):
        way.extract(full_refresh=True)
    assert written
    assert (_log(way).numbers(), _parts(way)) == before


def test_the_parts_stay_when_only_the_answer_to_the_commit_was_lost(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry may be there: without its parts nothing could be loaded any more."""
    shipped = DatasetLog.commit

    def commit(log: DatasetLog, batch: Batch) -> None:
        shipped(log, batch)
        raise Unavailable("no answer", where="bucket", remedy="tried again by itself")

    monkeypatch.setattr(DatasetLog, "commit", commit)
    with pytest.raises(Unavailable):
        way.extract(full_refresh=True)
    assert _parts(way) == _named(way)


def _quiet(way: Way, root: Path, begins_in: int) -> tuple[Way, str]:
    """The same, where the source may be read in an hour that begins in so many hours alone; and that span."""
    hour = datetime.now(ZoneInfo("Europe/London")).hour + begins_in
    span = f"{hour % 24:02}:00-{(hour + 1) % 24:02}:00"
    shutil.copytree(way.catalogue.sql.parent, root)
    path = Catalogue(root).dataset_path(SSE)
    path.write_text(f'quiet_hours: "{span}"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    return Way(way.world, Catalogue(root), way.database), span


def test_outside_its_quiet_hours_a_source_is_not_asked_unless_the_form_says_so(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (quiet, span), before = _quiet(way, tmp_path / "root", begins_in=2), _log(way).numbers()
    with monkeypatch.context() as patch:
        patch.setattr(Servers, "sql_server", lambda *asked: pytest.fail("the source was asked"))
        with pytest.raises(NotNow, match=f"is read in its quiet hours, {span}, alone") as told:
            quiet.extract(full_refresh=True)
        with pytest.raises(RequestError, match="the next begin at"):  # somebody waits for a dry run
            quiet.extract(full_refresh=True, dry_run=True)
    assert timedelta(0) < told.value.until - datetime.now(UTC) <= timedelta(hours=2)
    assert _log(way).numbers() == before
    assert quiet.extract(full_refresh=True, ignore_quiet_hours=True)["batch"] == before[-1] + 1


def test_quiet_hours_that_are_far_away_are_not_waited_for(way: Way, tmp_path: Path) -> None:
    quiet, _ = _quiet(way, tmp_path / "root", begins_in=12)
    with pytest.raises(RequestError, match="the next begin at") as refused:
        quiet.extract(full_refresh=True)
    assert "ignore_quiet_hours" in refused.value.remedy


def test_a_sweep_that_fails_does_not_fail_what_is_committed(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(*arguments: Any) -> int:
        raise ForbiddenError("no", where="bucket", remedy="grant")

    monkeypatch.setattr(extract_sql_server, "sweep", sweep)
    told = way.extract(full_refresh=True)
    assert told["batch"] == _log(way).numbers()[-1]


def test_what_a_killed_try_has_left_goes_with_the_next_batch(way: Way) -> None:
    number = _log(way).next_number()
    left = PartWriter(way.world.servers.bucket, SSE, number, "killed").write(
        [], pa.schema([("CustomerId", pa.int64())])
    )
    assert left[0].path in _parts(way)
    way.extract(full_refresh=True)
    assert _parts(way) == _named(way)


def test_who_has_vanished_is_told_by_the_last_batch_that_looked_at_all_keys(way: Way) -> None:
    """A window without a scan of the keys knows of none: compared with it nobody would ever vanish."""
    log = DatasetLog(way.world.servers.bucket, DatasetName("sse", "looked"))
    for batch in (a_batch(1, "full"), a_batch(2, "full"), a_batch(3), a_batch(4)):
        log.commit(batch)
    assert [batch.number for batch in from_last_look(log)] == [2, 3, 4]
    alone = DatasetLog(way.world.servers.bucket, DatasetName("sse", "asked"))
    for batch in (a_batch(1, "cohort"), a_batch(2, "cohort")):
        alone.commit(batch)
    assert [batch.number for batch in from_last_look(alone)] == [1, 2], "whom cohorts have brought is known"


class _Rival:
    """Commits a batch while ours is being read: between its rows and its log entry."""

    def __init__(self, way: Way, monkeypatch: pytest.MonkeyPatch, times: int, **request: Any) -> None:
        self.committed: list[int] = []
        shipped = capture.read

        def read(*arguments: Any) -> capture.Reading:
            reading = shipped(*arguments)
            if len(self.committed) < times and not self._inside:
                self._inside = True
                self.committed.append(way.extract(**request)["batch"])
                self._inside = False
            return reading

        self._inside = False
        monkeypatch.setattr(capture, "read", read)
        monkeypatch.setattr(claim, "LASTS", timedelta(0))  # neither believes the other's claim
