"""The catalogue is part of the transaction: what is rolled back, or killed, was never there."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

COLUMNS = "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? ORDER BY ORDINAL_POSITION"
KEYS = "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE WHERE TABLE_NAME = ? ORDER BY ORDINAL_POSITION"


@pytest.fixture(autouse=True)
def _kept(client: Asking) -> None:
    client.run("DROP TABLE IF EXISTS dbo.kept; DROP TABLE IF EXISTS dbo.made")
    client.run("CREATE TABLE dbo.kept (id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL)")
    client.run("INSERT INTO dbo.kept (id, v) VALUES (1, N'x')")


def test_a_table_whose_creation_is_rolled_back_leaves_no_trace(client: Asking, asking: Callable[..., Asking]) -> None:
    client.run("BEGIN TRAN; CREATE TABLE dbo.made (id int NOT NULL PRIMARY KEY); INSERT INTO dbo.made VALUES (1)")
    assert client.one("SELECT COUNT(*) FROM dbo.made") == 1
    client.run("ROLLBACK")
    for each in (client, asking()):
        with pytest.raises(Exception, match=r"Invalid object name 'dbo\.made'"):
            each.run("SELECT id FROM dbo.made")
        assert each.column(COLUMNS, "made") == []
        assert each.column(KEYS, "made") == []
        assert each.one("SELECT OBJECT_ID('dbo.made')") is None
    client.run("CREATE TABLE dbo.made (other varchar(5) NULL); INSERT INTO dbo.made VALUES ('a')")
    assert client.column(COLUMNS, "made") == ["other"]


def test_a_table_whose_drop_is_rolled_back_is_as_before(client: Asking, asking: Callable[..., Asking]) -> None:
    client.run("BEGIN TRAN; DROP TABLE dbo.kept")
    with pytest.raises(Exception, match="Invalid object name"):
        client.run("SELECT * FROM dbo.kept")
    client.run("ROLLBACK")
    for each in (client, asking()):
        assert each.rows("SELECT id, v FROM dbo.kept") == [(1, "x")]
        assert each.column(KEYS, "kept") == ["id"]
    with pytest.raises(Exception, match="PRIMARY KEY"):
        client.run("INSERT INTO dbo.kept (id) VALUES (1)")


def test_a_column_whose_addition_is_rolled_back_is_not_there(client: Asking, asking: Callable[..., Asking]) -> None:
    client.run("BEGIN TRAN; ALTER TABLE dbo.kept ADD late int NULL; UPDATE dbo.kept SET late = 5")
    client.run("ROLLBACK")
    for each in (client, asking()):
        assert each.column(COLUMNS, "kept") == ["id", "v"]
        with pytest.raises(Exception, match="Invalid column name 'late'"):
            each.run("SELECT late FROM dbo.kept")


def test_a_definition_is_seen_by_others_once_it_is_committed(client: Asking, asking: Callable[..., Asking]) -> None:
    other = asking()
    client.run("BEGIN TRAN; CREATE TABLE dbo.made (id int); ALTER TABLE dbo.kept ADD late int NULL")
    assert other.column(COLUMNS, "made") == []
    assert other.rows("SELECT * FROM dbo.kept") == [(1, "x")]
    with pytest.raises(Exception, match="Invalid object name"):
        other.run("SELECT * FROM dbo.made")
    client.run("COMMIT")
    assert other.column(COLUMNS, "made") == ["id"]
    assert other.rows("SELECT * FROM dbo.kept") == [(1, "x", None)]


def test_capture_that_is_rolled_back_does_not_capture(client: Asking) -> None:
    client.run("ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON")
    client.run("BEGIN TRAN; ALTER TABLE dbo.kept ENABLE CHANGE_TRACKING; ROLLBACK")
    assert client.one("SELECT COUNT(*) FROM sys.change_tracking_tables") == 0
    before = client.one("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    client.run("UPDATE dbo.kept SET v = N'y'")
    assert client.one("SELECT CHANGE_TRACKING_CURRENT_VERSION()") == before
    client.run("ALTER TABLE dbo.kept ENABLE CHANGE_TRACKING; DROP TABLE dbo.kept")
    assert client.one("SELECT COUNT(*) FROM sys.change_tracking_tables") == 0


@pytest.mark.parametrize("statement", ["CREATE DATABASE never", "DROP DATABASE master", "EXEC sys.sp_cdc_enable_db"])
def test_databases_are_not_changed_within_a_transaction(client: Asking, statement: str) -> None:
    client.run("BEGIN TRAN")
    with pytest.raises(Exception, match="not allowed within multi-statement transaction"):
        client.run(statement)
    client.run("ROLLBACK")


def test_a_kill_in_the_middle_of_a_definition_leaves_no_trace(connect: Any, start: Any, tmp_path: Path) -> None:
    server = start("--folder", str(tmp_path))
    first = Asking(connect(server))
    first.run("CREATE DATABASE lab; USE lab; CREATE TABLE dbo.kept (k varchar(9) NOT NULL PRIMARY KEY, v int NULL)")
    first.run("INSERT INTO dbo.kept (k, v) VALUES ('a', 1)")
    first.run("BEGIN TRAN; CREATE TABLE dbo.made (id int NOT NULL PRIMARY KEY); ALTER TABLE dbo.kept ADD late int NULL")
    server.stop(signal.SIGKILL)
    server = start("--folder", str(tmp_path))
    again = Asking(connect(server, "lab"))
    assert again.column("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES") == ["kept"]
    assert again.rows("SELECT * FROM dbo.kept") == [("a", 1)]
    with pytest.raises(Exception, match="PRIMARY KEY"):
        again.run("INSERT INTO dbo.kept (k) VALUES ('A ')")
    again.run("CREATE TABLE dbo.made (id int NOT NULL PRIMARY KEY); INSERT INTO dbo.made VALUES (1)")
    server.stop()


def test_the_catalogue_says_what_was_declared(client: Asking) -> None:
    client.run(
        "CREATE TABLE dbo.made (k2 char(3) NOT NULL, k1 numeric(9,2) NOT NULL, a nvarchar(max), m money,"
        " f float(24), t time(3), d datetime2(7), rv rowversion, CONSTRAINT pk_made PRIMARY KEY CLUSTERED (k1, k2))"
    )
    columns = (
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION,"
        " IS_NULLABLE, COLLATION_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? "
        "ORDER BY ORDINAL_POSITION"
    )
    latin = "SQL_Latin1_General_CP1_CI_AS"
    assert client.rows(columns, "DBO", "made") == [
        ("k2", "char", 3, None, None, None, "NO", latin),
        ("k1", "numeric", None, 9, 2, None, "NO", None),
        ("a", "nvarchar", -1, None, None, None, "YES", latin),
        ("m", "money", None, 19, 4, None, "YES", None),
        ("f", "real", None, 24, None, None, "YES", None),
        ("t", "time", None, None, None, 3, "YES", None),
        ("d", "datetime2", None, None, None, 7, "YES", None),
        ("rv", "timestamp", None, None, None, None, "NO", None),
    ]
    assert client.column(KEYS, "made") == ["k1", "k2"]
    constraints = (
        "SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE TABLE_NAME = ?"
    )
    assert client.rows(constraints, "made") == [("pk_made", "PRIMARY KEY")]


def test_the_views_of_sys_lead_from_a_table_to_its_key(client: Asking) -> None:
    key = (
        "SELECT i.name, i.type_desc, c.name, ty.name, c.max_length, c.is_nullable FROM sys.schemas AS s "
        "JOIN sys.tables AS t ON t.schema_id = s.schema_id "
        "JOIN sys.indexes AS i ON i.object_id = t.object_id AND i.is_primary_key = 1 "
        "JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id "
        "JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id "
        "JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id "
        "WHERE s.name = 'dbo' AND t.object_id = OBJECT_ID(N'[dbo].[kept]') ORDER BY ic.key_ordinal"
    )
    assert client.rows(key) == [("PK__kept", "CLUSTERED", "id", "int", 4, False)]


def test_names_are_the_same_in_any_case(client: Asking) -> None:
    assert client.rows("SELECT ID, V FROM DBO.Kept") == [(1, "x")]
    with pytest.raises(Exception, match="already an object named"):
        client.run("CREATE TABLE dbo.KEPT (id int)")


def test_a_client_learns_the_version_and_its_default_schema(client: Asking) -> None:
    """SQLAlchemy asks for both when it connects, and reads the version's four numbers out of the words."""
    (version, schema) = client.rows("SELECT @@VERSION, schema_name()")[0]
    assert re.match(r"Microsoft .*? - 16\.(\d+)\.(\d+)\.(\d+)", version)
    assert "stand-in" in version
    assert schema == "dbo"
