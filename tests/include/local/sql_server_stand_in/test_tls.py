"""Encrypt=yes;TrustServerCertificate=yes, and pymssql as a second opinion."""
import pytest
import mssql_python



def test_encrypted(connect, start, tmp_path):
    s = start("--tls-folder", str(tmp_path))
    try:
        c = connect(s)
        k = c.cursor()
        k.execute("SELECT value, REPLICATE(N'é', 100) AS s FROM GENERATE_SERIES(1, 50000)")
        assert len(k.fetchall()) == 50000
        k.execute("SELECT ?", ("x" * 200_000,))
        assert len(k.fetchone()[0]) == 200_000
        c.close()
        with pytest.raises(Exception, match="Login failed"):
            connect(s, pwd="wrong")
        plain = mssql_python.connect(f"Server=127.0.0.1,{s.port};UID=sa;PWD=Standin-1;Encrypt=no;TrustServerCertificate=yes")
        plain.close()
        with pytest.raises(Exception, match="(?i)certificate"):
            mssql_python.connect(f"Server=127.0.0.1,{s.port};UID=sa;PWD=Standin-1;Encrypt=yes;TrustServerCertificate=no")
    finally:
        s.stop()


def test_pymssql(connect, start):
    import pymssql
    s = start()
    try:
        c = pymssql.connect(server="127.0.0.1", port=s.port, user="sa", password="Standin-1", database="master", tds_version="7.4", autocommit=True)
        k = c.cursor()
        k.execute("CREATE DATABASE lab; USE lab; CREATE TABLE dbo.t (id int PRIMARY KEY, m money, d decimal(38,10), s nvarchar(max), b varbinary(max), dt datetime, d2 datetime2(7), o datetimeoffset(7), g uniqueidentifier, x xml, rv rowversion)")
        k.execute("INSERT INTO dbo.t (id, m, d, s, b, dt, d2, o, g, x) VALUES (%s, %s, %s, %s, 0x00FF, '2024-02-29T12:34:56.997', '2024-02-29T12:34:56.1234567', '2024-02-29T12:34:56.1234567+05:30', '6F9619FF-8B86-D011-B42D-00C04FC964FF', '<a/>')", (1, 12.5, "1234567890123456789012345678.0123456789", "żółć 😀"))
        k.execute("SELECT * FROM dbo.t")
        print(k.fetchall())
        k.execute("SELECT s FROM dbo.t")
        assert k.fetchall() == [("żółć 😀",)]
        with pytest.raises(Exception, match="Invalid object name"):
            k.execute("SELECT * FROM nope")
        c.close()
    finally:
        s.stop()
