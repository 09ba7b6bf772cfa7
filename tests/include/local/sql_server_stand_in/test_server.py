"""Login, transactions, isolation, catalogue, faults, cancel: only through the driver."""
import time
import pytest
import mssql_python



@pytest.fixture(scope="module")
def server(connect, start):
    s = start()
    c = connect(s)
    cur = c.cursor()
    cur.execute("CREATE DATABASE lab")
    cur.execute("ALTER DATABASE lab SET ALLOW_SNAPSHOT_ISOLATION ON")
    cur.execute("CREATE DATABASE nosnap")
    cur.execute("USE lab; CREATE SCHEMA sales; CREATE TABLE sales.orders (order_id int NOT NULL PRIMARY KEY, status nvarchar(20) NULL, amount decimal(18,4) NULL, rv rowversion)")
    cur.execute("USE nosnap; CREATE TABLE dbo.t (id int)")
    c.close()
    yield s
    s.stop()


@pytest.fixture
def cur(server, connect):
    c = connect(server, "lab")
    c.cursor().execute("DELETE FROM sales.orders")
    yield c.cursor()
    c.close()


def one(cur, sql, *a):
    cur.execute(sql, *a)
    return cur.fetchone()[0]


def test_wrong_password(server, connect):
    with pytest.raises(Exception, match="Login failed for user 'sa'"):
        connect(server, pwd="wrong")


def test_unknown_database(server, connect):
    with pytest.raises(Exception, match="Cannot open database"):
        connect(server, "nope")


def test_packet_sizes(server, connect):
    for size in (512, 4096, 32767):
        c = connect(server, "lab", PacketSize=size)
        k = c.cursor()
        k.execute("SELECT value, CAST(value AS varchar(20)) + REPLICATE('x', 50) AS s FROM GENERATE_SERIES(1, 3000)")
        rows = k.fetchall()
        assert len(rows) == 3000 and rows[-1][1] == "3000" + "x" * 50
        k.execute("SELECT ? AS big", ("é" * 20000,))
        assert k.fetchone()[0] == "é" * 20000
        c.close()


def test_rollback_and_commit(server, cur, connect):
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    k.execute("INSERT INTO sales.orders (order_id, status) VALUES (?, ?), (2, N'b')", (1, "a"))
    assert one(cur, "SELECT COUNT(*) FROM sales.orders") == 0
    c.rollback()
    k.execute("INSERT INTO sales.orders (order_id, status) VALUES (3, N'c')")
    c.commit()
    assert one(cur, "SELECT COUNT(*) FROM sales.orders") == 1
    c.close()


def test_read_committed_sees_later_commits(server, cur, connect):
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 0
    cur.execute("INSERT INTO sales.orders (order_id) VALUES (1)")
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 1
    c.close()


def test_snapshot(server, cur, connect):
    c = connect(server, "lab")
    k = c.cursor()
    k.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    k.execute("BEGIN TRAN")
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 0
    cur.execute("INSERT INTO sales.orders (order_id) VALUES (1)")
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 0
    k.execute("COMMIT")
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 1
    c.close()


def test_snapshot_not_allowed(server, connect):
    c = connect(server, "nosnap")
    k = c.cursor()
    k.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    with pytest.raises(Exception, match="snapshot isolation is not allowed"):
        k.execute("SELECT * FROM dbo.t")
    c.close()


def test_snapshot_set_within_a_transaction(server, cur, connect):
    """autocommit=False has opened a transaction (TM_BEGIN_XACT after login, and again with each commit) before the level can be set."""
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    k.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    with pytest.raises(Exception, match="did not start in snapshot isolation"):
        k.execute("SELECT COUNT(*) FROM sales.orders")
    c.rollback()
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 0
    cur.execute("INSERT INTO sales.orders (order_id) VALUES (1)")
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 0
    c.commit()
    assert one(k, "SELECT COUNT(*) FROM sales.orders") == 1
    c.close()


def test_update_conflict(server, cur, connect):
    cur.execute("INSERT INTO sales.orders (order_id, status) VALUES (1, N'a')")
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    k.execute("UPDATE sales.orders SET status = N'b' WHERE order_id = 1")
    with pytest.raises(Exception, match="update conflict"):
        cur.execute("UPDATE sales.orders SET status = N'c' WHERE order_id = 1")
    c.commit()
    c.close()


