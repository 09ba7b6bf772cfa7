"""Texts are the same when they differ in case or trailing blanks alone, wherever two of them are compared."""

from __future__ import annotations

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking


@pytest.fixture(autouse=True)
def _texts(client: Asking) -> None:
    client.run("DROP TABLE IF EXISTS dbo.thing; DROP TABLE IF EXISTS dbo.other")
    client.run("CREATE TABLE dbo.thing (k varchar(10) NOT NULL PRIMARY KEY, n int NOT NULL, w nvarchar(10) NULL)")
    client.run("CREATE TABLE dbo.other (k nvarchar(10) NULL, n int NOT NULL)")
    client.run("INSERT INTO dbo.thing (k, n, w) VALUES ('a', 1, N'x'), ('b  ', 2, N'X '), (' c', 3, N'é')")
    client.run("INSERT INTO dbo.other (k, n) VALUES (N'A ', 10), (N'B', 20), (N'b ', 21), (N'c', 30), (NULL, 40)")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("k = 'a  '", [1]),
        ("k = 'A'", [1]),
        ("k = N'B '", [2]),
        ("k <> 'A  '", [2, 3]),
        ("k = 'c'", []),  # a blank before it counts
        ("k = ' C '", [3]),
        ("k IN ('A ', 'B')", [1, 2]),
        ("k NOT IN ('A ', 'B')", [3]),
        ("k IN (SELECT o.k FROM dbo.other AS o)", [1, 2]),
        ("k BETWEEN 'A' AND 'A '", [1]),
        ("k > 'a '", [2]),
        ("w = 'É'", [3]),
        ("w = N'e'", []),  # accents count
        ("CASE k WHEN 'B' THEN 1 ELSE 0 END = 1", [2]),
        ("NULLIF(k, 'A ') IS NULL", [1]),
        ("k + '.' = 'b  .'", [2]),  # they are kept, and count where they are no longer last
        ("DATALENGTH(k) = 3", [2]),
        ("LEN(k) = 1", [1, 2]),
    ],
)
def test_a_condition_finds(client: Asking, where: str, found: list[int]) -> None:
    assert client.column(f"SELECT n FROM dbo.thing WHERE {where} ORDER BY n") == found


def test_a_parameter_is_compared_alike(client: Asking) -> None:
    assert client.column("SELECT n FROM dbo.thing WHERE k = ?", "B    ") == [2]


def test_a_join_pairs_them(client: Asking) -> None:
    pairs = client.rows("SELECT t.n, o.n FROM dbo.thing AS t JOIN dbo.other AS o ON o.k = t.k ORDER BY o.n")
    assert pairs == [(1, 10), (2, 20), (2, 21)]


def test_a_group_holds_them_together(client: Asking) -> None:
    rows = client.rows("SELECT w, SUM(n) FROM dbo.thing GROUP BY w ORDER BY 2")
    assert [(str(w).strip().lower(), total) for w, total in rows] == [("x", 3), ("é", 3)]
    assert client.column("SELECT COUNT(*) FROM dbo.other GROUP BY k HAVING k = 'b'") == [2]


def test_distinct_values_are_fewer(client: Asking) -> None:
    assert len(client.rows("SELECT DISTINCT w FROM dbo.thing")) == 2
    assert client.one("SELECT COUNT(DISTINCT w) FROM dbo.thing") == 2
    assert len(client.rows("SELECT DISTINCT k FROM dbo.other")) == 4


def test_they_are_sorted_and_numbered_together(client: Asking) -> None:
    assert [k for (k,) in client.rows("SELECT k FROM dbo.other ORDER BY k, n")] == [None, "A ", "B", "b ", "c"]
    rows = client.rows("SELECT n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) FROM dbo.other ORDER BY n")
    assert rows == [(10, 1), (20, 1), (21, 2), (30, 1), (40, 1)]
    assert client.rows("SELECT MIN(k), MAX(k) FROM dbo.thing") == [(" c", "b  ")]
    assert client.rows("SELECT MIN(x.k), MAX(x.k) FROM (VALUES ('a'), ('B'), ('C')) AS x(k)") == [("a", "C")]


@pytest.mark.parametrize("k", ["'A'", "'a '", "'B'"])
def test_a_key_is_held_by_one_of_them(client: Asking, k: str) -> None:
    with pytest.raises(Exception, match="Violation of PRIMARY KEY"):
        client.run(f"INSERT INTO dbo.thing (k, n) VALUES ({k}, 9)")
    assert client.one("SELECT COUNT(*) FROM dbo.thing") == 3


def test_a_unique_key_is_held_by_one_of_them(client: Asking) -> None:
    client.run("DROP TABLE IF EXISTS dbo.one; CREATE TABLE dbo.one (id int PRIMARY KEY, k char(5) NOT NULL UNIQUE)")
    client.run("INSERT INTO dbo.one (id, k) VALUES (1, 'a')")
    with pytest.raises(Exception, match="Cannot insert duplicate key"):
        client.run("INSERT INTO dbo.one (id, k) VALUES (2, 'A')")


def test_a_row_is_found_and_changed_and_deleted_by_another_spelling_of_its_key(client: Asking) -> None:
    client.run("UPDATE dbo.thing SET n = 22, k = 'B' WHERE k = 'B '")
    assert client.rows("SELECT k, n FROM dbo.thing WHERE n = 22") == [("B", 22)]
    client.run("DELETE FROM dbo.thing WHERE k IN ('B   ', 'A')")
    assert client.column("SELECT n FROM dbo.thing") == [3]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("k LIKE 'A%'", [1]),
        ("k LIKE 'b'", [2]),  # of a varchar they are left out where the pattern has none
        ("k LIKE 'b '", []),  # in the pattern they count
        ("k LIKE 'b  '", [2]),
        ("w LIKE N'x'", [1]),  # of an nvarchar they count
        ("w LIKE N'x%'", [1, 2]),
        ("w LIKE N'_'", [1, 3]),
    ],
)
def test_like_looks_at_blanks(client: Asking, where: str, found: list[int]) -> None:
    assert client.column(f"SELECT n FROM dbo.thing WHERE {where} ORDER BY n") == found


def test_a_text_that_is_too_long_by_blanks_alone_is_cut(client: Asking) -> None:
    client.run("INSERT INTO dbo.thing (k, n) VALUES ('long        ', 5)")
    assert client.one("SELECT k FROM dbo.thing WHERE n = 5") == "long      "
    with pytest.raises(Exception, match="would be truncated"):
        client.run("INSERT INTO dbo.thing (k, n) VALUES ('too long so far', 6)")
