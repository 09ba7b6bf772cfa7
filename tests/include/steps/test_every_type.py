"""Every type that SQL Server and its stand-in share, at its extremes: from a literal of T-SQL to a value of BigQuery.

The way is that of a run: catalog, comparison, T-SQL, Microsoft's driver, Arrow, Parquet in the bucket, load, query.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal as D
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.clients.sql_server import Session, connect
from include.connections import EnvironmentConnections
from include.contract import DatasetContract
from include.extract import capture, drift
from include.extract.catalog import read_catalog
from include.local.platform import Platform
from include.names import DatasetName
from include.stage.parquet import PartWriter
from tests.conftest import World, bare_world

NAME = DatasetName("sse", "every_type")
UTC = dt.UTC
DIGITS = "9" * 38
NULL = ("NULL", None)
A_REAL = 0.10000000149011612
"""0.1 in 32 bits."""


@dataclass(frozen=True)
class Kind:
    """A column, the BigQuery type that its contract claims, and what is written and read: smallest, largest, finest."""

    declared: str
    type: str
    smallest: tuple[str, Any]
    largest: tuple[str, Any]
    finest: tuple[str, Any]
    offset: tuple[int, int, int] | None = None

    @property
    def rows(self) -> list[tuple[str, Any]]:
        return [self.smallest, self.largest, self.finest, NULL]


def _same(text: str) -> tuple[str, str]:
    return f"'{text}'", text


def _moment(text: str) -> tuple[str, dt.datetime]:
    return f"'{text}'", dt.datetime.fromisoformat(text)


def _time(text: str) -> tuple[str, dt.time]:
    return f"'{text}'", dt.time.fromisoformat(text)


def _utc(text: str) -> tuple[str, dt.datetime]:
    return f"'{text}'", dt.datetime.fromisoformat(text).astimezone(UTC)


def _decimal(text: str) -> tuple[str, D]:
    return text, D(text)


KINDS = [
    Kind("tinyint", "INT64", ("0", 0), ("255", 255), ("1", 1)),
    Kind("smallint", "INT64", ("-32768", -32768), ("32767", 32767), ("-1", -1)),
    Kind("int", "INT64", ("-2147483648", -(2**31)), ("2147483647", 2**31 - 1), ("-1", -1)),
    Kind("bigint", "INT64", (str(-(2**63)), -(2**63)), (str(2**63 - 1), 2**63 - 1), (str(2**53 + 1), 2**53 + 1)),
    Kind("bit", "BOOL", ("0", False), ("1", True), ("1", True)),
    Kind("decimal(18,4)", "NUMERIC", *map(_decimal, ("-99999999999999.9999", "99999999999999.9999", "0.0001"))),
    Kind(
        "numeric(38,9)",
        "NUMERIC",
        *map(_decimal, (f"-{DIGITS[9:]}.999999999", f"{DIGITS[9:]}.999999999", "1E-9"[:0] + "0.000000001")),
    ),
    Kind("money", "NUMERIC", *map(_decimal, ("-922337203685477.5808", "922337203685477.5807", "0.0001"))),
    Kind("smallmoney", "NUMERIC", *map(_decimal, ("-214748.3648", "214748.3647", "0.0001"))),
    Kind("decimal(38,0)", "BIGNUMERIC", *map(_decimal, (f"-{DIGITS}", DIGITS, "1"))),
    Kind(
        "decimal(38,10)",
        "BIGNUMERIC",
        *map(_decimal, (f"-{DIGITS[10:]}.9999999999", f"{DIGITS[10:]}.9999999999", "0.0000000001")),
    ),
    Kind("decimal(38,38)", "BIGNUMERIC", *map(_decimal, (f"-0.{DIGITS}", f"0.{DIGITS}", "0." + "0" * 37 + "1"))),
    Kind(
        "float",
        "FLOAT64",
        ("-1.7976931348623157E308", -1.7976931348623157e308),
        ("1.7976931348623157E308", 1.7976931348623157e308),
        ("2.2250738585072014E-308", 2.2250738585072014e-308),
    ),
    Kind(
        "real",
        "FLOAT64",
        ("-3.4028234663852886E38", -3.4028234663852886e38),
        ("1.1754943508222875E-38", 1.1754943508222875e-38),
        ("0.1E0", A_REAL),
    ),
    Kind(
        "date",
        "DATE",
        ("'0001-01-01'", dt.date.min),
        ("'9999-12-31'", dt.date.max),
        ("'2024-02-29'", dt.date(2024, 2, 29)),
    ),
    Kind("time(0)", "TIME", *map(_time, ("00:00:00", "23:59:59", "00:00:01"))),
    Kind("time(3)", "TIME", *map(_time, ("00:00:00", "23:59:59.999", "00:00:00.001"))),
    Kind("time(6)", "TIME", *map(_time, ("00:00:00", "23:59:59.999999", "00:00:00.000001"))),
    Kind("time(7)", "STRING", *map(_same, ("00:00:00.0000000", "23:59:59.9999999", "00:00:00.0000001"))),
    Kind(
        "datetime",
        "DATETIME",
        *map(_moment, ("1753-01-01T00:00:00", "9999-12-31T23:59:59.997", "2024-02-29T00:00:00.003")),
    ),
    Kind(
        "smalldatetime",
        "DATETIME",
        *map(_moment, ("1900-01-01T00:00:00", "2079-06-06T23:59:00", "2024-02-29T00:01:00")),
    ),
    Kind(
        "datetime2(0)", "DATETIME", *map(_moment, ("0001-01-01T00:00:00", "9999-12-31T23:59:59", "2024-02-29T00:00:01"))
    ),
    Kind(
        "datetime2(3)",
        "DATETIME",
        *map(_moment, ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999", "2024-02-29T00:00:00.001")),
    ),
    Kind(
        "datetime2(6)",
        "DATETIME",
        *map(_moment, ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "2024-02-29T00:00:00.000001")),
    ),
    Kind(
        "datetime2(7)",
        "STRING",
        *map(_same, ("0001-01-01 00:00:00.0000000", "9999-12-31 23:59:59.9999999", "2024-02-29 00:00:00.0000001")),
    ),
    Kind(
        "datetimeoffset(0)",
        "TIMESTAMP",
        *map(_utc, ("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2024-02-29T00:00:01-14:00")),
        (0, 0, -840),
    ),
    Kind(
        "datetimeoffset(6)",
        "TIMESTAMP",
        *map(
            _utc, ("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2024-02-29T00:00:00.000001+05:45")
        ),
        (0, 0, 345),
    ),
    Kind(
        "datetimeoffset(3)",
        "STRING",
        *map(
            _same,
            ("0001-01-01 00:00:00.000 +00:00", "9999-12-31 23:59:59.999 +00:00", "2024-02-29 00:00:00.001 +14:00"),
        ),
    ),
    Kind(
        "datetimeoffset(7)",
        "STRING",
        *map(
            _same,
            (
                "0001-01-01 00:00:00.0000000 +00:00",
                "9999-12-31 23:59:59.9999999 +00:00",
                "2024-02-29 00:00:00.0000001 -00:30",
            ),
        ),
    ),
    Kind("char(5)", "STRING", ("''", "     "), ("'Š€é'", "Š€é  "), ("'a '", "a    ")),
    Kind("varchar(50)", "STRING", ("''", ""), ("'Š€ÿ\u00a0'", "Š€ÿ\u00a0"), ("' a '", " a ")),
    Kind(
        "varchar(max)",
        "STRING",
        ("''", ""),
        ("REPLICATE(CAST('é' AS varchar(max)), 9000)", "é" * 9000),
        ("' a '", " a "),
    ),
    Kind("nchar(5)", "STRING", ("N''", "     "), ("N'漢😀'", "漢😀  "), ("N'a '", "a    ")),
    Kind(
        "nvarchar(50)",
        "STRING",
        ("N''", ""),
        ("N'żółć 漢字 😀𝒳 e\u0301'", "żółć 漢字 😀𝒳 e\u0301"),
        ("N'\ufffd\ue000\uffff'", "\ufffd\ue000\uffff"),
    ),
    Kind(
        "nvarchar(max)",
        "STRING",
        ("N''", ""),
        ("REPLICATE(CAST(N'漢' AS nvarchar(max)), 9000)", "漢" * 9000),
        ("N' \n\t\ufeff'", " \n\t\ufeff"),
    ),
    Kind("binary(4)", "BYTES", ("0x", bytes(4)), ("0xFFFFFFFF", b"\xff" * 4), ("0x01", b"\x01\0\0\0")),
    Kind("varbinary(9)", "BYTES", ("0x", b""), ("0xFF00FF00FF00FF00FF", b"\xff\0" * 4 + b"\xff"), ("0x00", b"\0")),
    Kind("varbinary(max)", "BYTES", ("0x", b""), ("0xEFBFBD", b"\xef\xbf\xbd"), ("0x00", b"\0")),
    Kind(
        "uniqueidentifier",
        "STRING",
        *map(
            _same,
            (
                "00000000-0000-0000-0000-000000000000",
                "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ),
        ),
    ),
    Kind("xml", "STRING", *map(_same, ("<a/>", '<a b="1">é<c/></a>', "<a>&lt;</a>"))),
]
COLUMNS = {f"c{number}": kind for number, kind in enumerate(KINDS)}
OFFSETS = {f"{name}_offset_minutes": (name, kind.offset) for name, kind in COLUMNS.items() if kind.offset}
CONTRACT = DatasetContract.model_validate(
    {
        "describes": "x",
        "owner": "x",
        "table": "every_type.dbo.every_type",
        "key": ["id"],
        "capture": {"method": "snapshot"},
        "deletes": "captured",
        "zone": "Europe/London",
        "columns": {
            "id": {"type": "INT64", "required": True},
            **{name: {"type": kind.type} for name, kind in COLUMNS.items()},
            **{name: {"type": "INT64", "offset_of": of} for name, (of, _) in OFFSETS.items()},
            "rv": {"type": "BYTES", "required": True},
        },
    }
)


@pytest.fixture(scope="module")
def session(platform: Platform) -> Iterator[Session]:
    settings = EnvironmentConnections(platform.environment()).sql_server("sse")
    with connect(settings, "master") as session:
        session.execute("CREATE DATABASE every_type")
        session.execute("ALTER DATABASE every_type SET ALLOW_SNAPSHOT_ISOLATION ON")
    with connect(settings, "every_type") as session:
        columns = ", ".join(f"{name} {kind.declared} NULL" for name, kind in COLUMNS.items())
        session.execute(f"CREATE TABLE dbo.every_type (id int NOT NULL PRIMARY KEY, {columns}, rv rowversion)")
        for row in range(4):
            values = ", ".join(kind.rows[row][0] for kind in KINDS)
            session.execute(f"INSERT INTO dbo.every_type (id, {', '.join(COLUMNS)}) VALUES ({row}, {values})")
        yield session


@pytest.fixture(scope="module")
def world(platform: Platform) -> World:
    return bare_world(platform, "types")


@pytest.fixture(scope="module")
def arrived(session: Session, world: World) -> list[dict[str, Any]]:
    """The rows as BigQuery has them, by id; BIGNUMERIC as the part has it, as the local server cannot load it."""
    columns, servers = list(CONTRACT.columns), world.servers
    catalog = read_catalog(session, CONTRACT.table)
    assert drift.compare(NAME, CONTRACT, catalog, columns) == []
    bounds = capture.bounds(session, CONTRACT, "full", None, "here")
    writer = PartWriter(servers.bucket, NAME, 1, "try")
    converted = drift.conversions(CONTRACT, catalog, columns)
    sink = capture.Sink(writer.write, lambda text: None)
    reading = capture.read(session, CONTRACT, columns, bounds, sink, "here", converted)
    part = io.BytesIO(servers.bucket.read(reading.parts[0].path) or b"")
    held = pq.read_table(part).sort_by("id").to_pylist()
    servers.big_query.create_dataset(f"{world.name}_types")
    table = f"{servers.cloud.project}.{world.name}_types.every_type"
    types = {name: kind for name in columns if (kind := CONTRACT.column_type(name)) != "BIGNUMERIC"}
    uris = [servers.bucket.uri(part.path) for part in reading.parts]
    assert servers.big_query.load(table, uris, types, job_id="every_type") == 4
    rows = servers.big_query.query(f"SELECT * FROM `{table}` ORDER BY id")
    return [in_part | row for in_part, row in zip(held, rows, strict=True)]


@pytest.mark.parametrize("name", COLUMNS, ids=lambda name: COLUMNS[name].declared)
def test_a_value_is_the_same_in_bigquery(arrived: list[dict[str, Any]], name: str) -> None:
    wanted = [value for _, value in COLUMNS[name].rows]
    found = [row[name] for row in arrived]
    assert found == wanted
    assert [type(value) for value in found] == [type(value) for value in wanted]


@pytest.mark.parametrize("name", OFFSETS)
def test_an_offset_has_its_own_column(arrived: list[dict[str, Any]], name: str) -> None:
    assert [row[name] for row in arrived] == [*(OFFSETS[name][1] or ()), None]


def test_a_rowversion_arrives_in_its_order(arrived: list[dict[str, Any]]) -> None:
    versions = [row["rv"] for row in arrived]
    assert versions == sorted(versions)
    assert {len(version) for version in versions} == {8}
