"""Change data capture, read the way an extraction does: a closed interval of LSNs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

ALL = (
    "SELECT __$operation, order_id, status, amount, __$start_lsn, __$update_mask"
    " FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, ?, N'all update old')"
    " ORDER BY __$start_lsn, __$seqval, __$operation"
)
NET = (
    "SELECT __$operation, order_id, status, amount FROM cdc.fn_cdc_get_net_changes_dbo_orders(?, ?, N'all')"
    " ORDER BY order_id"
)
LAST = "SELECT sys.fn_cdc_get_max_lsn()"


@pytest.fixture(scope="module", autouse=True)
def _captured(server: Any, connect: Any, database: str) -> None:
    with connect(server, database) as connection:
        cursor = connection.cursor()
        cursor.execute("EXEC sys.sp_cdc_enable_db")
        cursor.execute(
            "CREATE TABLE dbo.orders (order_id int NOT NULL PRIMARY KEY, status nvarchar(20) NULL,"
            " amount decimal(18,4) NULL, at datetime2(7) NULL, rv rowversion)"
        )
        cursor.execute(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL,"
            " @supports_net_changes = 1"
        )


@pytest.fixture
def low(client: Asking) -> bytes:
    """Where the interval of the test begins."""
    client.run("DELETE FROM dbo.orders")
    return client.one("SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())")


def _change(client: Asking) -> None:
    client.run(
        "BEGIN TRAN; INSERT INTO dbo.orders (order_id, status, amount) VALUES (1, N'new', 10.5), (2, N'nowe 😀', NULL);"
        " UPDATE dbo.orders SET status = N'paid' WHERE order_id = 1; COMMIT"
    )
    client.run("UPDATE dbo.orders SET amount = 5 WHERE order_id IN (1, 2)")
    client.run("DELETE FROM dbo.orders WHERE order_id = 2")


def test_all_changes_come_in_order_with_the_rows_before_them(client: Asking, low: bytes) -> None:
    _change(client)
    rows = client.rows(ALL, low, client.one(LAST))
    first, second = Decimal("10.5"), Decimal(5)
    assert [row[:4] for row in rows] == [
        (2, 1, "new", first),
        (2, 2, "nowe 😀", None),
        (3, 1, "new", first),
        (4, 1, "paid", first),
        (3, 1, "paid", first),
        (4, 1, "paid", second),
        (3, 2, "nowe 😀", None),
        (4, 2, "nowe 😀", second),
        (1, 2, "nowe 😀", second),
    ]
    assert len({row[4] for row in rows}) == 3, "one LSN a transaction"
    assert (rows[2][5], rows[0][5]) == (bytes([0b10010]), bytes([0b11111])), "which columns an update changed"


def test_net_changes_are_one_row_a_key(client: Asking, low: bytes) -> None:
    _change(client)
    assert client.rows(NET, low, client.one(LAST)) == [(2, 1, "paid", Decimal(5))]
    again = client.one("SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())")
    client.run("DELETE FROM dbo.orders")
    client.run("INSERT INTO dbo.orders (order_id, status) VALUES (1, N'anew')")
    assert client.rows(NET, again, client.one(LAST)) == [(4, 1, "anew", None)]
    merged = NET.replace("N'all'", "N'all with merge'")
    assert client.rows(merged, again, client.one(LAST)) == [(5, 1, "anew", None)]


def test_changes_come_as_arrow_in_the_types_of_their_columns(client: Asking, low: bytes) -> None:
    _change(client)
    client.run(ALL.replace("all update old", "all"), low, client.one(LAST))
    table = client.cursor.arrow()
    assert (table.num_rows, str(table.schema.field("amount").type)) == (6, "decimal128(18, 4)")


def test_an_lsn_has_its_time(client: Asking, low: bytes) -> None:
    client.run("INSERT INTO dbo.orders (order_id) VALUES (7)")
    last = client.one(LAST)
    assert client.one("SELECT tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn = ?", last) is not None
    later = "SELECT sys.fn_cdc_map_time_to_lsn('largest less than or equal', DATEADD(day, 1, GETDATE()))"
    assert client.one(later) == last


def test_an_interval_that_is_not_whole_any_more_is_refused(client: Asking, low: bytes) -> None:
    client.run("INSERT INTO dbo.orders (order_id) VALUES (1)")
    high = client.one(LAST)
    beyond = client.one("SELECT sys.fn_cdc_increment_lsn(?)", high)
    for bounds in ((bytes(10), high), (beyond, beyond), (high, bytes(10)), (None, high)):
        with pytest.raises(Exception, match="insufficient number of arguments"):
            client.rows(ALL, *bounds)
    client.run("INSERT INTO dbo.orders (order_id) VALUES (500)")
    newest = client.one(LAST)
    client.run("EXEC sys.sp_cdc_cleanup_change_table @capture_instance = 'dbo_orders', @low_water_mark = ?", newest)
    with pytest.raises(Exception, match="insufficient number of arguments"):
        client.rows(ALL, high, newest)
    assert [row[1] for row in client.rows(ALL, newest, newest)] == [500]
    assert client.one("SELECT sys.fn_cdc_get_min_lsn('dbo_orders')") == newest


def test_a_column_that_was_added_later_is_not_captured(client: Asking, low: bytes) -> None:
    client.run("ALTER TABLE dbo.orders ADD note nvarchar(30) NULL")
    client.run("INSERT INTO dbo.orders (order_id, note) VALUES (600, N'new column')")
    client.run("SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, sys.fn_cdc_get_max_lsn(), N'all')", low)
    names = [column[0] for column in client.cursor.description]
    assert names[:4] == ["__$start_lsn", "__$seqval", "__$operation", "__$update_mask"]
    assert "note" not in names
    assert len(client.cursor.fetchall()) == 1
    assert client.one("SELECT note FROM dbo.orders WHERE order_id = 600") == "new column"


def test_a_captured_table_cannot_be_truncated(client: Asking, low: bytes) -> None:
    with pytest.raises(Exception, match="Cannot truncate table 'orders' because it is published"):
        client.run("TRUNCATE TABLE dbo.orders")


def test_what_is_rolled_back_is_not_captured(client: Asking, low: bytes) -> None:
    before = client.one(LAST)
    client.run("BEGIN TRAN; INSERT INTO dbo.orders (order_id) VALUES (1); ROLLBACK")
    assert client.one(LAST) == before


def test_an_instance_that_was_ended_gives_nothing_any_more(client: Asking) -> None:
    client.run("CREATE TABLE dbo.brief (id int NOT NULL, v int NULL)")
    enable = "EXEC sys.sp_cdc_enable_table @source_schema = 'dbo', @source_name = 'brief', @role_name = NULL"
    client.run(f"{enable}, @captured_column_list = '[id]'")
    client.run("INSERT INTO dbo.brief (id, v) VALUES (1, 2)")
    changes = (
        "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_brief("
        "sys.fn_cdc_get_min_lsn('dbo_brief'), sys.fn_cdc_get_max_lsn(), N'all')"
    )
    assert [row[-1] for row in client.rows(changes)] == [1]
    with pytest.raises(Exception, match="Invalid object name"):
        client.run(changes.replace("all_changes", "net_changes"))
    client.run(
        "EXEC sys.sp_cdc_disable_table @source_schema = 'dbo', @source_name = 'brief', @capture_instance = 'dbo_brief'"
    )
    with pytest.raises(Exception, match="Invalid object name"):
        client.run(changes)