def test_min_active_rowversion(server, cur, connect):
    c = connect(server, "lab", autocommit=False)
    k = c.cursor()
    k.execute("INSERT INTO sales.orders (order_id, status) VALUES (50, N'open')")
    mine = one(k, "SELECT rv FROM sales.orders WHERE order_id = 50")
    cur.execute("INSERT INTO sales.orders (order_id, status) VALUES (51, N'later')")
    low = one(cur, "SELECT MIN_ACTIVE_ROWVERSION()")
    assert low <= mine
    assert one(cur, "SELECT COUNT(*) FROM sales.orders WHERE rv < MIN_ACTIVE_ROWVERSION()") == 0
    assert one(cur, "SELECT COUNT(*) FROM sales.orders WHERE rv < ?", (low,)) == 0
    c.commit()
    assert one(cur, "SELECT COUNT(*) FROM sales.orders WHERE rv < MIN_ACTIVE_ROWVERSION()") == 2
    assert one(cur, "SELECT CASE WHEN MIN_ACTIVE_ROWVERSION() > @@DBTS THEN 1 ELSE 0 END") == 1
    before = one(cur, "SELECT rv FROM sales.orders WHERE order_id = 51")
    cur.execute("UPDATE sales.orders SET amount = 1 WHERE order_id = 51")
    assert one(cur, "SELECT rv FROM sales.orders WHERE order_id = 51") > before
    c.close()


def test_errors(server, cur):
    for sql, text in (("SELECT * FROM dbo.nope", "Invalid object name 'dbo.nope'"), ("SELECT nope FROM sales.orders", "Invalid column name 'nope'"), ("SELEKT 1", "Incorrect syntax"), ("RAISERROR('boom %', 16, 1)", "boom"), ("SELECT CAST('x' AS int)", "Conversion failed"),
                      ("INSERT INTO sales.orders (order_id, status) VALUES (9, REPLICATE(N'x', 30))", "would be truncated"), ("INSERT INTO sales.orders (order_id) VALUES (NULL)", "Cannot insert the value NULL"), ("EXEC dbo.nope", "Could not find stored procedure"), ("SELECT @x", "Must declare the scalar variable")):
        with pytest.raises(Exception, match=text):
            cur.execute(sql)
    cur.execute("INSERT INTO sales.orders (order_id) VALUES (1)")
    with pytest.raises(mssql_python.IntegrityError):
        cur.execute("INSERT INTO sales.orders (order_id) VALUES (1)")
    assert one(cur, "SELECT COUNT(*) FROM sales.orders") == 1


def test_batches(server, cur):
    cur.execute("DECLARE @n int = 2, @s nvarchar(20); SET @s = N'x' + N'y'; INSERT INTO sales.orders (order_id, status) VALUES (@n, @s); IF EXISTS (SELECT 1 FROM sales.orders WHERE order_id = 2) BEGIN UPDATE sales.orders SET amount = 5 WHERE order_id = @n END ELSE DELETE FROM sales.orders")
    cur.execute("SELECT order_id, status, amount FROM sales.orders")
    assert [tuple(r)[:2] for r in cur.fetchall()] == [(2, "xy")]
    cur.execute("SELECT 1 AS a; SELECT 2 AS b, 3 AS c")
    assert cur.fetchall()[0][0] == 1 and cur.nextset() and tuple(cur.fetchone()) == (2, 3)
    cur.execute("DECLARE @m int; SELECT @m = MAX(order_id) FROM sales.orders; SELECT @m + 1")
    assert cur.fetchone()[0] == 3
    cur.execute("SELECT order_id, amount INTO #tmp FROM sales.orders")
    assert one(cur, "SELECT COUNT(*) FROM #tmp") == 1
    cur.execute("UPDATE o SET o.amount = t.amount + 1 FROM sales.orders AS o JOIN #tmp AS t ON t.order_id = o.order_id")
    assert one(cur, "SELECT amount FROM sales.orders") == 6
    cur.execute("DELETE o FROM sales.orders AS o JOIN #tmp AS t ON t.order_id = o.order_id WHERE t.order_id = ?", (2,))
    assert one(cur, "SELECT COUNT(*) FROM sales.orders") == 0
    cur.execute("INSERT INTO sales.orders (order_id) OUTPUT inserted.order_id, inserted.rv VALUES (7), (8)")
    assert [r[0] for r in cur.fetchall()] == [7, 8]


