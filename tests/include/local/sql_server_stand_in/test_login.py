"""Who is let in, and what does a connection begin with?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mssql_python
import pytest

from tests.include.local.sql_server_stand_in.asking import Asking


def test_a_wrong_password_is_refused(asking: Callable[..., Asking]) -> None:
    with pytest.raises(Exception, match="Login failed for user 'sa'"):
        asking(pwd="wrong")


def test_a_database_that_is_not_there_is_refused(asking: Callable[..., Asking]) -> None:
    with pytest.raises(Exception, match="Cannot open database"):
        asking("nowhere")


@pytest.mark.parametrize("size", [512, 4096, 32767])
def test_rows_and_parameters_are_whole_in_packets_of_any_size(asking: Callable[..., Asking], size: int) -> None:
    client = asking(PacketSize=size)
    rows = client.rows("SELECT value, CAST(value AS varchar(20)) + REPLICATE('x', 50) FROM GENERATE_SERIES(1, 3000)")
    assert rows == [(number, f"{number}{'x' * 50}") for number in range(1, 3001)]
    assert client.one("SELECT ? AS big", "é" * 20_000) == "é" * 20_000


def test_a_connection_from_the_pool_is_as_new(client: Asking, asking: Callable[..., Asking]) -> None:
    client.run("CREATE TABLE dbo.pooled (id int)")
    mssql_python.pooling(enabled=True, max_size=2, idle_timeout=60)
    try:
        first = asking()
        spid = first.one("SELECT @@SPID")
        first.run("USE master; SET NOCOUNT ON; BEGIN TRANSACTION")
        first.run(f"INSERT INTO {client.one('SELECT DB_NAME()')}.dbo.pooled (id) VALUES (1)")
        first.connection.close()
        again = asking()
        assert again.one("SELECT @@SPID") == spid
        assert again.rows("SELECT DB_NAME(), @@TRANCOUNT") == [(client.one("SELECT DB_NAME()"), 0)]
        assert again.one("SELECT COUNT(*) FROM dbo.pooled") == 0
        again.run("DELETE FROM dbo.pooled")
        assert again.cursor.rowcount == 0, "NOCOUNT is off again"
        again.connection.close()
    finally:
        mssql_python.pooling(enabled=False)


def test_an_abandoned_result_does_not_disturb_the_next(client: Asking) -> None:
    cursor: Any = client.connection.cursor()
    cursor.execute("SELECT value FROM GENERATE_SERIES(1, 200000)")
    cursor.fetchmany(10)
    cursor.close()
    assert client.one("SELECT 1") == 1
