"""Every type, edge values: written as literals and as parameters, read row by row and as Arrow."""
import datetime as dt, decimal, uuid
import pytest
import mssql_python
D = decimal.Decimal

COLS = """id int NOT NULL PRIMARY KEY, c_int int NULL, c_bigint bigint NULL, c_smallint smallint NULL, c_tinyint tinyint NULL, c_dec decimal(18,4) NULL, c_dec38 decimal(38,10) NULL, c_num numeric(9,2) NULL, c_money money NULL, c_smallmoney smallmoney NULL,
  c_bit bit NULL, c_float float NULL, c_real real NULL, c_date date NULL, c_time time(7) NULL, c_time3 time(3) NULL, c_datetime datetime NULL, c_smalldatetime smalldatetime NULL, c_datetime2 datetime2(7) NULL, c_datetime2_3 datetime2(3) NULL, c_dto datetimeoffset(7) NULL,
  c_char char(10) NULL, c_varchar varchar(100) NULL, c_varcharmax varchar(max) NULL, c_nchar nchar(10) NULL, c_nvarchar nvarchar(100) NULL, c_nvarcharmax nvarchar(max) NULL, c_binary binary(8) NULL, c_varbinary varbinary(100) NULL, c_varbinarymax varbinary(max) NULL, c_uuid uniqueidentifier NULL, c_xml xml NULL, c_rv rowversion"""
NAMES = [c.split()[0] for c in COLS.replace("\n", " ").replace("(18,4)", "").replace("(38,10)", "").replace("(9,2)", "").split(",")][:-1]
LIT = {1: "1, 2147483647, 9223372036854775807, -32768, 255, 99999999999999.9999, 1234567890123456789012345678.0123456789, -1234567.89, 922337203685477.5807, 214748.3647, 1, 3.141592653589793, 1.5, '2024-02-29','23:59:59.1234567','23:59:59.123','2024-02-29T12:34:56.998','2024-02-29T12:34:31','2024-02-29T12:34:56.1234567','2024-02-29T12:34:56.1234567','2024-02-29T12:34:56.1234567+05:30', 'abc','caf'+char(233),'long varchar',N'nch',N'żółć 漢字 😀𝒳 end',N'max 😀',0x0102030405060708,0xDEADBEEF,0x00FF00FF,'6F9619FF-8B86-D011-B42D-00C04FC964FF','<a b=\"1\">x</a>'",
       3: "3, -2147483648, -9223372036854775808, 32767, 0, -0.0001, -0.0000000001, 0, -922337203685477.5808, -214748.3648, 0, -1e308, -1.5, '0001-01-01','00:00:00','00:00:00','1753-01-01','1900-01-01','0001-01-01','9999-12-31T23:59:59.999','0001-01-01T00:00:00+00:00','','','',N'',N'',N'',0x00,0x,0x,'00000000-0000-0000-0000-000000000000','<r/>'"}
WANT = {1: [1, 2147483647, 9223372036854775807, -32768, 255, D("99999999999999.9999"), D("1234567890123456789012345678.0123456789"), D("-1234567.89"), D("922337203685477.5807"), D("214748.3647"), True, 3.141592653589793, 1.5, dt.date(2024, 2, 29), dt.time(23, 59, 59, 123456), dt.time(23, 59, 59, 123000),
            dt.datetime(2024, 2, 29, 12, 34, 56, 997000), dt.datetime(2024, 2, 29, 12, 35), dt.datetime(2024, 2, 29, 12, 34, 56, 123456), dt.datetime(2024, 2, 29, 12, 34, 56, 123000), dt.datetime(2024, 2, 29, 12, 34, 56, 123456, dt.timezone(dt.timedelta(minutes=330))),
            "abc       ", "café", "long varchar", "nch       ", "żółć 漢字 😀𝒳 end", "max 😀", bytes.fromhex("0102030405060708"), bytes.fromhex("DEADBEEF"), bytes.fromhex("00FF00FF"), uuid.UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF"), '<a b="1">x</a>'],
        3: [3, -2147483648, -9223372036854775808, 32767, 0, D("-0.0001"), D("-0.0000000001"), D("0.00"), D("-922337203685477.5808"), D("-214748.3648"), False, -1e308, -1.5, dt.date(1, 1, 1), dt.time(0), dt.time(0), dt.datetime(1753, 1, 1), dt.datetime(1900, 1, 1), dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999000), dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc),
            " " * 10, "", "", " " * 10, "", "", bytes(8), b"", b"", uuid.UUID(int=0), "<r/>"]}


@pytest.fixture(scope="module")
def server(connect, start):
    s = start()
    c = connect(s)
    c.cursor().execute("CREATE DATABASE lab")
    cur = c.cursor()
    cur.execute(f"USE lab; CREATE TABLE dbo.alltypes ({COLS})")
    for i in (1, 3):
        cur.execute(f"INSERT INTO dbo.alltypes ({','.join(NAMES)}) VALUES ({LIT[i]})")
    cur.execute("INSERT INTO dbo.alltypes (id) VALUES (2)")
    c.close()
    yield s
    s.stop()


