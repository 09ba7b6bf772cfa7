"""Reuse, races and refusals of an extract, on real servers; the tests of this file are steps of one story."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from include.clients.sql_server import Session
from include.errors import DriftError, LostRace, TooManyDeletions
from include.extract import capture
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.stage.log import DatasetLog
from tests.include.steps.way import SSE, Way


@pytest.fixture(scope="module", autouse=True)
def _twenty_customers(way: Way) -> None:
    way.customers(range(1, 21))


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def _parts(way: Way) -> list[str]:
    return list(way.world.servers.bucket.names("sse/customer/parts/"))


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
    entries = _log(way)
    named = {part.path for n in entries.numbers() for part in (*entries.get(n).parts, *(entries.get(n).keys or ()))}
    assert set(_parts(way)) - named == set(rival.refused)
    way.load()
    assert way.merge()["updated"] == 1
    assert way.names()["5"] == "Raced"


def test_who_loses_again_and_again_gives_up_with_the_task_to_be_tried_again(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Rival(way, monkeypatch, times=9, full_refresh=True)
    with pytest.raises(LostRace):
        way.extract(full_refresh=True)


class _Rival:
    """Commits a batch while ours is being read: between its rows and its log entry."""

    def __init__(self, way: Way, monkeypatch: pytest.MonkeyPatch, times: int, **request: Any) -> None:
        self.committed: list[int] = []
        self.refused: list[str] = []  # parts of tries that were refused before this story's race
        shipped = capture.read

        def read(*arguments: Any) -> capture.Reading:
            reading = shipped(*arguments)
            if len(self.committed) < times and not self._inside:
                self._inside = True
                self.committed.append(way.extract(**request)["batch"])
                self._inside = False
            return reading

        self._inside = False
        log, parts = _log(way), set(_parts(way))
        for number in log.numbers():
            parts -= {part.path for part in (*log.get(number).parts, *(log.get(number).keys or ()))}
        self.refused = sorted(parts)
        monkeypatch.setattr(capture, "read", read)


def test_a_source_that_became_narrower_is_read_in_full_or_not_at_all(way: Way) -> None:
    assert [_log(way).get(number).source_types["Surname"] for number in (1, 2)] == ["nvarchar(60)"] * 2
    made = t_sql.create_table(SSE_CUSTOMER)
    assert "Surname nvarchar(60)" in made
    way.sql("DROP TABLE dbo.Customer")
    way.sql(made.replace("Surname nvarchar(60)", "Shoe int NULL, Surname nvarchar(50)"))
    row = "(CustomerId, Surname, Status, CreatedAt) SELECT value, N'Doe', 'A', '2020-01-01' FROM GENERATE_SERIES(1, 20)"
    way.sql(f"INSERT INTO dbo.Customer {row}")
    before, later = _log(way).numbers(), way.begin()
    late = replace(later, started_at=later.started_at + timedelta(hours=6, minutes=1))
    with pytest.raises(DriftError, match=r"Surname was nvarchar\(60\).*is nvarchar\(50\) now: narrower"):
        way.extract(run=late)
    assert _log(way).numbers() == before
    told = way.extract(full_refresh=True)
    assert [note.partition(":")[0] for note in told["notes"]] == [
        "Surname was nvarchar(60) when it was last read, and is nvarchar(50) now",
        "not in the contract, so never read",
    ]
    assert way.extract(run=late)["notes"] == []


def test_a_table_that_lacks_a_claimed_column_is_refused_before_a_row_is_read(way: Way) -> None:
    way.sql("DROP TABLE dbo.Customer")
    way.sql("CREATE TABLE dbo.Customer (CustomerId int NOT NULL PRIMARY KEY, RowVer rowversion NOT NULL)")
    before = _log(way).numbers()
    with pytest.raises(DriftError, match="column FirstName, Surname, Email, DateOfBirth, Status, CreatedAt is missing"):
        way.extract(full_refresh=True)
    assert _log(way).numbers() == before
