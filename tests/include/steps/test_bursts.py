"""A window of very many rows is taken in pieces, each a batch, where an index finds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from include.errors import Unavailable
from include.extract import capture
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.stage.log import Batch, DatasetLog
from include.steps import extract_sql_server
from tests.include.steps.way import SSE, Way


@pytest.fixture(scope="module", autouse=True)
def _twenty_customers_by_version(way: Way) -> None:
    made = t_sql.create_table(SSE_CUSTOMER)
    way.sql(f"{made.rstrip().removesuffix(')')}, CONSTRAINT by_version UNIQUE (RowVer))")
    rest = (None, None, "Doe", None, None, None, "A", None, datetime(2020, 1, 1), None)
    for statement in t_sql.inserts(SSE_CUSTOMER, [(number, *rest) for number in range(1, 21)]):
        way.sql(statement)
    way.extract()
    way.load()
    way.merge()


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def test_a_burst_is_taken_in_windows_each_of_which_is_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index on the rowversion finds where to cut; what is written between two windows is in the later one."""
    way.sql("UPDATE dbo.Customer SET Surname = N'Burst'")
    monkeypatch.setattr(capture, "ROWS_PER_WINDOW", 7)
    before, read = _log(way).next_number(), extract_sql_server._make_and_commit

    def meddling(work: Any, dataset_log: DatasetLog, number: int, make: Any) -> Batch:
        batch = read(work, dataset_log, number, make)
        if number == before:
            way.sql("UPDATE dbo.Customer SET Surname = N'Twice' WHERE CustomerId IN (1, 20)")
        return batch

    monkeypatch.setattr(extract_sql_server, "_make_and_commit", meddling)
    told = way.extract()
    batches = [_log(way).get(number) for number in range(before, _log(way).next_number())]
    assert [batch.is_cut for batch in batches] == [True] * (len(batches) - 1) + [False]
    assert [batch.keys is None for batch in batches] == [True] * (len(batches) - 1) + [False]
    assert all(batch.rows == 7 for batch in batches[:-1])
    assert told["batch"] == batches[-1].number
    way.load()
    way.merge()
    expected = dict.fromkeys(way.names(), "Burst") | {"1": "Twice", "20": "Twice"}
    assert way.names() == expected
    assert way.extract()["rows"] == 0
    way.merge()


def test_a_run_that_is_killed_between_two_windows_of_a_burst_goes_on(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.sql("UPDATE dbo.Customer SET Surname = N'Second'")
    monkeypatch.setattr(capture, "ROWS_PER_WINDOW", 7)
    before, read = _log(way).next_number(), extract_sql_server._make_and_commit

    def dying(work: Any, dataset_log: DatasetLog, number: int, make: Any) -> Batch:
        if number > before:
            raise Unavailable("killed", where="here", remedy="try again")
        return read(work, dataset_log, number, make)

    with monkeypatch.context() as patched:
        patched.setattr(extract_sql_server, "_make_and_commit", dying)
        with pytest.raises(Unavailable):
            way.extract()
    assert way.extract()["reused"] is False, "what is there is not all that was to be read"
    way.load()
    way.merge()
    assert set(way.names().values()) == {"Second"}