@pytest.mark.parametrize("i,name", list(enumerate(NAMES)))
def test_literals_row_by_row(server, i, name, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    for row in (1, 3):
        cur.execute(f"SELECT {name} FROM dbo.alltypes WHERE id = {row}")
        assert cur.fetchone()[0] == WANT[row][i]
    if name != "id":
        cur.execute(f"SELECT {name} FROM dbo.alltypes WHERE id = 2")
        assert cur.fetchone()[0] is None
    c.close()


ARROW = {"c_dec": "decimal128(18, 4)", "c_dec38": "decimal128(38, 10)", "c_money": "decimal128(19, 4)", "c_datetime2": "timestamp[us]", "c_dto": "timestamp[us, tz=+00:00]", "c_uuid": "string|large_string", "c_rv": "binary|large_binary", "c_xml": "string|large_string", "c_bit": "bool", "c_tinyint": "uint8", "c_real": "float|double"}


def test_arrow(server, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    cur.execute("SELECT * FROM dbo.alltypes ORDER BY id")
    t = cur.arrow()
    print(t.schema)
    for name, types in ARROW.items():
        assert str(t.schema.field(name).type) in types.split("|"), (name, t.schema.field(name).type)
    for i, name in enumerate(NAMES):
        column = t.column(name)
        got = (column.cast("time64[us]", safe=False) if str(column.type) == "time64[ns]" else column).to_pylist()
        for k, row in ((0, 1), (2, 3)):
            want = WANT[row][i]
            want = str(want).upper() if isinstance(want, uuid.UUID) else want
            assert got[k] == want, name
        assert name == "id" or got[1] is None
    c.close()


def test_parameters(server, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    cur.execute(f"CREATE TABLE dbo.byparam ({COLS})")
    low = [v if not isinstance(v, dt.date) or v.year >= 1753 else v.replace(year=1753) for v in WANT[3]]  # the driver refuses earlier dates as parameters
    for row in (WANT[1], low):
        cur.execute(f"INSERT INTO dbo.byparam ({','.join(NAMES)}) VALUES ({','.join('?' * len(NAMES))})", row)
    cur.execute(f"INSERT INTO dbo.byparam ({','.join(NAMES)}) VALUES ({','.join('?' * len(NAMES))})", [2] + [None] * (len(NAMES) - 1))
    cur.execute(f"SELECT {','.join(NAMES)} FROM dbo.byparam ORDER BY id")
    got = {r[0]: list(r) for r in cur.fetchall()}
    assert got[1] == WANT[1] and got[3] == low and got[2] == [2] + [None] * (len(NAMES) - 1)
    c.close()


def test_executemany(server, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    cur.execute("CREATE TABLE dbo.many (id int PRIMARY KEY, n nvarchar(50), d decimal(18,4), t datetime2(7))")
    cur.executemany("INSERT INTO dbo.many VALUES (?,?,?,?)", [(i, f"név {i}", D(i) / 4, dt.datetime(2024, 1, 1, 0, 0, i % 60, i)) for i in range(200)])
    cur.execute("SELECT COUNT(*), MIN(n), MAX(d), MAX(t) FROM dbo.many")
    assert tuple(cur.fetchone()) == (200, "név 0", D("49.75"), dt.datetime(2024, 1, 1, 0, 0, 59, 179))
    c.close()


def test_hundred_nanoseconds_kept(server, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    cur.execute("SELECT CONVERT(varchar(33), c_datetime2, 126), CONVERT(varchar(40), c_dto, 126), CONVERT(varchar(40), c_dto, 127), CONVERT(varchar(20), c_rv, 1), CAST(c_rv AS bigint), CONVERT(varchar(33), c_datetime, 121), CONVERT(char(8), c_date, 112) FROM dbo.alltypes WHERE id = 1")
    assert tuple(cur.fetchone()) == ("2024-02-29T12:34:56.1234567", "2024-02-29T12:34:56.1234567+05:30", "2024-02-29T07:04:56.1234567Z", "0x00000000000007D1", 2001, "2024-02-29 12:34:56.997", "20240229")
    for low, n in (("2024-02-29T12:34:56.1234567", 0), ("2024-02-29T12:34:56.1234566", 1)):
        cur.execute("SELECT COUNT(*) FROM dbo.alltypes WHERE c_datetime2 > CAST(? AS datetime2(7))", (low,))
        assert cur.fetchone()[0] == n
        cur.execute(f"SELECT COUNT(*) FROM dbo.alltypes WHERE c_datetime2 > '{low}'")
        assert cur.fetchone()[0] == n
    cur.execute("SELECT COUNT(*) FROM dbo.alltypes WHERE c_dto = '2024-02-29T07:04:56.1234567+00:00'")
    assert cur.fetchone()[0] == 1
    c.close()


def test_collation(server, connect):
    c = connect(server, "lab")
    cur = c.cursor()
    cur.execute("SELECT COUNT(*) FROM dbo.alltypes WHERE c_varchar = 'CAFÉ'")
    assert cur.fetchone()[0] == 1
    c.close()
