"""What SQL Server says no to is refused with what to do; what may heal is said to be unavailable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.clients.sql_server import connect
from include.connections import EnvironmentConnections, SqlServerSettings
from include.errors import SourceRefused, SourceUnavailable
from include.local.platform import Platform


@pytest.fixture(scope="module")
def settings(platform: Platform) -> SqlServerSettings:
    return EnvironmentConnections(platform.environment()).sql_server("sse")


def test_a_wrong_password_is_refused_and_not_repeated(settings: SqlServerSettings) -> None:
    with (
        pytest.raises(SourceRefused, match="Login failed") as caught,
        connect(replace(settings, password="wr}ong"), "master"),
    ):
        pass
    assert "wr}ong" not in str(caught.value)
    assert "connection" in caught.value.remedy


def test_a_missing_database_may_be_one_that_recovers(settings: SqlServerSettings) -> None:
    with pytest.raises(SourceUnavailable, match="Cannot open database"), connect(settings, "nowhere"):
        pass


def test_a_missing_table_and_a_missing_column_are_refused(settings: SqlServerSettings) -> None:
    with connect(settings, "master") as session:
        with pytest.raises(SourceRefused, match="Invalid object name"):
            session.rows("SELECT a FROM dbo.nowhere")
        with pytest.raises(SourceRefused, match="Invalid column name"):
            session.rows("SELECT nope FROM sys.databases")


def test_a_certificate_that_nobody_trusts_is_refused_and_not_taken_for_silence(settings: SqlServerSettings) -> None:
    strict = replace(settings, options={"TrustServerCertificate": "no"})
    with pytest.raises(SourceRefused, match="certificate verify failed") as caught, connect(strict, "master"):
        pass
    assert "TrustServerCertificate=yes of the connection sse" in caught.value.remedy


def test_a_value_in_the_servers_words_is_not_repeated(settings: SqlServerSettings) -> None:
    with connect(settings, "master") as session, pytest.raises(SourceRefused) as caught:
        session.rows("SELECT CAST('Mrs Secret' AS int)")
    assert "Secret" not in str(caught.value)


def test_a_snapshot_is_given_back_after_an_error(settings: SqlServerSettings) -> None:
    with connect(settings, "master") as session:
        with pytest.raises(SourceRefused), session.snapshot():
            session.rows("SELECT a FROM dbo.nowhere")
        assert session.scalar("SELECT @@TRANCOUNT") == 0


@pytest.mark.parametrize(
    ("text", "batches"),
    [
        ("CAST(N'x' AS nvarchar(50))", [10_000, 1_200]),
        ("CAST(N'x' AS nvarchar(1000))", [4_950, 4_950, 1_300]),
        ("CAST(N'x' AS nvarchar(4000))", [2_000] * 5 + [1_200]),
        ("CAST(N'x' AS nvarchar(max))", [500] * 22 + [200]),
    ],
)
def test_the_wider_its_columns_are_the_fewer_rows_come_at_a_time(
    settings: SqlServerSettings, text: str, batches: list[int]
) -> None:
    with connect(settings, "master") as session:
        sql = f"SELECT value, {text} AS x FROM GENERATE_SERIES(1, 11200)"
        assert [batch.num_rows for batch in session.batches(sql)] == batches