QUERIES = ["SELECT TOP 3 order_id FROM sales.orders ORDER BY order_id", "SELECT TOP (3) order_id FROM lab.sales.orders ORDER BY order_id DESC", "SELECT order_id FROM sales.orders ORDER BY order_id OFFSET 10 ROWS FETCH NEXT 5 ROWS ONLY", "SELECT MIN(order_id), MAX(order_id), COUNT_BIG(*) FROM sales.orders",
           "SELECT COUNT(*) FROM sales.orders WITH (NOLOCK, READUNCOMMITTED) OPTION (MAXDOP 1, RECOMPILE)", "SELECT NTILE(4) OVER (ORDER BY order_id) AS t, order_id FROM sales.orders", "SELECT ABS(CHECKSUM(order_id)) % 4 FROM sales.orders", "SELECT CHECKSUM_AGG(CHECKSUM(order_id, status)) FROM sales.orders",
           "SELECT HASHBYTES('SHA2_256', status) FROM sales.orders", "SELECT rv, CAST(rv AS bigint), CONVERT(varchar(20), rv, 1) FROM sales.orders", "SELECT COUNT(*) FROM sales.orders WHERE rv > CONVERT(binary(8), 0)", "DECLARE @x binary(8) = 0x0000000000000001; SELECT COUNT(*) FROM sales.orders WHERE rv > @x",
           "EXEC sp_executesql N'SELECT COUNT(*) FROM sales.orders WHERE order_id >= @a AND order_id < @b', N'@a bigint, @b bigint', @a=1, @b=1001", "WITH x AS (SELECT order_id, ROW_NUMBER() OVER (PARTITION BY status ORDER BY order_id) rn FROM sales.orders) SELECT order_id FROM x WHERE rn = 1",
           "SELECT STRING_AGG(name, ',') WITHIN GROUP (ORDER BY name) FROM sys.columns WHERE object_id = OBJECT_ID('sales.orders')", "SELECT SUM(p.rows) FROM sys.partitions p WHERE p.object_id = OBJECT_ID('sales.orders') AND p.index_id IN (0,1)", "SELECT DATEADD(day, -1, GETDATE()), DATEDIFF(second, SYSUTCDATETIME(), GETUTCDATE()), YEAR(GETDATE()), EOMONTH(GETDATE())",
           "SELECT c.name, ty.name, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.collation_name FROM sys.columns c JOIN sys.types ty ON ty.user_type_id = c.user_type_id JOIN sys.tables t ON t.object_id = c.object_id JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE s.name='sales' AND t.name='orders' ORDER BY c.column_id",
           "SELECT kc.name, c.name, ic.key_ordinal FROM sys.key_constraints kc JOIN sys.index_columns ic ON ic.object_id=kc.parent_object_id AND ic.index_id=kc.unique_index_id JOIN sys.columns c ON c.object_id=ic.object_id AND c.column_id=ic.column_id WHERE kc.type='PK' AND kc.parent_object_id=OBJECT_ID('sales.orders')",
           "SELECT i.name, i.index_id, i.is_primary_key, ic.column_id, ic.key_ordinal FROM sys.indexes i LEFT JOIN sys.index_columns ic ON ic.object_id=i.object_id AND ic.index_id=i.index_id WHERE i.object_id=OBJECT_ID('sales.orders')",
           "SELECT tc.CONSTRAINT_NAME, ccu.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS tc JOIN INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE ccu ON ccu.CONSTRAINT_NAME = tc.CONSTRAINT_NAME WHERE tc.CONSTRAINT_TYPE='PRIMARY KEY' AND tc.TABLE_NAME='orders'",
           "SELECT * FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE WHERE TABLE_NAME='orders'", "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES", "SELECT DATABASEPROPERTYEX('lab','Collation'), SERVERPROPERTY('Collation')",
           "SELECT COLUMNPROPERTY(OBJECT_ID('sales.orders'),'order_id','IsIdentity')", "SELECT d.name FROM sys.databases d JOIN sys.database_recovery_status r ON r.database_id = d.database_id", "SELECT x.a FROM (VALUES (1),(2)) AS x(a)", "SELECT o.order_id FROM sales.orders o CROSS APPLY (SELECT o.order_id + 1 AS b) y WHERE y.b > 1",
           "SELECT CASE WHEN status IS NULL THEN 'none' ELSE status END AS [weird name], ISNULL(amount, 0), COALESCE(amount, 1.5), NULLIF(order_id, 1), IIF(order_id > 1, 'a', 'b') FROM sales.orders", "SELECT SWITCHOFFSET(SYSDATETIMEOFFSET(), '+02:00')", "SELECT status, SUM(amount), AVG(amount), COUNT(DISTINCT order_id) FROM sales.orders GROUP BY status HAVING COUNT(*) > 0",
           "SELECT COUNT(*) FROM sales.orders TABLESAMPLE (1 PERCENT)", "SELECT 1"]


