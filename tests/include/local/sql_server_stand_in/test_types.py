"""Every type at the edges of what it holds: written as literals and as parameters, read row by row and as Arrow."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking


@dataclass(frozen=True)
class Kind:
    """A column's type; what is written and what must be read, at both ends."""

    name: str
    declared: str
    high: tuple[str, Any]
    low: tuple[str, Any]
    arrow: str = ""


KINDS = (
    Kind("c_int", "int", ("2147483647", 2147483647), ("-2147483648", -2147483648)),
    Kind("c_bigint", "bigint", ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63))),
    Kind("c_smallint", "smallint", ("-32768", -32768), ("32767", 32767)),
    Kind("c_tinyint", "tinyint", ("255", 255), ("0", 0), "uint8"),
    Kind(
        *("c_dec", "decimal(18,4)", ("99999999999999.9999", Decimal("99999999999999.9999"))),
        *(("-0.0001", Decimal("-0.0001")), "decimal128(18, 4)"),
    ),
    Kind(
        *("c_dec38", "decimal(38,10)"),
        ("1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
        *(("-0.0000000001", Decimal("-0.0000000001")), "decimal128(38, 10)"),
    ),
    Kind("c_num", "numeric(9,2)", ("-1234567.89", Decimal("-1234567.89")), ("0", Decimal("0.00"))),
    Kind(
        *("c_money", "money", ("922337203685477.5807", Decimal("922337203685477.5807"))),
        *(("-922337203685477.5808", Decimal("-922337203685477.5808")), "decimal128(19, 4)"),
    ),
    Kind(
        "c_smallmoney", "smallmoney", ("214748.3647", Decimal("214748.3647")), ("-214748.3648", Decimal("-214748.3648"))
    ),
    Kind("c_bit", "bit", ("1", True), ("0", False), "bool"),
    Kind("c_float", "float", ("3.141592653589793", 3.141592653589793), ("-1e308", -1e308)),
    Kind("c_real", "real", ("1.5", 1.5), ("-1.5", -1.5), "float|double"),
    Kind("c_date", "date", ("'2024-02-29'", dt.date(2024, 2, 29)), ("'00010101'", dt.date(1, 1, 1))),
    Kind("c_time", "time(7)", ("'23:59:59.1234567'", dt.time(23, 59, 59, 123456)), ("'00:00:00'", dt.time(0))),
    Kind("c_time3", "time(3)", ("'23:59:59.1234'", dt.time(23, 59, 59, 123000)), ("'00:00:00'", dt.time(0))),
    Kind(
        *("c_datetime", "datetime", ("'2024-02-29T12:34:56.998'", dt.datetime(2024, 2, 29, 12, 34, 56, 997000))),
        ("'1753-01-01'", dt.datetime(1753, 1, 1)),
    ),
    Kind(
        *("c_smalldatetime", "smalldatetime", ("'2024-02-29T12:34:31'", dt.datetime(2024, 2, 29, 12, 35))),
        ("'1900-01-01'", dt.datetime(1900, 1, 1)),
    ),
    Kind(
        *("c_datetime2", "datetime2(7)"),
        ("'2024-02-29T12:34:56.1234567'", dt.datetime(2024, 2, 29, 12, 34, 56, 123456)),
        *(("'0001-01-01'", dt.datetime(1, 1, 1)), "timestamp[us]"),
    ),
    Kind(
        *("c_datetime2_3", "datetime2(3)"),
        ("'2024-02-29T12:34:56.1234567'", dt.datetime(2024, 2, 29, 12, 34, 56, 123000)),
        ("'9999-12-31T23:59:59.999'", dt.datetime(9999, 12, 31, 23, 59, 59, 999000)),
    ),
    Kind(
        *("c_dto", "datetimeoffset(7)"),
        (
            "'2024-02-29T12:34:56.1234567+05:30'",
            dt.datetime(2024, 2, 29, 12, 34, 56, 123456, dt.timezone(dt.timedelta(minutes=330))),
        ),
        *(("'0001-01-01T00:00:00+00:00'", dt.datetime(1, 1, 1, tzinfo=dt.UTC)), "timestamp[us, tz=+00:00]"),
    ),
    Kind("c_char", "char(10)", ("'abc'", "abc       "), ("''", " " * 10)),
    Kind("c_varchar", "varchar(100)", ("'café'", "café"), ("''", "")),
    Kind("c_varcharmax", "varchar(max)", ("'long varchar'", "long varchar"), ("''", "")),
    Kind("c_nchar", "nchar(10)", ("N'nch'", "nch       "), ("N''", " " * 10)),
    Kind("c_nvarchar", "nvarchar(100)", ("N'żółć 漢字 😀𝒳 end'", "żółć 漢字 😀𝒳 end"), ("N''", "")),
    Kind("c_nvarcharmax", "nvarchar(max)", ("N'max 😀'", "max 😀"), ("N''", "")),
    Kind("c_binary", "binary(8)", ("0x0102030405060708", bytes(range(1, 9))), ("0x00", bytes(8))),
    Kind("c_varbinary", "varbinary(100)", ("0xDEADBEEF", bytes.fromhex("DEADBEEF")), ("0x", b"")),
    Kind("c_varbinarymax", "varbinary(max)", ("0x00FF00FF", bytes.fromhex("00FF00FF")), ("0x", b"")),
    Kind(
        *("c_uuid", "uniqueidentifier"),
        ("'6F9619FF-8B86-D011-B42D-00C04FC964FF'", uuid.UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF")),
        *(("'00000000-0000-0000-0000-000000000000'", uuid.UUID(int=0)), "string|large_string"),
    ),
    Kind("c_xml", "xml", ("'<a b=\"1\">x</a>'", '<a b="1">x</a>'), ("'<r/>'", "<r/>"), "string|large_string"),
)
COLUMNS = ", ".join(f"{kind.name} {kind.declared} NULL" for kind in KINDS)
NAMES = ", ".join(kind.name for kind in KINDS)
HIGH, LOW, EMPTY = 1, 2, 3


def _made(connect: Any, server: Any, database: str, table: str) -> Asking:
    client = Asking(connect(server, database))
    client.run(f"CREATE TABLE dbo.{table} (id int NOT NULL PRIMARY KEY, {COLUMNS}, c_rv rowversion)")
    return client


@pytest.fixture(scope="module", autouse=True)
def _all_types(server: Any, connect: Any, database: str) -> None:
    client = _made(connect, server, database, "alltypes")
    for row, values in ((HIGH, [kind.high[0] for kind in KINDS]), (LOW, [kind.low[0] for kind in KINDS])):
        client.run(f"INSERT INTO dbo.alltypes (id, {NAMES}) VALUES ({row}, {', '.join(values)})")
    client.run(f"INSERT INTO dbo.alltypes (id) VALUES ({EMPTY})")
    client.connection.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.declared)
