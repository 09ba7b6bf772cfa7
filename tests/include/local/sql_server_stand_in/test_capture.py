"""rowversion, change tracking and change data capture, read the way an extraction does."""
import pytest
import mssql_python



@pytest.fixture(scope="module")
def server(connect, start):
    s = start()
    c = connect(s)
    cur = c.cursor()
    cur.execute("CREATE DATABASE lab; ALTER DATABASE lab SET ALLOW_SNAPSHOT_ISOLATION ON; ALTER DATABASE lab SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS, AUTO_CLEANUP = ON)")
    cur.execute("USE lab; EXEC sys.sp_cdc_enable_db")
    cur.execute("CREATE TABLE dbo.tracked (k int NOT NULL, k2 varchar(5) NOT NULL, v nvarchar(20) NULL, m money NULL, d datetime2(7) NULL, rv rowversion, CONSTRAINT pk_tracked PRIMARY KEY CLUSTERED (k, k2))")
    cur.execute("ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)")
    cur.execute("CREATE TABLE dbo.orders (order_id int NOT NULL PRIMARY KEY, status nvarchar(20) NULL, amount decimal(18,4) NULL, at datetime2(7) NULL, rv rowversion)")
    cur.execute("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL, @supports_net_changes = 1")
    c.close()
    yield s
    s.stop()


@pytest.fixture
def cur(server, connect):
    c = connect(server, "lab")
    yield c.cursor()
    c.close()


def rows(cur, sql, *a):
    cur.execute(sql, *a)
    return [tuple(r) for r in cur.fetchall()]


def one(cur, sql, *a):
    return rows(cur, sql, *a)[0][0]


NET = "SELECT ct.SYS_CHANGE_OPERATION, ct.k, ct.k2, b.v, b.m FROM CHANGETABLE(CHANGES dbo.tracked, ?) AS ct LEFT OUTER JOIN dbo.tracked AS b ON b.k = ct.k AND b.k2 = ct.k2 ORDER BY ct.k"


def test_change_tracking(server, cur):
    from decimal import Decimal as D
    start = one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    assert one(cur, "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.tracked'))") == 0
    assert one(cur, "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.orders'))") is None
    cur.execute("INSERT INTO dbo.tracked (k, k2, v, m) VALUES (1, 'a', N'x', 1), (2, 'b', N'y', 2), (3, 'c', N'z', 3)")
    v1 = one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    assert v1 == start + 1
    assert rows(cur, NET, (start,)) == [("I", 1, "a", "x", D(1)), ("I", 2, "b", "y", D(2)), ("I", 3, "c", "z", D(3))]
    cur.execute("BEGIN TRAN; UPDATE dbo.tracked SET v = N'xx' WHERE k = 1; DELETE FROM dbo.tracked WHERE k = 2; INSERT INTO dbo.tracked (k, k2) VALUES (4, 'd'); UPDATE dbo.tracked SET m = 9 WHERE k = 4; COMMIT")
    assert one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()") == v1 + 1
    assert rows(cur, NET, (v1,)) == [("U", 1, "a", "xx", D(1)), ("D", 2, "b", None, None), ("I", 4, "d", None, D(9))]
    assert rows(cur, NET, (v1 + 1,)) == []
    cur.execute("UPDATE dbo.tracked SET k = 33 WHERE k = 3")
    assert [r[:2] for r in rows(cur, NET, (v1 + 1,))] == [("D", 3), ("I", 33)]
    right = rows(cur, "SELECT ct.SYS_CHANGE_OPERATION, ct.SYS_CHANGE_VERSION, ct.k, t.v FROM dbo.tracked AS t RIGHT OUTER JOIN CHANGETABLE(CHANGES dbo.tracked, ?) AS ct ON t.k = ct.k AND t.k2 = ct.k2 ORDER BY ct.k", (v1 + 1,))
    assert [r[0] for r in right] == ["D", "I"]


def test_tracking_in_a_snapshot(server, cur, connect):
    base = one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    c = connect(server, "lab")
    k = c.cursor()
    k.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    k.execute("BEGIN TRAN")
    assert one(k, "SELECT CHANGE_TRACKING_CURRENT_VERSION()") == base
    cur.execute("INSERT INTO dbo.tracked (k, k2) VALUES (100, 's')")
    assert one(k, "SELECT CHANGE_TRACKING_CURRENT_VERSION()") == base
    assert rows(k, NET, (base,)) == []
    k.execute("COMMIT")
    assert len(rows(k, NET, (base,))) == 1
    c.close()


def test_tracking_rollback_and_open_writer(server, cur, connect):
    base = one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    k.execute("INSERT INTO dbo.tracked (k, k2) VALUES (200, 'r')")
    assert rows(cur, NET, (base,)) == []
    c.rollback()
    assert one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()") == base
    k.execute("INSERT INTO dbo.tracked (k, k2) VALUES (201, 'r')")
    cur.execute("INSERT INTO dbo.tracked (k, k2) VALUES (202, 'r')")
    c.commit()
    assert [(r[1]) for r in rows(cur, NET, (base,))] == [201, 202]
    assert rows(cur, "SELECT ct.k, ct.SYS_CHANGE_VERSION FROM CHANGETABLE(CHANGES dbo.tracked, ?) AS ct ORDER BY 2", (base,)) == [(202, base + 1), (201, base + 2)]
    c.close()


