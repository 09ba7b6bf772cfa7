"""A conversion that can fail on a value is known from its syntax and the types of the columns."""

from __future__ import annotations

import pytest
import sqlglot

from include.conversions import conversions

TYPES = {"number": "INT64", "amount": "NUMERIC", "text": "STRING", "raw": "BYTES", "day": "DATE", "at": "DATETIME"}


def _can_fail(sql: str) -> bool:
    (projection,) = sqlglot.parse_one(f"SELECT {sql} AS x", read="bigquery").expressions
    return any(conversion.can_fail(TYPES) for conversion in conversions(projection.this))


@pytest.mark.parametrize(
    "sql",
    [
        "CAST(text AS NUMERIC)",
        "NULLIF(CAST(text AS DATE), DATE '1753-01-01')",
        "CAST(TRIM(text) AS INT64)",
        "CAST(CAST(number AS STRING) AS INT64)",
        "CAST(number AS STRING(3))",
        "CAST(amount AS NUMERIC(5, 2))",
        "CAST(amount AS INT64)",
        "CAST(raw AS STRING)",
        "CAST(nobody AS STRING)",
        "PARSE_DATE('%d/%m/%Y', text)",
        "PARSE_TIMESTAMP('%d/%m/%Y', text)",
        "PARSE_DATETIME('%d/%m/%Y', text)",
        "PARSE_TIME('%H', text)",
        "PARSE_NUMERIC(text)",
        "PARSE_BIGNUMERIC(text)",
        "PARSE_JSON(text)",
        "DATE(text)",
        "TIMESTAMP(text, 'Europe/London')",
        "DATETIME(text)",
        "COALESCE(SAFE_CAST(text AS INT64), CAST(text AS INT64))",
    ],
)
def test_what_fails_on_some_value_can_fail(sql: str) -> None:
    assert _can_fail(sql)


@pytest.mark.parametrize(
    "sql",
    [
        *("CAST(number AS STRING)", "CAST(day AS STRING)", "CAST(amount AS STRING)", "CAST(number AS NUMERIC)"),
        *("CAST(number AS INT64)", "CAST(at AS DATE)", "CAST(day AS TIMESTAMP)", "CAST(text AS BYTES)"),
        *("CAST(CAST(number AS NUMERIC) AS STRING)", "CAST(SAFE_CAST(text AS INT64) AS STRING)"),
        *("CAST(NULL AS DATE)", "NULLIF(day, DATE '1753-01-01')", "CAST('2' AS INT64)"),
        *("SAFE_CAST(text AS NUMERIC)", "SAFE.PARSE_DATE('%d/%m/%Y', text)", "SAFE.TIMESTAMP(text, 'Europe/London')"),
        *("DATE(at)", "TIMESTAMP(at, 'Europe/London')", "DATE(number, 1, 1)", "UPPER(text)"),
    ],
)
def test_what_fails_on_no_value_or_gives_null_cannot(sql: str) -> None:
    assert not _can_fail(sql)
