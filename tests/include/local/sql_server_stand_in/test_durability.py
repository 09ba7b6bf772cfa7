"""What was committed is there after the server has ended, however it ended."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

STATE = (
    "SELECT k, m, CONVERT(varchar(33), d, 126), rv, CHANGE_TRACKING_CURRENT_VERSION(), sys.fn_cdc_get_max_lsn(), @@DBTS"
    " FROM lab.dbo.t"
)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_folder_comes_back_with_all_that_was_committed(connect: Any, start: Any, tmp_path: Path, by: int) -> None:
    server = start("--folder", str(tmp_path))
    client = Asking(connect(server))
    client.run("CREATE DATABASE lab; ALTER DATABASE lab SET CHANGE_TRACKING = ON; USE lab; EXEC sys.sp_cdc_enable_db")
    client.run("CREATE TABLE dbo.t (k varchar(5) NOT NULL PRIMARY KEY, m money, d datetime2(7), rv rowversion)")
    client.run("ALTER TABLE dbo.t ENABLE CHANGE_TRACKING")
    client.run("EXEC sys.sp_cdc_enable_table @source_schema = 'dbo', @source_name = 't', @role_name = NULL")
    client.run("INSERT INTO dbo.t (k, m, d) VALUES ('a', 1.5, '2024-02-29T12:34:56.1234567')")
    was = client.rows(STATE)
    client.run("BEGIN TRAN; INSERT INTO dbo.t (k) VALUES ('never')")
    server.stop(by)
    assert not list(tmp_path.glob("*.wal")) or by == signal.SIGKILL
    server = start("--folder", str(tmp_path))
    _goes_on(Asking(connect(server, "lab")), was)
    server.stop()


def _goes_on(client: Asking, was: list[tuple[Any, ...]]) -> None:
    """With keys, versions and LSNs where they were."""
    now = client.rows(STATE)
    assert now[0][:-1] == was[0][:-1]
    assert now[0][-1] >= was[0][-1], "the counter never falls"
    with pytest.raises(Exception, match="PRIMARY KEY"):
        client.run("INSERT INTO dbo.t (k) VALUES ('A ')")
    client.run("INSERT INTO dbo.t (k, m) VALUES ('b', 2)")
    assert client.one("SELECT CHANGE_TRACKING_CURRENT_VERSION()") == was[0][4] + 1
    assert client.one("SELECT rv FROM dbo.t WHERE k = 'b'") > was[0][3]
    changes = (
        "SELECT __$operation, k FROM cdc.fn_cdc_get_all_changes_dbo_t("
        "sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')"
    )
    assert client.rows(changes) == [(2, "a"), (2, "b")]


def test_a_half_made_database_does_not_keep_the_server_from_starting(connect: Any, start: Any, tmp_path: Path) -> None:
    import duckdb

    start("--folder", str(tmp_path)).stop(signal.SIGKILL)
    duckdb.connect(str(tmp_path / "half.duckdb")).close()
    server = start("--folder", str(tmp_path))
    Asking(connect(server, "half")).run("CREATE TABLE dbo.t (id int PRIMARY KEY)")
    server.stop()


def test_a_dropped_database_is_gone_after_a_restart(connect: Any, start: Any, tmp_path: Path) -> None:
    server = start("--folder", str(tmp_path))
    Asking(connect(server)).run(
        "CREATE DATABASE lab; USE lab; CREATE TABLE dbo.t (id int); USE master; DROP DATABASE lab"
    )
    server.stop()
    server = start("--folder", str(tmp_path))
    client = Asking(connect(server))
    assert client.column("SELECT name FROM sys.databases") == ["master"]
    client.run("CREATE DATABASE lab; USE lab; CREATE TABLE dbo.t (id int)")
    server.stop()


def test_files_of_another_version_are_refused_with_what_to_do(start: Any, tmp_path: Path) -> None:
    import subprocess
    import sys

    import duckdb

    with duckdb.connect(str(tmp_path / "master.duckdb")) as old:
        old.execute("CREATE SCHEMA _s; CREATE TABLE _s.objects (object_id INTEGER)")
    command = [
        sys.executable,
        "-m",
        "include.local.sql_server_stand_in.server",
        "--port",
        "0",
        "--folder",
        str(tmp_path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "make erase" in ended.stderr
