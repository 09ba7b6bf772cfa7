"""A type is carried exactly or refused."""

from __future__ import annotations

import pytest

from include.extract.types import SourceColumn, exact_types, why_refused


@pytest.mark.parametrize(
    ("column", "types"),
    [
        (SourceColumn("x", "int"), ["INT64"]),
        (SourceColumn("x", "tinyint"), ["INT64"]),
        (SourceColumn("x", "bit"), ["BOOL"]),
        (SourceColumn("x", "nvarchar"), ["STRING"]),
        (SourceColumn("x", "uniqueidentifier"), ["STRING"]),
        (SourceColumn("x", "money"), ["NUMERIC", "BIGNUMERIC"]),
        (SourceColumn("x", "decimal", 38, 9), ["NUMERIC", "BIGNUMERIC"]),
        (SourceColumn("x", "decimal", 18, 10), ["BIGNUMERIC"]),
        (SourceColumn("x", "decimal", 38, 0), ["BIGNUMERIC"]),
        (SourceColumn("x", "decimal", 29, 0), ["NUMERIC", "BIGNUMERIC"]),
        (SourceColumn("x", "datetime"), ["DATETIME"]),
        (SourceColumn("x", "datetime2", fraction=6), ["DATETIME"]),
        (SourceColumn("x", "datetime2", fraction=7), []),
        (SourceColumn("x", "time", fraction=7), []),
        (SourceColumn("x", "datetimeoffset", fraction=3), []),
        (SourceColumn("x", "xml"), []),
        (SourceColumn("x", "sql_variant"), []),
        (SourceColumn("x", "timestamp"), ["BYTES"]),
    ],
)
def test_the_bigquery_types_that_hold_every_value(column: SourceColumn, types: list[str]) -> None:
    assert exact_types(column) == types
    if not types:
        assert why_refused(column)
