"""Encrypt=yes;TrustServerCertificate=yes, and pymssql as a second opinion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mssql_python
import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

COLUMNS = (
    "id int PRIMARY KEY, m money, d decimal(38,10), s nvarchar(max), b varbinary(max), dt datetime, d2 datetime2(7),"
    " o datetimeoffset(7), g uniqueidentifier, x xml, rv rowversion"
)
VALUES = (
    "%s, %s, %s, %s, 0x00FF, '2024-02-29T12:34:56.997', '2024-02-29T12:34:56.1234567',"
    " '2024-02-29T12:34:56.1234567+05:30', '6F9619FF-8B86-D011-B42D-00C04FC964FF', '<a/>'"
)


def test_an_encrypted_connection_carries_long_results_and_parameters(connect: Any, start: Any, tmp_path: Path) -> None:
    server = start("--tls-folder", str(tmp_path))
    client = Asking(connect(server))
    assert len(client.rows("SELECT value, REPLICATE(N'é', 100) AS s FROM GENERATE_SERIES(1, 50000)")) == 50_000
    assert len(client.one("SELECT ?", "x" * 200_000)) == 200_000
    client.connection.close()
    with pytest.raises(Exception, match="Login failed"):
        connect(server, pwd="wrong")
    words = f"Server=127.0.0.1,{server.port};UID=sa;PWD=Standin-1"
    mssql_python.connect(f"{words};Encrypt=no;TrustServerCertificate=yes").close()
    with pytest.raises(Exception, match=r"(?i)certificate"):
        mssql_python.connect(f"{words};Encrypt=yes;TrustServerCertificate=no")
    server.stop()


def test_another_client_reads_the_same_values(server: Any, client: Asking, database: str) -> None:
    import pymssql

    connection = pymssql.connect(
        server="127.0.0.1", port=server.port, user="sa", password="Standin-1", database=database, autocommit=True
    )
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE dbo.t ({COLUMNS})")
    row = (1, 12.5, "1234567890123456789012345678.0123456789", "żółć 😀")
    cursor.execute(f"INSERT INTO dbo.t (id, m, d, s, b, dt, d2, o, g, x) VALUES ({VALUES})", row)
    cursor.execute("SELECT id, m, d, s, b, dt, d2, g, x, rv FROM dbo.t")
    ours = client.rows("SELECT id, m, d, s, b, dt, d2, g, x, rv FROM dbo.t")
    assert [tuple(row) for row in cursor.fetchall()] == ours
    with pytest.raises(Exception, match="Invalid object name"):
        cursor.execute("SELECT * FROM nope")
    connection.close()
