"""Nothing is accepted in silence: what the stand-in does not know it refuses, and says that it is the stand-in."""

from __future__ import annotations

from typing import Any

import mssql_python
import pytest

from include.local.sql_server_stand_in.accepted import CHANGE_TRACKING_OPTIONS, SET_OPTIONS
from tests.include.local.sql_server_stand_in.asking import Asking

NOT_KNOWN = "stand-in"


@pytest.fixture(scope="module", autouse=True)
def _orders(server: Any, connect: Any, database: str) -> None:
    with connect(server, database) as connection:
        connection.cursor().execute(
            "CREATE TABLE dbo.orders (order_id int NOT NULL PRIMARY KEY, status nvarchar(20) NULL, d decimal(9,2) NULL)"
        )


@pytest.mark.parametrize(
    "sql",
    [
        # statements
        "MERGE dbo.orders AS t USING (SELECT 1 AS a) AS s ON t.order_id = s.a WHEN MATCHED THEN DELETE;",
        "BEGIN TRANSACTION; TRUNCATE TABLE dbo.orders",
        "PRINT 'x'",
        "WHILE 1 = 1 SELECT 1",
        "BEGIN TRY SELECT 1 END TRY BEGIN CATCH END CATCH",
        "SAVE TRANSACTION s",
        "RAISERROR('x', 16, 1)",
        "GRANT SELECT ON dbo.orders TO reader",
        "CREATE INDEX i ON dbo.orders (status)",
        "CREATE VIEW dbo.v AS SELECT 1 AS a",
        "DROP SCHEMA sales",
        "BACKUP DATABASE lab TO DISK = 'x'",
        # queries
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "SELECT 1 UNION ALL SELECT 2",
        "SELECT TOP 1 PERCENT order_id FROM dbo.orders",
        "SELECT TOP 3 WITH TIES status FROM dbo.orders ORDER BY status",
        "SELECT order_id FROM dbo.orders FOR JSON PATH",
        "SELECT order_id INTO dbo.copy FROM dbo.orders",
        "SELECT COUNT(*) FROM dbo.orders WITH (NOLOCK)",
        "SELECT COUNT(*) FROM dbo.orders OPTION (MAXDOP 1)",
        "SELECT COUNT(*) FROM dbo.orders TABLESAMPLE (1 PERCENT)",
        "SELECT o.order_id FROM dbo.orders o CROSS APPLY (SELECT 1 AS b) y",
        "SELECT status COLLATE Latin1_General_BIN FROM dbo.orders",
        "SELECT TOP 1 order_id FROM dbo.orders ORDER BY order_id OFFSET 1 ROWS",
        "SELECT REPLACE(status, N'a', N'b') FROM dbo.orders",
        "SELECT COLUMNPROPERTY(1, N'status', 'IsIdentity')",
        "SELECT HAS_PERMS_BY_NAME(N'dbo.orders', 'OBJECT', 'SELECT')",
        "SELECT a = 1",
        "SELECT order_id > 1 FROM dbo.orders",
        "SELECT 5 & 1",
        "SELECT SUM(order_id) OVER (ORDER BY order_id) FROM dbo.orders",
        "SELECT order_id FROM dbo.orders WHERE status LIKE N'[a-c]%'",
        "SELECT d / 3 FROM dbo.orders",
        "SELECT * FROM #t",
        "SELECT * FROM linked.lab.dbo.orders",
        # functions and what they take
        "SELECT CHECKSUM(order_id) FROM dbo.orders",
        "SELECT AVG(order_id) FROM dbo.orders",
        "SELECT FORMAT(GETDATE(), 'd')",
        "SELECT TRY_CAST('x' AS int)",
        "SELECT DATEADD(quarter, 1, GETDATE())",
        "SELECT DATEPART(year, GETDATE())",
        "SELECT CONVERT(varchar(30), GETDATE(), 9)",
        "SELECT CAST(GETDATE() AS varchar(30))",
        "SELECT CAST(1.5e0 AS varchar(30))",
        "SELECT @@LANGUAGE",
        # types and definitions
        "CREATE TABLE dbo.t (v sql_variant)",
        "CREATE TABLE dbo.t (v text)",
        "CREATE TABLE dbo.t (id int IDENTITY(1,1))",
        "CREATE TABLE dbo.t (id int DEFAULT 5)",
        "CREATE TABLE dbo.t (id int CHECK (id > 1))",
        "CREATE TABLE dbo.t (id int REFERENCES dbo.orders (order_id))",
        "CREATE TABLE dbo.t (id int) ON [PRIMARY]",
        "CREATE TABLE dbo.t (v varchar(9) NULL UNIQUE)",
        "ALTER TABLE dbo.orders DROP COLUMN status",
        "ALTER TABLE dbo.orders ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = ON)",
        "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON",
        "ALTER DATABASE CURRENT SET RECOVERY SIMPLE",
        # changes
        "INSERT INTO dbo.orders (order_id) OUTPUT inserted.order_id VALUES (1)",
        "INSERT INTO dbo.orders DEFAULT VALUES",
        "UPDATE TOP (1) dbo.orders SET status = N'x'",
        "UPDATE o SET status = N'x' FROM dbo.orders AS o",
        "DELETE o FROM dbo.orders AS o",
        # settings and procedures
        "SET ROWCOUNT 5",
        "SET LOCK_TIMEOUT 100",
        "SET NOCOUNT",
        "SET LANGUAGE Deutsch",
        "SET QUOTED_IDENTIFIER OFF",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "EXEC sp_columns @table_name = 'orders'",
        "EXEC standin.fault @kind = 'reset', @rows = 5",
    ],
)
def test_it_is_refused(client: Asking, sql: str) -> None:
    with pytest.raises(mssql_python.DatabaseError, match=r"stand-in|is not a parameter for procedure"):
        client.run(sql)
    assert client.column("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES") == ["orders"]
    assert client.one("SELECT COUNT(*) FROM dbo.orders") == 0


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT * FROM dbo.nope", r"Invalid object name 'dbo\.nope'"),
        ("SELECT * FROM sys.nope", r"Invalid object name 'sys\.nope'"),
        ("SELECT nope FROM dbo.orders", "Invalid column name 'nope'"),
        ("SELECT nope.order_id FROM dbo.orders", "Invalid column name 'order_id'"),
        ("SELECT status FROM dbo.orders GROUP BY order_id", "neither aggregated nor in the GROUP BY"),
        ("SELECT DISTINCT status FROM dbo.orders ORDER BY order_id", "must appear in the select list"),
        ("SELECT CAST('x' AS int)", "Conversion failed"),
        ("SELECT CAST('1.5' AS int)", "Conversion failed"),
        ("SELECT CAST('2024-02-30' AS date)", "Conversion failed when converting date"),
        ("SELECT CAST('1752-12-31' AS datetime)", "out-of-range value"),
        ("SELECT CAST(300 AS tinyint)", "Arithmetic overflow"),
        ("SELECT 1 / 0", "Divide by zero"),
        ("INSERT INTO dbo.orders (order_id, status) VALUES (9, REPLICATE(N'x', 30))", "would be truncated"),
        ("INSERT INTO dbo.orders (order_id, status) VALUES (9, N'twenty units: 😀😀😀😀')", "would be truncated"),
        ("INSERT INTO dbo.orders (order_id) VALUES (NULL)", "Cannot insert the value NULL"),
        ("INSERT INTO dbo.orders (order_id, status) VALUES (1)", "number of supplied values does not match"),
        ("EXEC dbo.nope", "Could not find stored procedure"),
        ("SELECT @x", "Must declare the scalar variable"),
        ("DECLARE @a int; DECLARE @a int", "already been declared"),
        ("USE nowhere", "Database 'nowhere' does not exist"),
        ("SELECT 'open", "Unclosed quotation mark"),
        ("SELECT * FROM dbo.orders AS a CROSS JOIN dbo.orders AS A", "specified multiple times"),
    ],
)
def test_an_error_is_that_of_a_sql_server(client: Asking, sql: str, error: str) -> None:
    with pytest.raises(mssql_python.DatabaseError, match=error):
        client.run(sql)


def test_an_error_is_of_the_class_that_the_driver_makes_of_its_number(client: Asking) -> None:
    with pytest.raises(mssql_python.IntegrityError):
        client.run("INSERT INTO dbo.orders (order_id) VALUES (1), (1)")
    with pytest.raises(mssql_python.ProgrammingError):
        client.run("SELECT * FROM dbo.nope")


def test_what_is_accepted_without_effect_says_why() -> None:
    with_effect = {"NOCOUNT", "XACT_ABORT"}
    assert {name for name, accepted in SET_OPTIONS.items() if not accepted.why} == with_effect
    assert all(CHANGE_TRACKING_OPTIONS.values())
