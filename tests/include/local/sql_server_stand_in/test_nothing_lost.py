"""Writers and readers at once: windows of rowversions and of change tracking lose nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

WRITERS, SECONDS = 4, 3
WRITER = """
import random, sys, time
import mssql_python
number, port = int(sys.argv[1]), sys.argv[2]
chance = random.Random(number)
words = f"Server=127.0.0.1,{port};Database=test_nothing_lost;UID=sa;PWD=Standin-1;Encrypt=no"
connection = mssql_python.connect(words, autocommit=False)
cursor, key, end = connection.cursor(), number * 1_000_000, time.time() + float(sys.argv[3])
while time.time() < end:
    try:
        for _ in range(chance.randint(1, 4)):
            key += 1
            cursor.execute("INSERT INTO dbo.t (id, v) VALUES (?, ?)", (key, chance.randint(0, 99)))
            if chance.random() < 0.4:
                cursor.execute("UPDATE dbo.t SET v = v + 1 WHERE id = ?", (key - chance.randint(0, 5),))
            if chance.random() < 0.1:
                cursor.execute("DELETE FROM dbo.t WHERE id = ?", (key - 3,))
            time.sleep(chance.random() * 0.01)
        if chance.random() < 0.2:
            connection.rollback()
        else:
            connection.commit()
    except Exception:
        connection.rollback()
"""
CHANGES = (
    "SELECT ct.SYS_CHANGE_OPERATION, ct.id, t.v, t.rv FROM CHANGETABLE(CHANGES dbo.t, ?) AS ct"
    " LEFT OUTER JOIN dbo.t AS t ON t.id = ct.id"
)


class Windows:
    """What a reader has gathered, window by window."""

    def __init__(self, client: Asking) -> None:
        self.client, self.low, self.version = client, bytes(8), 0
        self.by_rowversion: dict[int, tuple[int, bytes]] = {}
        self.by_tracking: dict[int, tuple[int, bytes]] = {}

    def read(self) -> None:
        self._rowversions()
        self._changes()

    def _rowversions(self) -> None:
        high = self.client.one("SELECT MIN_ACTIVE_ROWVERSION()")
        self.client.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
        window = "SELECT id, v, rv FROM dbo.t WHERE rv >= ? AND rv < ?"
        self.by_rowversion |= {key: (v, rv) for key, v, rv in self.client.rows(window, self.low, high)}
        self.client.run("COMMIT")
        self.low = high

    def _changes(self) -> None:
        self.client.run("BEGIN TRAN")
        version = self.client.one("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
        for operation, key, v, rv in self.client.rows(CHANGES, self.version):
            self.by_tracking.pop(key, None)
            if operation != "D":
                self.by_tracking[key] = (v, rv)
        self.client.run("COMMIT")
        self.version = version


@pytest.mark.timeout(120)
def test_windows_beside_four_writers_give_what_the_table_holds(server: Any, client: Asking, database: str) -> None:
    client.run(f"ALTER DATABASE {database} SET CHANGE_TRACKING = ON")
    client.run(
        "CREATE TABLE dbo.t (id int PRIMARY KEY, v int, rv rowversion); ALTER TABLE dbo.t ENABLE CHANGE_TRACKING"
    )
    words = [sys.executable, "-c", WRITER]
    writers = [subprocess.Popen([*words, str(n), str(server.port), str(SECONDS)]) for n in range(1, WRITERS + 1)]
    windows = Windows(client)
    while any(writer.poll() is None for writer in writers):
        windows.read()
    windows.read()
    assert all(writer.wait() == 0 for writer in writers)
    truth = {key: (v, rv) for key, v, rv in client.rows("SELECT id, v, rv FROM dbo.t")}
    assert len(truth) > 50
    assert windows.by_tracking == truth
    assert {key: row for key, row in windows.by_rowversion.items() if key in truth} == truth
