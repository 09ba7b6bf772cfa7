"""What the catalog says beside the contract: refused, or noted in the batch when it is new."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from include.errors import DriftError
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.stage.log import DatasetLog
from tests.include.steps.way import SSE, Way

ROWS = "(CustomerId, Surname, Status, CreatedAt) SELECT value, N'Doe', 'A', '2020-01-01' FROM GENERATE_SERIES(1, 20)"


@pytest.fixture(scope="module", autouse=True)
def _twenty_customers(way: Way) -> None:
    _make(way, t_sql.create_table(SSE_CUSTOMER))
    way.extract()


def _make(way: Way, table: str) -> None:
    way.sql("DROP TABLE IF EXISTS dbo.Customer")
    way.sql(table)
    way.sql(f"INSERT INTO dbo.Customer {ROWS}")


def _log(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def test_a_source_that_became_narrower_is_read_in_full_or_not_at_all(way: Way) -> None:
    assert _log(way).get(1).source_types["Surname"] == "nvarchar(60)"
    made = t_sql.create_table(SSE_CUSTOMER)
    assert "Surname nvarchar(60)" in made
    _make(way, made.replace("Surname nvarchar(60)", "Shoe int NULL, Surname nvarchar(50)"))
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


def test_a_missing_primary_key_is_noted_when_it_is_new_alone(way: Way) -> None:
    made = t_sql.create_table(SSE_CUSTOMER)
    _make(way, made)
    way.extract(full_refresh=True)
    _make(way, made.replace(" PRIMARY KEY", ""))
    noted = [way.extract(full_refresh=True)["notes"] for _ in range(3)]
    assert ["has no primary key" in note for note in noted[0]] == [True]
    assert noted[1:] == [[], []]


def test_a_table_that_lacks_a_claimed_column_is_refused_before_a_row_is_read(way: Way) -> None:
    way.sql("DROP TABLE dbo.Customer")
    way.sql("CREATE TABLE dbo.Customer (CustomerId int NOT NULL PRIMARY KEY, RowVer rowversion NOT NULL)")
    before = _log(way).numbers()
    with pytest.raises(DriftError, match="column FirstName, Surname, Email, DateOfBirth, Status, CreatedAt is missing"):
        way.extract(full_refresh=True)
    assert _log(way).numbers() == before
