"""The pictures in which rows are read, against the SQL Server stand-in: nothing that commits meanwhile is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest

from include.clients.sql_server import Session, connect
from include.connections import SqlServerSettings
from include.errors import EpochBroken, IntegrityError, SourceRefused
from include.extract import capture
from tests.include.extract.reading import Rows, Table, contract_of

CONTRACT = contract_of("thing", {"method": "rowversion", "column": "rv"}, "key_scan")


@pytest.fixture
def table(session: Session) -> Table:
    session.execute("DROP TABLE IF EXISTS dbo.thing")
    session.execute(
        "CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL,"
        " hidden nvarchar(20) NULL, rv rowversion)"
    )
    session.execute("INSERT INTO dbo.thing (id, v, hidden) SELECT value, N'v', N'secret' FROM GENERATE_SERIES(1, 10)")
    return Table(CONTRACT, session)


def test_a_full_reads_everything_but_no_unclaimed_column(table: Table) -> None:
    rows = table.full()
    assert rows.ids() == list(range(1, 11))
    assert rows.tables["rows"].column_names == ["id", "v", "rv"]
    assert "keys" not in rows.tables
    assert not any("hidden" in query for query in rows.queries)


def test_a_window_reads_what_changed_and_looks_at_all_keys(table: Table, writer: Session) -> None:
    table.full()
    writer.execute("UPDATE dbo.thing SET v = N'w' WHERE id = 3")
    writer.execute("DELETE FROM dbo.thing WHERE id = 4")
    rows = table.window()
    assert rows.ids() == [3]
    assert rows.ids("keys") == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    rows = table.window()
    assert rows.ids() == []
    assert len(rows.ids("keys")) == 9


def test_a_long_open_transaction_makes_rows_late_but_loses_none(table: Table, writer: Session) -> None:
    table.full()
    writer.execute("BEGIN TRANSACTION; UPDATE dbo.thing SET v = N'open' WHERE id = 6")
    table.session.execute("UPDATE dbo.thing SET v = N'quick' WHERE id = 7")
    rows = table.window()
    assert 6 not in rows.ids()
    writer.execute("COMMIT TRANSACTION")
    later = table.window()
    assert {6, 7} <= set(rows.ids() + later.ids())
    assert 6 in later.ids()


def test_a_transaction_that_stays_open_is_told_once_it_holds_back_a_second_batch(table: Table, writer: Session) -> None:
    table.full()
    assert table.before is not None
    writer.execute("BEGIN TRANSACTION; UPDATE dbo.thing SET v = N'open' WHERE id = 6")
    table.session.execute("UPDATE dbo.thing SET v = N'quick' WHERE id = 7")
    table.window()
    table.window()
    assert "has been open since the batch before" in table.before.note
    writer.execute("COMMIT TRANSACTION")
    table.window()
    assert table.before.note == ""
    table.window()
    assert table.before.note == "", "nothing happened, which is no reason to worry"


def test_what_commits_between_the_bound_and_the_picture_is_read_by_the_next_window(
    table: Table, writer: Session
) -> None:
    table.full()
    writer.execute("BEGIN TRANSACTION; UPDATE dbo.thing SET v = N'between' WHERE id = 2")
    bounds, rows = table.bounds("window"), Rows()
    writer.execute("COMMIT TRANSACTION")  # after the bound, before the picture
    capture.read(table.session, CONTRACT, CONTRACT.read_columns(["v"]), bounds, rows.sink, "here")
    table.before = bounds
    assert 2 in rows.ids() + table.window().ids()


def test_a_deleted_and_recreated_row_is_read_again(table: Table, writer: Session) -> None:
    table.full()
    writer.execute("DELETE FROM dbo.thing WHERE id = 8")
    writer.execute("INSERT INTO dbo.thing (id, v) VALUES (8, N'again')")
    rows = table.window()
    assert rows.ids() == [8]
    assert 8 in rows.ids("keys")


def test_a_restored_database_is_noticed_and_nothing_is_guessed(table: Table, writer: Session) -> None:
    table.full()
    writer.execute("EXEC standin.restore")
    with pytest.raises(EpochBroken, match="another recovery fork") as caught:
        table.bounds("window")
    assert "full_refresh" in caught.value.remedy


def test_a_database_that_hides_whether_it_was_restored_is_refused(table: Table) -> None:
    class Hides:
        """As a server where VIEW ANY DATABASE was revoked: the row of sys.database_recovery_status is not shown."""

        def rows(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
            return [(None, created) for _, created in table.session.rows(sql, params)]

    with pytest.raises(SourceRefused, match="a restore would go unnoticed") as caught:
        capture.bounds(Hides(), CONTRACT, "full", None, "here")  # type: ignore[arg-type]
    assert "VIEW ANY DATABASE" in caught.value.remedy


def test_a_counter_that_fell_is_noticed(table: Table) -> None:
    table.full()
    assert table.before is not None
    low = {"rowversion": "7" + table.before.high["rowversion"][1:]}
    table.before = capture.Bounds("full", {}, low, table.before.epoch)
    with pytest.raises(EpochBroken, match="a counter that fell"):
        table.window()


def test_fewer_rows_than_the_source_counted_is_refused(table: Table) -> None:
    class Loses(Rows):
        def _write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: str) -> list[Any]:
            return super()._write((batch.slice(1) for batch in batches), schema, kind)

    with pytest.raises(IntegrityError, match="9 rows came, the source counted 10"):
        table.full(Loses())


def test_a_database_without_snapshot_isolation_is_refused_with_the_command(settings: SqlServerSettings) -> None:
    contract = CONTRACT.model_copy(update={"table": "strict.dbo.thing"})
    bounds = capture.Bounds("full", {}, {"rowversion": "00"}, {})
    with connect(settings, "strict") as session, pytest.raises(SourceRefused, match="snapshot isolation") as caught:
        capture.read(session, contract, ["id"], bounds, Rows().sink, "here")
    assert "ALLOW_SNAPSHOT_ISOLATION ON" in caught.value.remedy