def test_a_literal_is_read_as_it_was_written(client: Asking, kind: Kind) -> None:
    values = client.column(f"SELECT {kind.name} FROM dbo.alltypes ORDER BY id")
    assert values == [kind.high[1], kind.low[1], None]
    assert [type(value) for value in values[:2]] == [type(kind.high[1]), type(kind.low[1])]


def test_many_rows_of_literals_are_read_as_few_are(client: Asking, server: Any, connect: Any, database: str) -> None:
    """They take another way in: as columns of Arrow."""
    many = _made(connect, server, database, "manyrows")
    kinds = [kind for kind in KINDS if not kind.high[0].startswith("0x") and kind.name != "c_dto"]
    names = ", ".join(kind.name for kind in kinds)
    high, low = (", ".join(values) for values in zip(*((kind.high[0], kind.low[0]) for kind in kinds), strict=True))
    nothing = ", ".join("NULL" for _ in kinds)
    rows = (f"({row}, {(high, low, nothing)[row % 3]})" for row in range(30))
    many.run(f"INSERT INTO dbo.manyrows (id, {names}) VALUES {', '.join(rows)}")
    expected = client.rows(f"SELECT {names} FROM dbo.alltypes ORDER BY id")
    for row in range(30):
        assert many.rows(f"SELECT {names} FROM dbo.manyrows WHERE id = {row}") == [expected[row % 3]]
    many.connection.close()


def test_arrow_has_the_types_and_values_of_the_columns(client: Asking) -> None:
    client.run("SELECT * FROM dbo.alltypes ORDER BY id")
    table = client.cursor.arrow()
    assert str(table.schema.field("c_rv").type) in ("binary", "large_binary")
    for kind in KINDS:
        column = table.column(kind.name)
        assert not kind.arrow or str(column.type) in kind.arrow.split("|"), kind.name
        if str(column.type) == "time64[ns]":
            column = column.cast("time64[us]", safe=False)
        wanted = [kind.high[1], kind.low[1], None]
        assert column.to_pylist() == [str(v).upper() if isinstance(v, uuid.UUID) else v for v in wanted], kind.name