UNSUPPORTED = ["SELECT TOP 1 PERCENT order_id FROM sales.orders", "SELECT order_id, status FROM sales.orders FOR JSON PATH", "SELECT TOP 3 WITH TIES status FROM sales.orders ORDER BY status", "EXEC sp_columns 'orders'", "EXEC sp_describe_first_result_set N'SELECT 1'", "MERGE sales.orders AS t USING (SELECT 1 AS order_id) AS s ON t.order_id = s.order_id WHEN MATCHED THEN UPDATE SET amount = 5;"]


@pytest.mark.parametrize("sql", UNSUPPORTED)
def test_refused(cur, sql):
    with pytest.raises(mssql_python.ProgrammingError):
        cur.execute(sql)


@pytest.mark.parametrize("sql", QUERIES)
def test_queries(server, sql, connect):
    c = connect(server, "lab")
    k = c.cursor()
    k.execute("DELETE FROM sales.orders")
    k.execute("INSERT INTO sales.orders (order_id, status, amount) SELECT value, CASE value % 3 WHEN 0 THEN NULL ELSE N'ż' END, value / 2.0 FROM GENERATE_SERIES(1, 20)")
    k.execute(sql)
    print(sql[:120], "->", [tuple(r) for r in k.fetchall()][:4] if k.description else k.rowcount)
    c.close()


def test_faults(server, cur, connect):
    cur.execute("DELETE FROM sales.orders; INSERT INTO sales.orders (order_id) SELECT value FROM GENERATE_SERIES(1, 50000)")
    for kind, text in (("reset", "."), ("1205", "deadlock")):
        c = connect(server, "lab")
        k = c.cursor()
        cur.execute(f"EXEC standin.fail_after @rows=1000, @with='{kind}'")
        got = 0
        with pytest.raises(Exception, match=text) as e:
            k.execute("SELECT * FROM sales.orders")
            for b in k.arrow_reader(500):
                got += b.num_rows
        print("\nFAULT", kind, got, type(e.value).__name__, str(e.value)[:150])
        if kind == "1205":
            assert one(k, "SELECT COUNT(*) FROM sales.orders") == 50000
        c.close()


def test_a_statement_that_hangs_is_cancelled_by_its_time_limit(server, cur, connect):
    cur.execute("DELETE FROM sales.orders; INSERT INTO sales.orders (order_id) SELECT value FROM GENERATE_SERIES(1, 50000)")
    cur.execute("EXEC standin.fail_after @rows=1000, @with='hang'")
    c = connect(server, "lab")
    c.timeout = 1
    k = c.cursor()
    with pytest.raises(Exception, match="(?i)timeout|expired"):
        k.execute("SELECT * FROM sales.orders")
        k.fetchall()
    assert one(c.cursor(), "SELECT COUNT(*) FROM sales.orders") == 50000
    c.close()


def test_query_timeout(server, connect):
    c = connect(server, "lab")
    c.timeout = 1
    k = c.cursor()
    start = time.time()
    with pytest.raises(Exception, match="(?i)timeout|expired"):
        k.execute("WAITFOR DELAY '00:00:20'")
    assert time.time() - start < 5
    start = time.time()
    with pytest.raises(Exception, match="(?i)timeout|expired"):
        k.execute("SELECT COUNT(*) FROM GENERATE_SERIES(1, 10000000) a CROSS JOIN GENERATE_SERIES(1, 10000000) b WHERE (a.value + b.value) % 7 = 3")
    assert time.time() - start < 5
    k2 = c.cursor()
    assert one(k2, "SELECT 1") == 1
    c.close()


def test_early_close(server, cur, connect):
    cur.execute("DELETE FROM sales.orders; INSERT INTO sales.orders (order_id) SELECT value FROM GENERATE_SERIES(1, 200000)")
    c = connect(server, "lab")
    k = c.cursor()
    k.execute("SELECT * FROM sales.orders")
    k.fetchmany(10)
    k.close()
    assert one(c.cursor(), "SELECT 1") == 1
    c.close()


def test_pool_reset(server, connect):
    mssql_python.pooling(enabled=True, max_size=2, idle_timeout=60)
    try:
        c = connect(server, "lab")
        c.cursor().execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        spid = one(c.cursor(), "SELECT @@SPID")
        c.cursor().execute("CREATE TABLE #x (a int)")
        c.close()
        c = connect(server, "lab")
        assert one(c.cursor(), "SELECT @@SPID") == spid
        with pytest.raises(Exception, match="Invalid object name"):
            c.cursor().execute("SELECT * FROM #x")
        c.close()
    finally:
        mssql_python.pooling(enabled=False)
