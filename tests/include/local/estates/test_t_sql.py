"""Is made data spelt in T-SQL so that any SQL Server reads the same values?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlglot

from include.local.estates import t_sql
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.generate import generate
from include.local.estates.sse_tables import SSE_CONTACT_PREFERENCE
from include.local.estates.tables import BUSINESS_DAY, MIS_CASE, SSE_CUSTOMER


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        (None, "NULL"),
        (True, "1"),
        (False, "0"),
        (-7, "-7"),
        (Decimal("12.3456"), "12.3456"),
        (Decimal("-0.0001"), "-0.0001"),
        (Decimal("1E+3"), "1000"),
        (date(9999, 12, 31), "'9999-12-31'"),
        (datetime(1753, 1, 1), "'1753-01-01T00:00:00.000'"),
        (datetime(2026, 1, 1, 2, 3, 4, 5000), "'2026-01-01T02:03:04.005'"),
        ("", "N''"),
        ("O'Brask", "N'O''Brask'"),
        ("'; DROP TABLE x --", "N'''; DROP TABLE x --'"),
        ("Zoë 😀  ", "N'Zoë 😀  '"),
    ],
)
def test_a_value_is_spelt_as_t_sql_reads_it(value: object, spelt: str) -> None:
    assert t_sql.literal(value) == spelt


def test_a_value_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        t_sql.literal(0.1)


@pytest.mark.parametrize("table", [*SQL_SERVER_TABLES, BUSINESS_DAY], ids=lambda table: str(table.name))
def test_every_table_is_created_by_t_sql_that_parses(table: object) -> None:
    made = next(t for t in (*SQL_SERVER_TABLES, BUSINESS_DAY) if t is table)
    assert sqlglot.parse_one(t_sql.create_table(made), read="tsql").find(sqlglot.exp.Schema)


def test_every_insert_parses_and_holds_no_more_rows_than_sql_server_takes() -> None:
    for data in generate(seed=1, customers=60).tables.values():
        if data.table in SQL_SERVER_TABLES:
            for statement in t_sql.inserts(data.table, data.rows):
                rows = sqlglot.parse_one(statement, read="tsql").expression.expressions
                assert 1 <= len(rows) <= 1000


def test_many_rows_take_as_many_statements_as_they_need() -> None:
    row = ("500000000001AAA001", None, "x", "New", datetime(2025, 1, 1), None)
    statements = list(t_sql.inserts(MIS_CASE, [row] * (t_sql.ROWS_PER_STATEMENT + 1)))
    assert [statement.count("N'x'") for statement in statements] == [t_sql.ROWS_PER_STATEMENT, 1]


def test_no_rows_take_no_statement() -> None:
    assert list(t_sql.inserts(MIS_CASE, [])) == []


def test_a_rowversion_is_left_to_the_server() -> None:
    assert "RowVer" in t_sql.create_table(SSE_CUSTOMER)
    assert "RowVer" not in SSE_CUSTOMER.written
    assert "RowVer" not in t_sql.insert(SSE_CUSTOMER, tuple(None for _ in SSE_CUSTOMER.written))


def test_a_transaction_begins_and_commits() -> None:
    assert t_sql.transaction("DELETE FROM a", "DELETE FROM b") == (
        "BEGIN TRANSACTION; DELETE FROM a; DELETE FROM b; COMMIT TRANSACTION"
    )


def test_update_and_delete_name_the_key() -> None:
    key = (7, "SMS  ", "service")
    assert t_sql.update(SSE_CONTACT_PREFERENCE, key, IsAllowed=True).endswith(
        "SET IsAllowed = 1 WHERE CustomerId = 7 AND Channel = N'SMS  ' AND Purpose = N'service'"
    )
    assert (
        t_sql.update(SSE_CUSTOMER, 7, Surname="O'x") == "UPDATE dbo.Customer SET Surname = N'O''x' WHERE CustomerId = 7"
    )
    assert t_sql.delete(MIS_CASE, ["a", "b"]) == "DELETE FROM Salesforce.[Case] WHERE CaseId IN (N'a', N'b')"