def test_a_parameter_is_read_as_it_was_given(connect: Any, server: Any, database: str) -> None:
    client = _made(connect, server, database, "byparameter")
    rows = {HIGH: [kind.high[1] for kind in KINDS], LOW: [_sendable(kind.low[1]) for kind in KINDS]}
    rows[EMPTY] = [None] * len(KINDS)
    for key, row in rows.items():
        marks = ", ".join("?" * (len(row) + 1))
        client.run(f"INSERT INTO dbo.byparameter (id, {NAMES}) VALUES ({marks})", key, *row)
    assert client.rows(f"SELECT {NAMES} FROM dbo.byparameter ORDER BY id") == [tuple(row) for row in rows.values()]
    client.connection.close()


def _sendable(value: Any) -> Any:
    """The driver refuses dates before 1753 as parameters."""
    return value.replace(year=1753) if isinstance(value, dt.date) and value.year < 1753 else value


def test_executemany_writes_every_row(client: Asking) -> None:
    client.run("CREATE TABLE dbo.many (id int PRIMARY KEY, n nvarchar(50), d decimal(18,4), t datetime2(7))")
    rows = [(i, f"név {i}", Decimal(i) / 4, dt.datetime(2024, 1, 1, 0, 0, i % 60, i)) for i in range(100)]
    client.cursor.executemany("INSERT INTO dbo.many VALUES (?,?,?,?)", rows)
    assert client.rows("SELECT id, n, d, t FROM dbo.many ORDER BY id") == rows


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("CONVERT(varchar(33), c_datetime2, 126)", "2024-02-29T12:34:56.1234567"),
        ("CONVERT(varchar(40), c_dto, 126)", "2024-02-29T12:34:56.1234567+05:30"),
        ("CONVERT(varchar(40), c_dto, 127)", "2024-02-29T07:04:56.1234567Z"),
        ("CONVERT(varchar(33), c_datetime, 121)", "2024-02-29 12:34:56.997"),
        ("CONVERT(varchar(33), c_smalldatetime, 126)", "2024-02-29T12:35:00"),
        ("CONVERT(char(8), c_date, 112)", "20240229"),
        ("CAST(c_time AS varchar(20))", "23:59:59.1234567"),
        ("CONVERT(varchar(30), c_money, 2)", "922337203685477.5807"),
        ("CONVERT(varchar(20), c_binary, 1)", "0x0102030405060708"),
    ],
)
def test_a_value_is_spelt_with_all_its_digits(client: Asking, expression: str, text: str) -> None:
    assert client.one(f"SELECT {expression} FROM dbo.alltypes WHERE id = {HIGH}") == text


@pytest.mark.parametrize(("moment", "later"), [("56.1234567", 0), ("56.1234566", 1)])
def test_a_watermark_is_compared_to_100_nanoseconds(client: Asking, moment: str, later: int) -> None:
    count, text = "SELECT COUNT(*) FROM dbo.alltypes WHERE id = 1 AND c_datetime2 >", f"2024-02-29T12:34:{moment}"
    assert client.one(f"{count} CAST(? AS datetime2(7))", text) == later
    assert client.one(f"{count} '{text}'") == later


def test_moments_are_the_same_in_any_offset(client: Asking) -> None:
    same = "SELECT COUNT(*) FROM dbo.alltypes WHERE c_dto = '2024-02-29T07:04:56.1234567+00:00'"
    assert client.one(same) == 1


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("CAST('0001-01-01' AS datetime2(3))", dt.datetime(1, 1, 1)),
        ("CAST('23:59:59.9999999' AS time(0))", dt.time(0)),
        ("CAST('23:59:59.123456' AS time(6))", dt.time(23, 59, 59, 123456)),
        ("CAST('9999-12-31T23:59:59.997' AS datetime)", dt.datetime(9999, 12, 31, 23, 59, 59, 997000)),
        ("CAST(N'𝒳' AS nchar(3))", "𝒳 "),  # two units of three
        ("0." + "9" * 38, Decimal("0." + "9" * 38)),
        ("REPLACE(N'aAa' COLLATE Latin1_General_BIN2, N'a', N'')", "A"),
        ("DATALENGTH(NCHAR(65533))", 2),
    ],
)
def test_a_constant_is_what_a_column_would_be(client: Asking, sql: str, value: Any) -> None:
    client.run(f"SELECT {sql} AS a, {sql} AS b")
    assert client.cursor.arrow().to_pylist() == [{"a": value, "b": value}]
