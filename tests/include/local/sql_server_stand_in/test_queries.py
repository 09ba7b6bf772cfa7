"""What queries give: the T-SQL that the project and its next steps need, each with its answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking


@pytest.fixture(scope="module", autouse=True)
def _orders(server: Any, connect: Any, database: str) -> None:
    """Twenty orders; every third has no status; the amount is half of the id."""
    with connect(server, database) as connection:
        connection.cursor().execute("CREATE SCHEMA sales")
        connection.cursor().execute(
            "CREATE TABLE sales.orders (order_id int NOT NULL PRIMARY KEY, status nvarchar(20) NULL,"
            " amount decimal(18,4) NULL, at datetimeoffset(7) NULL)"
        )
        connection.cursor().execute(
            "INSERT INTO sales.orders (order_id, status, amount) SELECT value,"
            " CASE value % 3 WHEN 0 THEN NULL ELSE N'ż' END, value * 0.5 FROM GENERATE_SERIES(1, 20)"
        )


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT TOP 3 order_id FROM sales.orders ORDER BY order_id", [(1,), (2,), (3,)]),
        ("SELECT TOP (2) order_id FROM test_queries.sales.orders ORDER BY order_id DESC", [(20,), (19,)]),
        ("SELECT order_id FROM sales.orders ORDER BY order_id OFFSET 10 ROWS FETCH NEXT 2 ROWS ONLY", [(11,), (12,)]),
        ("SELECT MIN(order_id), MAX(order_id), COUNT_BIG(*) FROM sales.orders", [(1, 20, 20)]),
        ("SELECT COUNT(status), COUNT(*), SUM(amount) FROM sales.orders", [(14, 20, Decimal("105.0000"))]),
        ("SELECT status, COUNT(*) FROM sales.orders GROUP BY status ORDER BY 1", [(None, 6), ("ż", 14)]),
        ("SELECT COUNT(*) FROM sales.orders GROUP BY status HAVING SUM(order_id) > 100", [(14,)]),
        (
            "SELECT MIN(t.order_id), MAX(t.order_id) FROM (SELECT order_id, NTILE(3) OVER (ORDER BY order_id) AS part"
            " FROM sales.orders) AS t GROUP BY t.part ORDER BY 1",
            [(1, 7), (8, 14), (15, 20)],
        ),
        (
            "SELECT x.order_id FROM (SELECT order_id, ROW_NUMBER() OVER (PARTITION BY status ORDER BY order_id) AS n"
            " FROM sales.orders) AS x WHERE x.n = 1 ORDER BY x.order_id",
            [(1,), (3,)],
        ),
        ("SELECT x.a, x.b FROM (VALUES (1, 'q'), (2, NULL)) AS x(a, b) ORDER BY x.a", [(1, "q"), (2, None)]),
        (
            "SELECT a.order_id, b.order_id FROM sales.orders AS a LEFT JOIN sales.orders AS b"
            " ON b.order_id = a.order_id * 2 WHERE a.order_id IN (10, 11) ORDER BY 1",
            [(10, 20), (11, None)],
        ),
        ("SELECT order_id FROM sales.orders WHERE order_id >= 19 AND NOT order_id = 20", [(19,)]),
        ("SELECT o.order_id FROM sales.orders o WHERE (o.order_id + 1) * 2 = 8 OR (o.order_id = 1)", [(1,), (3,)]),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM sales.orders WHERE status IS NULL)", [(1,)]),
        ("SELECT (SELECT MAX(order_id) FROM sales.orders) - 1", [(19,)]),
        ("SELECT o.* FROM (SELECT 1 AS a, 2 AS b) AS o", [(1, 2)]),
        ("SELECT 7 / 2, -7 / 2, -7 % 3, 2e0 / 4", [(3, -3, -1, 0.5)]),
        ("SELECT 1.50 * 2, 1 + 1.5", [(Decimal("3.00"), Decimal("2.5"))]),
        ("SELECT CAST(2.7 AS int), CAST('12' AS int), CAST(-2.7 AS int)", [(2, 12, -2)]),
        ("SELECT ISNULL(NULL, 1), COALESCE(NULL, 1.5), NULLIF(2, 2), ISNULL(status, N'none')"
         " FROM sales.orders WHERE order_id = 3", [(1, Decimal("1.5"), None, "none")]),
        ("SELECT LEN('ab  '), DATALENGTH('ab  '), DATALENGTH(N'ab'), DATALENGTH(0x0102)", [(2, 4, 4, 2)]),
        ("SELECT LEN(N'😀 '), DATALENGTH(N'😀')", [(2, 4)]),
        ("SELECT CONVERT(varchar(36), CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier))",
         [("6F9619FF-8B86-D011-B42D-00C04FC964FF",)]),
        ("SELECT DATEPART(tzoffset, CAST('2024-02-29T12:00:00-03:30' AS datetimeoffset(7)))", [(-210,)]),
        ("SELECT DATEADD(hour, -2, CAST('2024-03-01T01:30:00' AS datetime2(7)))", [(datetime(2024, 2, 29, 23, 30),)]),
        ("SELECT DISTINCT o.status FROM sales.orders AS o ORDER BY o.status DESC", [("ż",), (None,)]),
        ("SELECT value FROM GENERATE_SERIES(3, 5)", [(3,), (4,), (5,)]),
        ("SELECT 'it''s' + N' ż', 0x0102, -1.5, NULL, N'😀'", [("it's ż", b"\x01\x02", Decimal("-1.5"), None, "😀")]),
        ("SELECT /* a comment */ 1 -- and another", [(1,)]),
    ],
)  # fmt: skip
def test_a_query_gives(client: Asking, sql: str, answer: list[tuple[Any, ...]]) -> None:
    rows = client.rows(sql)
    assert sorted(rows, key=repr) == sorted(answer, key=repr)
    assert [[type(value) for value in row] for row in sorted(rows, key=repr)] == [
        [type(value) for value in row] for row in sorted(answer, key=repr)
    ]
    if "ORDER BY" in sql:
        assert rows == answer


def test_columns_have_the_names_that_were_given(client: Asking) -> None:
    client.run("SELECT order_id, Status AS [weird name], 1 + 1, o.amount x FROM sales.orders o WHERE 1 = 0")
    assert [column[0] for column in client.cursor.description] == ["order_id", "weird name", "", "x"]


def test_null_is_sorted_first_and_last_when_descending(client: Asking) -> None:
    assert client.column("SELECT TOP 1 status FROM sales.orders ORDER BY status") == [None]
    assert client.column("SELECT TOP 1 status FROM sales.orders ORDER BY status DESC") == ["ż"]


def test_the_servers_clock_stands_on_utc(client: Asking) -> None:
    now = datetime.now(UTC)
    local, exact, offset = client.rows("SELECT GETDATE(), SYSUTCDATETIME(), SYSDATETIMEOFFSET()")[0]
    for moment in (local.replace(tzinfo=UTC), exact.replace(tzinfo=UTC), offset):
        assert timedelta(seconds=-1) < moment - now < timedelta(seconds=5)


def test_a_batch_declares_decides_and_gives_several_results(client: Asking) -> None:
    client.run(
        "DECLARE @n int = 2, @s nvarchar(20); SET @s = N'x' + N'y'; SELECT @n = MAX(order_id) FROM sales.orders"
        " IF EXISTS (SELECT 1 FROM sales.orders WHERE order_id = @n) BEGIN SELECT @s AS a; SELECT @n, 3 END"
        " ELSE SELECT 'none'"
    )
    assert [tuple(row) for row in client.cursor.fetchall()] == [("xy",)]
    assert client.cursor.nextset()
    assert [tuple(row) for row in client.cursor.fetchall()] == [(20, 3)]


def test_a_column_of_two_tables_is_ambiguous(client: Asking) -> None:
    with pytest.raises(Exception, match="Ambiguous column name 'order_id'"):
        client.run("SELECT order_id FROM sales.orders AS a CROSS JOIN sales.orders AS b")
