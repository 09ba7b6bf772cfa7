"""The counter of a database: which rows may still appear below it?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking


@pytest.fixture(autouse=True)
def _empty(client: Asking) -> None:
    client.run(
        "DROP TABLE IF EXISTS dbo.thing; CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY, v int, rv rowversion)"
    )


def test_no_open_transaction_holds_a_row_below_min_active(client: Asking, asking: Callable[..., Asking]) -> None:
    writer = asking(autocommit=False)
    writer.run("INSERT INTO dbo.thing (id) VALUES (50)")
    mine = writer.one("SELECT rv FROM dbo.thing WHERE id = 50")
    client.run("INSERT INTO dbo.thing (id) VALUES (51)")
    low = client.one("SELECT MIN_ACTIVE_ROWVERSION()")
    assert low <= mine
    assert client.one("SELECT COUNT(*) FROM dbo.thing WHERE rv < ?", low) == 0
    writer.connection.commit()
    assert client.one("SELECT COUNT(*) FROM dbo.thing WHERE rv < MIN_ACTIVE_ROWVERSION()") == 2


def test_min_active_is_one_above_the_last_when_nobody_writes(client: Asking) -> None:
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    low, last = client.rows("SELECT MIN_ACTIVE_ROWVERSION(), @@DBTS")[0]
    assert int.from_bytes(low) == int.from_bytes(last) + 1
    assert client.one("SELECT rv FROM dbo.thing") == last


def test_each_row_gets_the_next_version_and_an_update_another(client: Asking) -> None:
    client.run("INSERT INTO dbo.thing (id) VALUES (1), (2), (3)")
    before = [int.from_bytes(rv) for rv in client.column("SELECT rv FROM dbo.thing ORDER BY id")]
    assert before == [before[0], before[0] + 1, before[0] + 2]
    client.run("UPDATE dbo.thing SET v = v WHERE id = 1")
    assert int.from_bytes(client.one("SELECT rv FROM dbo.thing WHERE id = 1")) == before[2] + 1


def test_nobody_writes_a_rowversion(client: Asking) -> None:
    with pytest.raises(Exception, match="Cannot insert an explicit value into a timestamp column"):
        client.run("INSERT INTO dbo.thing (id, rv) VALUES (1, 0x00)")
    with pytest.raises(Exception, match="Cannot update a timestamp column"):
        client.run("UPDATE dbo.thing SET rv = 0x00")


def test_versions_are_compared_as_binaries_of_eight_bytes(client: Asking) -> None:
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    rv = client.one("SELECT rv FROM dbo.thing")
    assert client.one("SELECT COUNT(*) FROM dbo.thing WHERE rv >= CAST(? AS binary(8))", rv) == 1
    assert client.one("SELECT COUNT(*) FROM dbo.thing WHERE rv > CAST(? AS binary(8))", rv) == 0
    assert client.one("SELECT COUNT(*) FROM dbo.thing WHERE rv > CONVERT(binary(8), 0)") == 1
    as_number, as_text = client.rows("SELECT CAST(rv AS bigint), CONVERT(varchar(20), rv, 1) FROM dbo.thing")[0]
    assert (as_number, as_text) == (int.from_bytes(rv), f"0x{rv.hex().upper()}")


def test_a_restore_shows_as_another_recovery_fork(client: Asking, asking: Callable[..., Asking]) -> None:
    fork = (
        "SELECT r.recovery_fork_guid FROM sys.databases AS d "
        "JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id WHERE d.name = "
    )
    before, of_master = client.one(f"{fork}DB_NAME()"), client.one(f"{fork}'master'")
    client.run("EXEC standin.restore")
    assert client.one(f"{fork}DB_NAME()") != before
    assert client.one(f"{fork}'master'") == of_master
