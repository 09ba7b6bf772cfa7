"""A type is carried exactly or refused."""

from __future__ import annotations

import pytest
import sqlglot

from include.extract.types import SourceColumn, conversion, exact_types, why_refused


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
        (SourceColumn("x", "datetime2", fraction=7), ["STRING"]),
        (SourceColumn("x", "time", fraction=6), ["TIME"]),
        (SourceColumn("x", "time", fraction=7), ["STRING"]),
        (SourceColumn("x", "datetimeoffset", fraction=6), ["TIMESTAMP", "STRING"]),
        (SourceColumn("x", "datetimeoffset", fraction=7), ["STRING"]),
        (SourceColumn("x", "hierarchyid"), ["STRING", "BYTES"]),
        (SourceColumn("x", "geography"), ["BYTES"]),
        (SourceColumn("x", "sql_variant"), []),
        (SourceColumn("x", "vector"), []),
        (SourceColumn("x", "a type of somebody's own"), []),
        (SourceColumn("x", "int", trait="masked"), []),
        (SourceColumn("x", "int", trait="encrypted"), []),
        (SourceColumn("x", "int", trait="volatile"), ["INT64"]),
        (SourceColumn("x", "timestamp"), ["BYTES"]),
    ],
)
def test_the_bigquery_types_that_hold_every_value(column: SourceColumn, types: list[str]) -> None:
    assert exact_types(column) == types
    if not types:
        assert why_refused(column)


@pytest.mark.parametrize(
    ("column", "declared", "sql"),
    [
        (SourceColumn("x", "int"), "INT64", "[x]"),
        (SourceColumn("x", "nvarchar", length=-1), "STRING", "[x]"),
        (SourceColumn("x", "char", length=10), "STRING", "CAST([x] AS nvarchar(10))"),
        (SourceColumn("x", "varchar", length=4000), "STRING", "CAST([x] AS nvarchar(4000))"),
        (SourceColumn("x", "varchar", length=4001), "STRING", "CAST([x] AS nvarchar(max))"),
        (SourceColumn("x", "varchar", length=-1), "STRING", "CAST([x] AS nvarchar(max))"),
        (SourceColumn("x", "text", length=2147483647), "STRING", "CAST([x] AS nvarchar(max))"),
        (SourceColumn("x", "image", length=2147483647), "BYTES", "CAST([x] AS varbinary(max))"),
        (SourceColumn("x", "xml", length=-1), "STRING", "CAST([x] AS nvarchar(max))"),
        (SourceColumn("x", "json", length=-1), "STRING", "CAST([x] AS nvarchar(max))"),
        (SourceColumn("x", "geometry", length=-1), "BYTES", "CAST([x] AS varbinary(max))"),
        (SourceColumn("x", "hierarchyid", length=892), "STRING", "CAST([x] AS nvarchar(4000))"),
        (SourceColumn("x", "hierarchyid", length=892), "BYTES", "CAST([x] AS varbinary(892))"),
        (SourceColumn("x", "datetime2", fraction=7), "STRING", "CONVERT(varchar(27), [x], 121)"),
        (SourceColumn("x", "time", fraction=7), "STRING", "CONVERT(varchar(16), [x], 121)"),
        (SourceColumn("x", "datetimeoffset", fraction=3), "TIMESTAMP", "[x]"),
        (SourceColumn("x", "datetimeoffset", fraction=3), "STRING", "CONVERT(varchar(34), [x], 121)"),
    ],
)
def test_the_source_converts_what_the_driver_or_bigquery_would_not_keep(
    column: SourceColumn, declared: str, sql: str
) -> None:
    assert conversion(column, declared, "[x]") == sql
    assert sqlglot.parse_one(f"SELECT {sql} AS [x] FROM [a].[b].[c]", read="tsql")
