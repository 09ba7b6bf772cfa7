"""Change tracking, read the way an extraction does: net changes after a version, by key."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

VERSION = "SELECT CHANGE_TRACKING_CURRENT_VERSION()"
NET = (
    "SELECT ct.SYS_CHANGE_OPERATION, ct.k, ct.k2, b.v, b.m FROM CHANGETABLE(CHANGES dbo.tracked, ?) AS ct "
    "LEFT OUTER JOIN dbo.tracked AS b ON b.k = ct.k AND b.k2 = ct.k2 ORDER BY ct.k"
)


@pytest.fixture(scope="module", autouse=True)
def _tracked(server: Any, connect: Any, database: str) -> None:
    options = "CHANGE_RETENTION = 2 DAYS, AUTO_CLEANUP = ON"
    with connect(server, database) as connection:
        cursor = connection.cursor()
        cursor.execute(f"ALTER DATABASE {database} SET CHANGE_TRACKING = ON ({options})")
        cursor.execute(
            "CREATE TABLE dbo.tracked (k int NOT NULL, k2 varchar(5) NOT NULL, v nvarchar(20) NULL, m money NULL,"
            " rv rowversion, CONSTRAINT pk_tracked PRIMARY KEY CLUSTERED (k, k2))"
        )
        cursor.execute("ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)")
        cursor.execute("CREATE TABLE dbo.untracked (id int NOT NULL PRIMARY KEY)")


@pytest.fixture
def base(client: Asking) -> int:
    """The version before the test."""
    client.run("DELETE FROM dbo.tracked")
    return client.one(VERSION)


def test_each_key_that_was_inserted_is_an_insert(client: Asking, base: int) -> None:
    client.run("INSERT INTO dbo.tracked (k, k2, v, m) VALUES (1, 'a', N'x', 1), (2, 'b', N'y', 2)")
    assert client.one(VERSION) == base + 1
    assert client.rows(NET, base) == [("I", 1, "a", "x", Decimal(1)), ("I", 2, "b", "y", Decimal(2))]


def test_changes_of_one_transaction_have_one_version_and_are_net(client: Asking, base: int) -> None:
    client.run("INSERT INTO dbo.tracked (k, k2, v, m) VALUES (1, 'a', N'x', 1), (2, 'b', N'y', 2)")
    client.run(
        "BEGIN TRAN; UPDATE dbo.tracked SET v = N'xx' WHERE k = 1; DELETE FROM dbo.tracked WHERE k = 2;"
        " INSERT INTO dbo.tracked (k, k2) VALUES (4, 'd'); UPDATE dbo.tracked SET m = 9 WHERE k = 4; COMMIT"
    )
    assert client.one(VERSION) == base + 2
    changes = [("U", 1, "a", "xx", Decimal(1)), ("D", 2, "b", None, None), ("I", 4, "d", None, Decimal(9))]
    assert client.rows(NET, base + 1) == changes
    assert client.rows(NET, base + 2) == []


def test_a_changed_key_is_a_delete_and_an_insert(client: Asking, base: int) -> None:
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (3, 'c')")
    client.run("UPDATE dbo.tracked SET k = 33 WHERE k = 3")
    assert [row[:2] for row in client.rows(NET, base + 1)] == [("D", 3), ("I", 33)]
    right = (
        "SELECT ct.SYS_CHANGE_OPERATION, ct.k, t.k FROM dbo.tracked AS t RIGHT OUTER JOIN"
        " CHANGETABLE(CHANGES dbo.tracked, ?) AS ct ON t.k = ct.k AND t.k2 = ct.k2 ORDER BY ct.k"
    )
    assert client.rows(right, base + 1) == [("D", 3, None), ("I", 33, 33)]


def test_a_snapshot_keeps_version_and_changes_together(
    client: Asking, asking: Callable[..., Asking], base: int
) -> None:
    reader = asking()
    reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
    assert reader.one(VERSION) == base
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (100, 's')")
    assert reader.one(VERSION) == base
    assert reader.rows(NET, base) == []
    reader.run("COMMIT")
    assert [row[1] for row in reader.rows(NET, base)] == [100]


def test_versions_are_in_the_order_of_commits(client: Asking, asking: Callable[..., Asking], base: int) -> None:
    writer = asking(autocommit=False)
    writer.run("INSERT INTO dbo.tracked (k, k2) VALUES (200, 'r')")
    assert client.rows(NET, base) == []
    writer.connection.rollback()
    assert client.one(VERSION) == base
    writer.run("INSERT INTO dbo.tracked (k, k2) VALUES (201, 'r')")
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (202, 'r')")
    writer.connection.commit()
    versions = "SELECT ct.k, ct.SYS_CHANGE_VERSION FROM CHANGETABLE(CHANGES dbo.tracked, ?) AS ct ORDER BY 2"
    assert client.rows(versions, base) == [(202, base + 1), (201, base + 2)]


def test_what_the_retention_has_ended_is_forgotten_and_said_to_be(client: Asking, base: int) -> None:
    minimum = "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'[dbo].[tracked]'))"
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (1, 'a')")
    assert client.one(minimum) <= base
    client.run("EXEC standin.clean_change_tracking @table = 'dbo.tracked'")
    assert client.one(minimum) == client.one(VERSION)
    assert client.rows(NET, base) == []


def test_a_truncation_is_no_change_of_any_row_but_begins_the_tracking_anew(client: Asking, base: int) -> None:
    begun = "SELECT begin_version FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID('dbo.tracked')"
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (1, 'a')")
    assert client.one(begun) <= base
    client.run("TRUNCATE TABLE dbo.tracked")
    assert client.one("SELECT COUNT(*) FROM dbo.tracked") == 0
    assert client.rows(NET, base) == []
    minimum = client.one("SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.tracked'))")
    assert client.one(begun) == minimum == client.one(VERSION) == base + 1
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (2, 'a')")
    assert [row[:2] for row in client.rows(NET, base + 1)] == [("I", 2)]


def test_a_table_that_is_not_tracked_has_no_changes_to_give(client: Asking) -> None:
    assert client.one("SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.untracked'))") is None
    with pytest.raises(Exception, match="Change tracking is not enabled on table 'untracked'"):
        client.run("SELECT * FROM CHANGETABLE(CHANGES dbo.untracked, 0) AS ct")
    with pytest.raises(Exception, match="already enabled for table 'tracked'"):
        client.run("ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING")


def test_tracking_that_was_ended_and_begun_again_starts_from_now(client: Asking, base: int) -> None:
    client.run("INSERT INTO dbo.tracked (k, k2) VALUES (1, 'a')")
    client.run("ALTER TABLE dbo.tracked DISABLE CHANGE_TRACKING")
    client.run("UPDATE dbo.tracked SET v = N'unseen'")
    client.run("ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING")
    minimum = client.one("SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.tracked'))")
    assert minimum == client.one(VERSION) == base + 1
    assert client.rows(NET, base) == []


def test_a_database_that_does_not_track_has_no_version(server: Any, connect: Any, database: str) -> None:
    with connect(server, database) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE no_tracking")
        cursor.execute("USE no_tracking")
        assert cursor.execute(VERSION).fetchone()[0] is None
        cursor.execute("ALTER DATABASE no_tracking SET CHANGE_TRACKING = ON")
        assert cursor.execute(VERSION).fetchone()[0] == 0
        cursor.execute("USE master; DROP DATABASE no_tracking")