def test_tracking_cleanup(server, cur):
    v = one(cur, "SELECT CHANGE_TRACKING_CURRENT_VERSION()")
    cur.execute("EXEC standin.ct_cleanup @table = 'dbo.tracked'")
    assert one(cur, "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'[dbo].[tracked]'))") == v


ALL = "SELECT __$operation, order_id, status, amount, __$start_lsn, __$update_mask FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, ?, N'all update old') ORDER BY __$start_lsn, __$seqval, __$operation"


def test_cdc(server, cur):
    from decimal import Decimal as D
    start = one(cur, "SELECT sys.fn_cdc_get_max_lsn()")
    assert one(cur, "SELECT sys.fn_cdc_get_min_lsn('dbo_orders')") <= start
    cur.execute("BEGIN TRAN; INSERT INTO dbo.orders (order_id, status, amount) VALUES (1, N'new', 10.5), (2, N'nowe 😀', NULL); UPDATE dbo.orders SET status = N'paid' WHERE order_id = 1; COMMIT")
    cur.execute("UPDATE dbo.orders SET amount = 5 WHERE order_id IN (1, 2)")
    cur.execute("DELETE FROM dbo.orders WHERE order_id = 2")
    low, high = one(cur, "SELECT sys.fn_cdc_increment_lsn(?)", (start,)), one(cur, "SELECT sys.fn_cdc_get_max_lsn()")
    got = rows(cur, ALL, (low, high))
    assert [r[:4] for r in got] == [(2, 1, "new", D("10.5")), (2, 2, "nowe 😀", None), (3, 1, "new", D("10.5")), (4, 1, "paid", D("10.5")), (3, 1, "paid", D("10.5")), (4, 1, "paid", D(5)), (3, 2, "nowe 😀", None), (4, 2, "nowe 😀", D(5)), (1, 2, "nowe 😀", D(5))]
    assert len({r[4] for r in got}) == 3 and got[2][5] == bytes([0b10010]) and got[0][5] == bytes([0b11111])
    net = rows(cur, "DECLARE @a binary(10) = sys.fn_cdc_increment_lsn(?), @b binary(10) = sys.fn_cdc_get_max_lsn(); SELECT __$operation, order_id, status, amount FROM cdc.fn_cdc_get_net_changes_dbo_orders(@a, @b, N'all')", (start,))
    assert net == [(2, 1, "paid", D(5))]
    cur.execute(ALL.replace("all update old", "all"), (low, high))
    t = cur.arrow()
    assert t.num_rows == 6 and str(t.schema.field("amount").type) == "decimal128(18, 4)"
    when = rows(cur, "SELECT tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn = ?", (high,))
    assert when and when[0][0] is not None
    assert one(cur, "SELECT sys.fn_cdc_map_time_to_lsn('largest less than or equal', DATEADD(day, 1, GETDATE()))") == high


def test_cdc_out_of_range(server, cur):
    high = one(cur, "SELECT sys.fn_cdc_get_max_lsn()")
    beyond = one(cur, "SELECT sys.fn_cdc_increment_lsn(?)", (high,))
    for low, top in ((bytes(10), high), (beyond, beyond), (high, bytes(10)), (None, high)):
        with pytest.raises(Exception, match="insufficient number of arguments"):
            rows(cur, ALL, (low, top))
    cur.execute("INSERT INTO dbo.orders (order_id) VALUES (500)")
    newest = one(cur, "SELECT sys.fn_cdc_get_max_lsn()")
    cur.execute("EXEC sys.sp_cdc_cleanup_change_table @capture_instance = 'dbo_orders', @low_water_mark = ?", (newest,))
    with pytest.raises(Exception, match="insufficient number of arguments"):
        rows(cur, ALL, (high, newest))
    assert [r[1] for r in rows(cur, ALL, (newest, newest))] == [500]


def test_cdc_new_column_ignored(server, cur):
    start = one(cur, "SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())")
    cur.execute("ALTER TABLE dbo.orders ADD note nvarchar(30) NULL")
    cur.execute("INSERT INTO dbo.orders (order_id, note) VALUES (600, N'new column')")
    cur.execute("SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, sys.fn_cdc_get_max_lsn(), N'all')", (start,))
    assert "note" not in [d[0] for d in cur.description] and len(cur.fetchall()) == 1
    assert one(cur, "SELECT note FROM dbo.orders WHERE order_id = 600") == "new column"


def test_recovery_fork(server, cur):
    sql = "SELECT r.recovery_fork_guid, d.create_date FROM sys.databases d JOIN sys.database_recovery_status r ON r.database_id = d.database_id WHERE d.name = DB_NAME()"
    a = rows(cur, sql)
    cur.execute("EXEC standin.restore")
    assert rows(cur, sql)[0][0] != a[0][0]
