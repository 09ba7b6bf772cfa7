"""Writers and readers at once: the rowversion window and change tracking must lose nothing; a kept folder must come back."""
import signal, subprocess, sys
import pytest

WRITER = """
import random, time
import mssql_python
r = random.Random({n}); c = mssql_python.connect("Server=127.0.0.1,{port};Database=lab;UID=sa;PWD=Standin-1;Encrypt=no", autocommit=False); k = c.cursor(); done = lost = 0
end = time.time() + {seconds}; i = 0
while time.time() < end:
    try:
        for _ in range(r.randint(1, 4)):
            i += 1; key = {n} * 1000000 + i
            k.execute("INSERT INTO dbo.t (id, v) VALUES (?, ?)", (key, r.randint(0, 99)))
            if r.random() < 0.4: k.execute("UPDATE dbo.t SET v = v + 1 WHERE id = ?", (key - r.randint(0, min(5, i - 1)),))
            if r.random() < 0.1: k.execute("DELETE FROM dbo.t WHERE id = ?", (key - min(3, i - 1),))
            time.sleep(r.random() * 0.01)
        if r.random() < 0.2: c.rollback()
        else: c.commit(); done += 1
    except Exception as e:
        lost += 1; c.rollback()
print(done, lost)
"""


def test_nothing_lost(connect, start):
    s = start()
    try:
        c = connect(s)
        k = c.cursor()
        k.execute("CREATE DATABASE lab; ALTER DATABASE lab SET ALLOW_SNAPSHOT_ISOLATION ON; ALTER DATABASE lab SET CHANGE_TRACKING = ON; USE lab; CREATE TABLE dbo.t (id int PRIMARY KEY, v int, rv rowversion); ALTER TABLE dbo.t ENABLE CHANGE_TRACKING")
        writers = [subprocess.Popen([sys.executable, "-c", WRITER.format(port=s.port, n=n, seconds=3)], stdout=subprocess.PIPE, text=True) for n in range(1, 5)]
        by_rv, by_ct, low, version, windows = {}, {}, bytes(8), 0, 0

        def rv_window():
            nonlocal low
            k.execute("SELECT MIN_ACTIVE_ROWVERSION()")
            high = bytes(k.fetchone()[0])
            k.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
            k.execute("SELECT id, v, rv FROM dbo.t WHERE rv >= ? AND rv < ?", (low, high))
            for i, v, rv in k.fetchall():
                by_rv[i] = (v, bytes(rv))
            k.execute("COMMIT")
            low = high

        def ct_window():
            nonlocal version
            k.execute("BEGIN TRAN")
            k.execute("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
            new = k.fetchone()[0]
            k.execute("SELECT ct.SYS_CHANGE_OPERATION, ct.id, t.v, t.rv FROM CHANGETABLE(CHANGES dbo.t, ?) AS ct LEFT OUTER JOIN dbo.t AS t ON t.id = ct.id", (version,))
            for op, i, v, rv in k.fetchall():
                if op == "D":
                    by_ct.pop(i, None)
                else:
                    by_ct[i] = (v, bytes(rv))
            k.execute("COMMIT")
            version = new

        while any(w.poll() is None for w in writers):
            rv_window()
            ct_window()
            windows += 1
        rv_window()
        ct_window()
        k.execute("SELECT id, v, rv FROM dbo.t")
        truth = {i: (v, bytes(rv)) for i, v, rv in k.fetchall()}
        assert all(w.wait() == 0 for w in writers)
        print("windows", windows, "rows", len(truth), [w.stdout.read().strip() for w in writers])
        assert by_ct == truth
        assert {i: x for i, x in by_rv.items() if i in truth} == truth
        c.close()
    finally:
        s.stop()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_folder_comes_back(connect, start, tmp_path, by):
    folder = str(tmp_path)
    s = start("--folder", folder)
    c = connect(s)
    k = c.cursor()
    k.execute("CREATE DATABASE lab; ALTER DATABASE lab SET CHANGE_TRACKING = ON; USE lab; EXEC sys.sp_cdc_enable_db; CREATE TABLE dbo.t (id int IDENTITY PRIMARY KEY, m money, d datetime2(7), rv rowversion); ALTER TABLE dbo.t ENABLE CHANGE_TRACKING; EXEC sys.sp_cdc_enable_table @source_schema = 'dbo', @source_name = 't', @role_name = NULL")
    k.execute("INSERT INTO dbo.t (m, d) VALUES (1.5, '2024-02-29T12:34:56.1234567')")
    q = "SELECT id, m, CONVERT(varchar(33), d, 126), rv, CHANGE_TRACKING_CURRENT_VERSION(), sys.fn_cdc_get_max_lsn(), @@DBTS FROM lab.dbo.t"
    k.execute(q)
    was = tuple(k.fetchone())
    c.close()
    s.stop(by)
    assert not list(tmp_path.glob("*.wal")) or by == signal.SIGKILL
    s = start("--folder", folder)
    try:
        c = connect(s, "lab")
        k = c.cursor()
        k.execute(q)
        assert tuple(k.fetchone()) == was
        k.execute("INSERT INTO dbo.t (m) VALUES (2)")
        k.execute("SELECT id, CHANGE_TRACKING_CURRENT_VERSION() FROM dbo.t WHERE m = 2")
        assert tuple(k.fetchone()) == (2, 2)
        k.execute("SELECT __$operation, id FROM cdc.fn_cdc_get_all_changes_dbo_t(sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')")
        assert [tuple(r) for r in k.fetchall()] == [(2, 1), (2, 2)]
        c.close()
    finally:
        s.stop()


def test_a_half_made_database_does_not_keep_the_server_from_starting(connect, start, tmp_path):
    start("--folder", str(tmp_path)).stop(signal.SIGKILL)
    import duckdb
    duckdb.connect(str(tmp_path / "half.duckdb")).close()
    s = start("--folder", str(tmp_path))
    c = connect(s, "half")
    c.cursor().execute("CREATE TABLE dbo.t (id int PRIMARY KEY)")
    c.close()
    s.stop()


def test_a_dropped_database_is_gone_after_a_restart(connect, start, tmp_path):
    s = start("--folder", str(tmp_path))
    connect(s).cursor().execute("CREATE DATABASE lab; USE lab; CREATE TABLE dbo.t (id int); USE master; DROP DATABASE lab")
    s.stop()
    s = start("--folder", str(tmp_path))
    connect(s).cursor().execute("CREATE DATABASE lab; USE lab; CREATE TABLE dbo.t (id int)")
    s.stop()
