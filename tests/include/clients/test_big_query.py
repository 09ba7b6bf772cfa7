"""What BigQuery says no to: which error it is, and what a person can do."""

from __future__ import annotations

import pytest
from google.api_core import exceptions as google_errors

from include.clients.big_query import BigQuery, translated
from include.errors import (
    DataPlatformError,
    ForbiddenError,
    IntegrityError,
    NotDeployed,
    OverCeiling,
    Refused,
    TransactionConflict,
    Unavailable,
)
from include.local.platform import Platform
from tests.conftest import bare_world


def _reason(kind: type[google_errors.GoogleAPICallError], reason: str) -> google_errors.GoogleAPICallError:
    return kind("said for Mrs Secret", errors=[{"reason": reason}])


@pytest.mark.parametrize(
    ("said", "ours", "remedy"),
    [
        (google_errors.NotFound("Not found: URI gs://b/sse/customer/parts/1.parquet"), IntegrityError, "soft delete"),
        (google_errors.NotFound("Not found: Table p:staging.sse_customer__17"), Unavailable, "loaded again"),
        (google_errors.NotFound("Not found: Table p:x_staging.sse_customer__17_keys"), Unavailable, "loaded again"),
        (google_errors.NotFound("Not found: Table p:ledger.customer"), NotDeployed, "tables apply"),
        (google_errors.NotFound("Not found: Table p:platform_landing.customer"), NotDeployed, "ask the platform team"),
        (google_errors.PermissionDenied("bigquery.readsessions.create"), ForbiddenError, "grants big_query"),
        (google_errors.ServiceUnavailable("try later"), Unavailable, "tried again"),
        (_reason(google_errors.Forbidden, "rateLimitExceeded"), Unavailable, "quotas"),
        (_reason(google_errors.Forbidden, "accessDenied"), ForbiddenError, "grants big_query"),
        (_reason(google_errors.BadRequest, "invalidQuery"), Refused, "job history"),
        (
            google_errors.InternalServerError("Query exceeded limit for bytes billed: 1. 2 or"),
            OverCeiling,
            "maximum_bytes",
        ),
        (
            google_errors.BadRequest("Transaction is aborted due to concurrent update against table"),
            TransactionConflict,
            "tried again",
        ),
    ],
)
def test_an_error_says_what_helps_and_no_value(said: Exception, ours: type[DataPlatformError], remedy: str) -> None:
    with pytest.raises(DataPlatformError) as caught, translated("somewhere"):
        raise said
    assert type(caught.value) is ours
    assert remedy in caught.value.remedy
    assert "Secret" not in str(caught.value)


@pytest.fixture(scope="module")
def big_query(platform: Platform) -> BigQuery:
    found = bare_world(platform, "client").servers.big_query
    found.create_dataset("client")
    return found


def test_types_are_told_as_sql_writes_them(big_query: BigQuery) -> None:
    table = f"{big_query.settings.project}.client.types"
    columns = "a INT64, b FLOAT64, c BOOL, d STRING, e NUMERIC, f TIMESTAMP, g ARRAY<STRING>, h STRUCT<x INT64>"
    big_query.query(f"CREATE OR REPLACE TABLE `{table}` ({columns})")
    facts = big_query.facts(table)
    assert facts is not None
    assert facts.columns == {
        "a": "INT64",
        "b": "FLOAT64",
        "c": "BOOL",
        "d": "STRING",
        "e": "NUMERIC",
        "f": "TIMESTAMP",
        "g": "ARRAY",
        "h": "STRUCT",
    }
