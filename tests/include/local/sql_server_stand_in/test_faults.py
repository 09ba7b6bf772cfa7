"""A fault meets whom it is meant for: its kind, its scope, how often, and until its session ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mssql_python
import pytest

from tests.include.local.sql_server_stand_in.asking import Asking
from tests.waiting import wait_until

ROWS = 50_000
EVERYTHING = "SELECT id, v FROM dbo.thing"


@pytest.fixture(scope="module", autouse=True)
def _tables(server: Any, connect: Any, database: str) -> None:
    with connect(server, database) as connection:
        for table in ("thing", "other"):
            connection.cursor().execute(f"CREATE TABLE dbo.{table} (id int NOT NULL PRIMARY KEY, v int NULL)")
            connection.cursor().execute(f"INSERT INTO dbo.{table} (id) SELECT value FROM GENERATE_SERIES(1, {ROWS})")


@pytest.fixture
def control(asking: Callable[..., Asking]) -> Asking:
    return asking()


def _read(client: Asking, sql: str = EVERYTHING) -> int:
    """How many rows came; raises what the driver raises."""
    client.run(sql)
    return sum(batch.num_rows for batch in client.cursor.arrow_reader(500))


def _gather(client: Asking, got: list[int]) -> None:
    for batch in client.cursor.arrow_reader(100):
        got.append(batch.num_rows)


@pytest.mark.parametrize(("kind", "text"), [("reset", "."), ("deadlock", "deadlock victim")])
def test_a_result_breaks_after_so_many_rows(
    control: Asking, asking: Callable[..., Asking], kind: str, text: str
) -> None:
    control.run(f"EXEC standin.fault @kind = '{kind}', @after_rows = 1000, @table = 'dbo.thing'")
    client, got = asking(), []
    client.run(EVERYTHING)
    with pytest.raises(Exception, match=text):
        _gather(client, got)
    assert 0 < sum(got) <= 1000
    assert _read(asking()) == ROWS, "it strikes once"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM dbo.thing WHERE 1 = 0",
        "INSERT INTO dbo.thing (id) VALUES (0)",
        "DELETE FROM dbo.thing WHERE id = 0",
    ],
)
def test_without_a_number_of_rows_it_strikes_before_the_statement_runs(
    client: Asking, control: Asking, sql: str
) -> None:
    control.run("EXEC standin.fault @kind = 'deadlock', @table = 'dbo.thing'")
    with pytest.raises(Exception, match="deadlock victim"):
        client.run(sql)
    assert client.one("SELECT COUNT(*) FROM dbo.thing") == ROWS


def test_a_session_goes_on_after_a_deadlock(client: Asking, control: Asking) -> None:
    control.run("EXEC standin.fault @kind = 'deadlock', @table = 'dbo.thing'")
    with pytest.raises(Exception, match="deadlock victim"):
        client.run("BEGIN TRAN; UPDATE dbo.thing SET v = 1 WHERE id = 1")
    assert client.rows("SELECT @@TRANCOUNT, v FROM dbo.thing WHERE id = 1") == [(0, None)]


def test_a_result_that_hangs_ends_with_the_clients_time_limit(client: Asking, control: Asking) -> None:
    control.run("EXEC standin.fault @kind = 'hang', @after_rows = 1000, @table = 'dbo.thing'")
    client.connection.timeout = 1
    cursor = client.connection.cursor()
    with pytest.raises(Exception, match=r"(?i)timeout|expired"):
        cursor.execute(EVERYTHING).fetchall()
    assert client.one("SELECT COUNT(*) FROM dbo.thing") == ROWS


@pytest.mark.parametrize("rows", [0, 1000])
def test_a_result_ends_as_if_it_were_whole(client: Asking, control: Asking, rows: int) -> None:
    control.run(f"EXEC standin.fault @kind = 'short', @after_rows = {rows}, @table = 'dbo.thing'")
    assert _read(client) == rows
    assert _read(client) == ROWS


def test_a_column_is_denied_and_the_others_are_not(client: Asking, control: Asking) -> None:
    control.run("EXEC standin.fault @kind = 'denied', @table = 'dbo.thing', @column = 'v'")
    for sql in (EVERYTHING, "SELECT * FROM dbo.thing", "SELECT id FROM dbo.thing WHERE v = 1"):
        with pytest.raises(Exception, match="SELECT permission was denied on the column 'v' of the object 'thing'"):
            client.run(sql)
    assert _read(client, "SELECT id FROM dbo.thing") == ROWS
    assert _read(client, "SELECT v FROM dbo.other") == ROWS
    with pytest.raises(Exception, match="SELECT permission was denied"):
        client.run("DELETE FROM dbo.thing WHERE v = 1")


def test_a_table_is_denied_as_a_whole(client: Asking, control: Asking) -> None:
    control.run("EXEC standin.fault @kind = 'denied', @table = 'dbo.thing'")
    with pytest.raises(Exception, match="permission was denied on the object 'thing'"):
        client.run("SELECT COUNT(*) FROM dbo.thing")


def test_a_login_is_refused_at_its_database_alone(control: Asking, asking: Callable[..., Asking]) -> None:
    control.run("EXEC standin.fault @kind = 'refused', @login = 'sa'")
    with pytest.raises(Exception, match="Login failed for user 'sa'"):
        asking()
    asking("master")
    control.run("EXEC standin.lift_faults")
    asking()


@pytest.mark.parametrize(
    ("scope", "sql"),
    [
        ("@table = 'dbo.other'", EVERYTHING),
        ("@database = 'master'", EVERYTHING),
        ("@table = 'dbo.thing', @database = 'master'", EVERYTHING),
        ("@login = 'somebody'", EVERYTHING),
        (f"@table = 'dbo.thing', @after_rows = {ROWS + 1}", EVERYTHING),
        ("@table = 'dbo.thing', @after_rows = 2", "SELECT COUNT(*) FROM dbo.thing"),
    ],
    ids=["another table", "another database", "a table of another database", "another login", "fewer rows", "one row"],
)
def test_a_statement_out_of_its_scope_is_not_met(client: Asking, control: Asking, scope: str, sql: str) -> None:
    control.run(f"EXEC standin.fault @kind = 'deadlock', {scope}")
    assert _read(client, sql) in (1, ROWS)


def test_the_session_that_set_it_is_not_met(control: Asking) -> None:
    control.run("EXEC standin.fault @kind = 'deadlock', @table = 'dbo.thing'")
    assert _read(control) == ROWS


def test_it_strikes_as_often_as_was_said(control: Asking, asking: Callable[..., Asking]) -> None:
    control.run("EXEC standin.fault @kind = 'deadlock', @table = 'dbo.thing', @times = 2")
    for _ in range(2):
        with pytest.raises(Exception, match="deadlock victim"):
            _read(asking())
    assert _read(asking()) == ROWS


def test_it_is_gone_with_the_session_that_set_it(client: Asking, asking: Callable[..., Asking]) -> None:
    setter = asking()
    setter.run("EXEC standin.fault @kind = 'denied', @table = 'dbo.thing'")
    with pytest.raises(Exception, match="permission was denied"):
        client.run(EVERYTHING)
    setter.connection.close()
    wait_until(lambda: _is_allowed(client), "the fault is gone with its session")


def _is_allowed(client: Asking) -> bool:
    try:
        client.run(EVERYTHING)
    except mssql_python.DatabaseError:
        return False
    return True


@pytest.mark.parametrize(
    "arguments", ["@kind = 'flood'", "@kind = 'denied'", "@kind = 'reset', @database = 'nowhere'", "@after_rows = 1"]
)
def test_a_fault_that_nobody_knows_is_refused(control: Asking, arguments: str) -> None:
    with pytest.raises(Exception, match=r"must|does not exist|expects parameter"):
        control.run(f"EXEC standin.fault {arguments}")
