"""T-SQL to DuckDB: batches into statements, sqlglot trees rewritten with the declared T-SQL types in hand."""
from __future__ import annotations

import datetime as dt
import logging
import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from .types import BINARIES, CHARS, INTS, MAX, T, parse_type, storage, ticks

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
M = "memory.main."  # where the helper macros live
STARTERS = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "DECLARE", "SET", "IF", "BEGIN", "COMMIT", "ROLLBACK", "SAVE", "EXEC", "EXECUTE", "USE", "CREATE", "ALTER", "DROP", "TRUNCATE", "PRINT", "RAISERROR", "THROW", "WAITFOR", "RETURN", "END", "ELSE"}
NUMERIC = {"tinyint", "smallint", "int", "bigint", "bit", "decimal", "numeric", "money", "smallmoney", "real", "float"}
STAMPS = {"datetime", "smalldatetime", "datetime2", "date"}
RANK = ["datetimeoffset", "datetime2", "datetime", "smalldatetime", "date", "time", "float", "real", "decimal", "numeric", "money", "smallmoney", "bigint", "int", "smallint", "tinyint", "bit",
        "rowversion", "uniqueidentifier", "nvarchar", "nchar", "varchar", "char", "varbinary", "binary"]

# Helper macros. Ticks are 100 ns since 0001-01-01; a datetimeoffset is {u: UTC ticks, o: minutes}.
MACROS = r"""
CREATE MACRO ts2ticks(x) AS (epoch_us(x) + 62135596800000000) * 10;
CREATE MACRO ticks2ts(x) AS make_timestamp(x // 10 - 62135596800000000);
CREATE MACRO str2ticks(x) AS (epoch_us(CAST(regexp_replace(x, '(\.\d{6})\d*|\s*(Z|[+-]\d\d:?\d\d)$', '\1', 'g') AS TIMESTAMP)) + 62135596800000000) * 10 + CAST('0' || regexp_extract(x, '\.\d{6}(\d)', 1) AS BIGINT);
CREATE MACRO zone(x) AS CASE WHEN regexp_matches(x, ':.*[+-]\d\d:?\d\d$') THEN CAST((CASE WHEN regexp_extract(x, '([+-])\d\d:?\d\d$', 1) = '-' THEN -1 ELSE 1 END) * (CAST(regexp_extract(x, '[+-](\d\d):?\d\d$', 1) AS INTEGER) * 60 + CAST(regexp_extract(x, '[+-]\d\d:?(\d\d)$', 1) AS INTEGER)) AS SMALLINT) ELSE 0 END;
CREATE MACRO str2dto(x) AS CASE WHEN x IS NULL THEN NULL ELSE {'u': str2ticks(x) - CAST(zone(x) AS BIGINT) * 600000000, 'o': CAST(zone(x) AS SMALLINT)} END;
CREATE MACRO ticks2dto(x) AS CASE WHEN x IS NULL THEN NULL ELSE {'u': CAST(x AS BIGINT), 'o': CAST(0 AS SMALLINT)} END;
CREATE MACRO dto2local(x) AS x.u + CAST(x.o AS BIGINT) * 600000000;
CREATE MACRO hm(o) AS (CASE WHEN o < 0 THEN '-' ELSE '+' END) || lpad(CAST(abs(o) // 60 AS VARCHAR), 2, '0') || ':' || lpad(CAST(abs(o) % 60 AS VARCHAR), 2, '0');
CREATE MACRO ticks2str(x, sep) AS strftime(ticks2ts(x), '%Y-%m-%d') || sep || strftime(ticks2ts(x), '%H:%M:%S') || '.' || lpad(CAST(x % 10000000 AS VARCHAR), 7, '0');
CREATE MACRO ts2str(x, sep, n) AS strftime(x, '%Y-%m-%d') || sep || strftime(x, '%H:%M:%S') || CASE WHEN n = 0 THEN '' ELSE left('.' || lpad(CAST(epoch_us(x) % 1000000 AS VARCHAR), 6, '0'), n + 1) END;
CREATE MACRO ticks2time(x) AS CAST(ticks2ts(x) AS TIME);
CREATE MACRO time2ticks(x) AS CAST(date_part('epoch', CAST(x AS TIME)) * 1000000 AS BIGINT) * 10;
CREATE MACRO timestr2ticks(x) AS str2ticks('0001-01-01 ' || x);
CREATE MACRO time2str(x) AS strftime(ticks2ts(x), '%H:%M:%S') || '.' || lpad(CAST(x % 10000000 AS VARCHAR), 7, '0');
CREATE MACRO roundticks(x, unit) AS (x + unit // 2) // unit * unit;
CREATE MACRO roundts(x, unit) AS make_timestamp((epoch_us(x) + 62135596800000000 + unit // 2) // unit * unit - 62135596800000000);
CREATE MACRO rounddt(x) AS make_timestamp((((epoch_us(x) + 62135596800000000) * 3 + 5000) // 10000 * 10 + 1) // 3 * 1000 - 62135596800000000);
CREATE MACRO bin2int(x) AS CASE WHEN x IS NULL THEN NULL WHEN substr(hex(x), greatest(length(hex(x)) - 15, 1)) >= '8000000000000000' AND octet_length(x) >= 8 THEN CAST(CAST('0x' || right(hex(x), 16) AS HUGEINT) - 18446744073709551616::HUGEINT AS BIGINT) ELSE CAST('0x' || right('0' || hex(x), 16) AS BIGINT) END;
CREATE MACRO int2bin(x, n) AS unhex(right(repeat(CASE WHEN x < 0 THEN 'F' ELSE '0' END, 32) || printf('%016X', CAST(x AS BIGINT)), 2 * n));
CREATE MACRO fitstr(x, n) AS CASE WHEN length(x) > n THEN error('2628:String or binary data would be truncated.') ELSE x END;
CREATE MACRO fitbin(x, n) AS CASE WHEN octet_length(x) > n THEN error('2628:String or binary data would be truncated.') ELSE x END;
CREATE MACRO padbin(x, n) AS unhex(left(hex(x) || repeat('0', 2 * n), 2 * n));
CREATE MACRO checksum1(x) AS CAST(hash(x) % 4294967296 AS BIGINT) - 2147483648;
CREATE MACRO nextrv(x) AS unhex(printf('%016x', x));
"""


def macros() -> list[str]:
    """The CREATE MACRO statements, their calls to one another qualified: a session's current database is another one."""
    lines = [m.strip().rstrip(";") for m in MACROS.strip().split(";\n")]
    names = "|".join(re.match(r"CREATE MACRO (\w+)", m)[1] for m in lines)
    return [re.sub(rf"(?<![\w.])({names})\(", lambda m: m[0] if m.start() < 14 else M + m[0], m) for m in lines]


class SqlError(Exception):
    """A T-SQL error as the client will see it."""

    def __init__(self, number: int, text: str, severity: int = 16, state: int = 1):
        super().__init__(text)
        self.number, self.text, self.severity, self.state = number, text, severity, state


@dataclass
class Table:
    """What the server keeps of a table beside DuckDB: the declared types and what captures its changes."""
    db: str
    schema: str
    name: str
    object_id: int
    columns: dict[str, T] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    tracked: bool = False
    instances: list[str] = field(default_factory=list)

    @property
    def sql(self) -> str:
        return f"{quote(self.db)}.{quote(self.schema)}.{quote(self.name)}"

    def column(self, name: str) -> str | None:
        return next((c for c in self.columns if c.lower() == name.lower()), None)

    @property
    def rowversion(self) -> str | None:
        return next((c for c, t in self.columns.items() if t.name == "rowversion"), None)

    @property
    def identity(self) -> str | None:
        return next((c for c, t in self.columns.items() if t.identity), None)


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def unbracket(name: str) -> list[str]:
    """'[a].b.[c d]' -> ['a', 'b', 'c d']"""
    return [p[1:-1].replace("]]", "]") if p[:1] == "[" else p.strip('"') for p in re.findall(r"\[(?:[^\]]|\]\])*\]|\"[^\"]*\"|[^.]+|(?<=\.)(?=\.)", name.strip())]


# ---------------------------------------------------------------- batches into statements

@dataclass
class Stmt:
    """One statement: its first word, its text, and for IF/BEGIN the inner ones."""
    head: str
    text: str
    cond: str = ""
    body: list["Stmt"] = field(default_factory=list)
    other: list["Stmt"] = field(default_factory=list)


class Splitter:
    """Cuts a batch where T-SQL does: at ';' and where a statement's first word can only begin a new one."""

    def __init__(self, sql: str):
        self.sql = sql
        try:
            self.toks = sqlglot.tokenize(sql, read="tsql")
        except Exception as e:
            raise SqlError(105, f"Unclosed quotation mark or bad token: {e}", 15) from None
        self.i = 0

    def word(self, k: int = 0) -> str:
        j = self.i + k
        t = self.toks[j] if 0 <= j < len(self.toks) else None
        return "" if t is None or self.sql[t.start] in "['\"" else t.text.upper()

    def all(self) -> list[Stmt]:
        out = []
        while self.i < len(self.toks):
            if self.word() == ";":
                self.i += 1
            else:
                out.append(self.one())
        return out

    def one(self) -> Stmt:
        head = self.word()
        if head == "IF":
            self.i += 1
            cond = self.until_starter()
            body, other = [self.one()], []
            while self.word() == ";" and self.word(1) == "ELSE":
                self.i += 1
            if self.word() == "ELSE":
                self.i += 1
                other = [self.one()]
            return Stmt("IF", "", cond, body, other)
        if head == "BEGIN" and self.word(1) not in ("TRAN", "TRANSACTION", "DISTRIBUTED"):
            self.i += 1
            body = []
            while self.i < len(self.toks) and self.word() != "END":
                if self.word() == ";":
                    self.i += 1
                else:
                    body.append(self.one())
            self.i += 1
            return Stmt("BLOCK", "", "", body)
        return self.plain(head)

    def text(self, a: int, b: int) -> str:
        """Tokens a..b-1 as text, with what sqlglot cannot read spelt otherwise."""
        out, pos, k = [], self.toks[a].start, a
        put = lambda upto, new="": (out.append(self.sql[pos:upto]), out.append(new))
        while k < b:
            w = self.toks[k].text.upper()
            bare = self.sql[self.toks[k].start] not in "['\""
            if bare and w in ("CLUSTERED", "NONCLUSTERED"):
                put(self.toks[k].start)
                pos = self.toks[k].end + 1
            elif bare and w == "REAL":
                put(self.toks[k].start, "float(24)")  # sqlglot reads REAL and FLOAT as one type
                pos = self.toks[k].end + 1
            elif bare and w == "CHANGES" and k >= a + 2 and self.toks[k - 2].text.upper() == "CHANGETABLE":
                end = next(j for j in range(k, b) if self.toks[j].text == ",")
                name = self.sql[self.toks[k + 1].start:self.toks[end - 1].end + 1]
                put(self.toks[k].start, "'" + name.replace("'", "''") + "'")
                pos, k = self.toks[end].start, end
            k += 1
        put(self.toks[b - 1].end + 1)
        return "".join(out)

    def until_starter(self) -> str:
        a, depth = self.i, 0
        while self.i < len(self.toks) and not (depth == 0 and self.word() in STARTERS):
            depth += {"(": 1, ")": -1}.get(self.toks[self.i].text, 0)
            self.i += 1
        return self.text(a, self.i)

    def plain(self, head: str) -> Stmt:
        a, depth, owed = self.i, 0, []
        if head == "WITH":
            owed = ["SELECT|INSERT|UPDATE|DELETE|MERGE"]
        if head == "INSERT":
            owed = ["SELECT|EXEC|EXECUTE"]
        if head == "UPDATE":
            owed = ["SET"]
        self.i += 1
        whole = head == "MERGE" or (head in ("CREATE", "ALTER") and self.word() in ("VIEW", "PROC", "PROCEDURE", "TRIGGER", "FUNCTION", "OR"))
        while self.i < len(self.toks):
            w, tok = self.word(), self.toks[self.i]
            depth += {"(": 1, ")": -1}.get(tok.text, 0)
            if depth == 0 and w == ";":
                break
            if depth == 0 and not whole and w in STARTERS and self.word(-1) != ".":
                prev = self.word(-1)
                if owed and w in owed[0].split("|"):
                    owed = {"INSERT": ["SELECT"], "UPDATE": ["SET"]}.get(w, [])
                elif prev in ("UNION", "ALL", "EXCEPT", "INTERSECT", "ON", "AS") or (w == "END" and "CASE" in self.text(a, self.i).upper()) or (w == "ELSE" and self._in_case(a)):
                    pass
                elif head == "ALTER" and w in ("SET", "DROP", "ALTER"):
                    pass
                elif head == "DROP" and w == "IF" and prev in ("TABLE", "DATABASE", "SCHEMA", "INDEX", "VIEW"):
                    pass
                elif head in ("DECLARE", "SET") and prev in ("=",):
                    pass
                else:
                    break
            self.i += 1
        return Stmt(head, self.text(a, self.i))

    def _in_case(self, a: int) -> bool:
        words = [t.text.upper() for t in self.toks[a:self.i]]
        return words.count("CASE") > words.count("END")


def parse(text: str) -> exp.Expression:
    try:
        return sqlglot.parse_one(text, read="tsql")
    except sqlglot.errors.SqlglotError as e:
        near = re.sub(r"\x1b\[\d+m", "", str(e)).split("\n")[0]
        raise SqlError(102, f"Incorrect syntax near '{text[:60]}' ({near[:160]}).", 15) from None


# ---------------------------------------------------------------- expressions

def fn(name: str, *args) -> exp.Expression:
    return exp.Anonymous(this=(M + name), expressions=[a if isinstance(a, exp.Expression) else exp.Literal.number(a) if isinstance(a, int) else exp.Literal.string(a) for a in args])


def raw(sql: str) -> exp.Expression:
    return sqlglot.parse_one(sql, read="duckdb")


def cast(e: exp.Expression, to: str) -> exp.Expression:
    return exp.Cast(this=e, to=exp.DataType.build(to, dialect="duckdb"))


def paren(e: exp.Expression) -> exp.Expression:
    return exp.Paren(this=e) if isinstance(e, (exp.Binary, exp.Select, exp.Union)) else e


def natural(e: exp.Expression, t: T | None) -> exp.Expression:
    """The value as DuckDB's own functions can use it: ticks become TIMESTAMP or TIME, datetimeoffset its local TIMESTAMP."""
    if t is None or e is None:
        return e
    if t.name == "datetimeoffset":
        return fn("ticks2ts", fn("dto2local", e))
    if ticks(t):
        return fn("ticks2ts" if t.name == "datetime2" else "ticks2time", e)
    return e


def literal_ticks(s: str) -> tuple[int, int]:
    """A string literal as (ticks, offset minutes)."""
    m = re.fullmatch(r"\s*(\d{4})-?(\d\d)-?(\d\d)(?:[T ]\s*(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|([+-])(\d\d):(\d\d))?\s*", s)
    if not m:
        raise SqlError(241, "Conversion failed when converting date and/or time from character string.")
    try:
        day = dt.date(int(m[1]), int(m[2]), int(m[3])).toordinal() - 1
    except ValueError:
        raise SqlError(241, "Conversion failed when converting date and/or time from character string.") from None
    frac = int(((m[7] or "") + "0" * 8)[:8])
    tick = (day * 86400 + int(m[4] or 0) * 3600 + int(m[5] or 0) * 60 + int(m[6] or 0)) * 10_000_000 + (frac + 5) // 10
    off = 0 if not m[9] else (int(m[10]) * 60 + int(m[11])) * (-1 if m[9] == "-" else 1)
    return tick, off


def to_ticks(e: exp.Expression, f: T | None) -> exp.Expression:
    if isinstance(e, exp.Literal) and e.is_string:
        return exp.Literal.number(literal_ticks(e.name)[0])
    if f is None or f.name in CHARS:
        return fn("str2ticks", cast(e, "VARCHAR"))
    if f.name == "datetimeoffset":
        return fn("dto2local", e)
    if ticks(f):
        return e
    return fn("ts2ticks", cast(e, "TIMESTAMP"))


def to_text(e: exp.Expression, f: T | None, style: int) -> exp.Expression:
    sep = "T" if style in (126, 127) else " "
    if f is None or style in (112, 23, 12) and f.name not in STAMPS | {"datetimeoffset"}:
        return cast(e, "VARCHAR")
    if f.name in STAMPS | {"datetimeoffset"} and style in (112, 23, 12):
        return exp.Anonymous(this="strftime", expressions=[cast(natural(e, f), "TIMESTAMP"), exp.Literal.string({112: "%Y%m%d", 23: "%Y-%m-%d", 12: "%y%m%d"}[style])])
    if f.name == "datetimeoffset":
        if style == 127:
            return exp.DPipe(this=fn("ticks2str", exp.Dot(this=paren(e), expression=exp.to_identifier("u")), "T"), expression=exp.Literal.string("Z"))
        text = fn("ticks2str", fn("dto2local", e), sep)
        return exp.DPipe(this=exp.DPipe(this=text, expression=exp.Literal.string("" if style == 126 else " ")), expression=fn("hm", exp.Dot(this=paren(e), expression=exp.to_identifier("o"))))
    if ticks(f):
        return fn("ticks2str", e, sep) if f.name == "datetime2" else fn("time2str", e)
    if f.name in ("datetime", "smalldatetime", "datetime2"):
        n = 0 if f.name == "smalldatetime" or style in (120, 20) else 3 if f.name == "datetime" else f.scale
        return fn("ts2str", e, sep, n)
    if f.name in BINARIES | {"rowversion"} and style in (1, 2):
        hexed = exp.Anonymous(this="hex", expressions=[e])
        return exp.DPipe(this=exp.Literal.string("0x"), expression=hexed) if style == 1 else hexed
    if f.name == "uniqueidentifier":
        return exp.Upper(this=cast(e, "VARCHAR"))
    if f.name == "bit":
        return cast(cast(e, "INTEGER"), "VARCHAR")
    return cast(e, "VARCHAR")


def convert(e: exp.Expression, f: T | None, to: T, style: int = 0, strict: bool = False) -> exp.Expression:
    """e of type f as type to; strict (a write) refuses what would not fit, a CAST cuts it."""
    n = to.name
    if isinstance(e, exp.Null):
        return cast(e, storage(to))
    if n == "datetimeoffset":
        if isinstance(e, exp.Literal) and e.is_string:
            tick, off = literal_ticks(e.name)
            e = raw(f"{{'u': CAST({tick - off * 600_000_000} AS BIGINT), 'o': CAST({off} AS SMALLINT)}}")
        elif f is not None and f.name == "datetimeoffset":
            pass
        else:
            e = fn("str2dto", cast(e, "VARCHAR")) if f is None or f.name in CHARS else fn("ticks2dto", to_ticks(e, f))
        return cast(e, storage(to))
    if n == "datetime2":
        if f == to:
            return e
        if to.scale == 7:
            return to_ticks(e, f)
        return fn("ticks2ts", fn("roundticks", to_ticks(e, f), 10 ** (7 - to.scale)))
    if n in ("datetime", "smalldatetime"):
        if f is not None and f.name == n:
            return e
        if f is None or f.name in CHARS or f.name in STAMPS | {"datetimeoffset"}:
            e = fn("ticks2ts", to_ticks(e, f)) if isinstance(e, exp.Literal) else cast(natural(e, f), "TIMESTAMP")
        return fn("rounddt", e) if n == "datetime" else fn("roundts", e, 60_000_000)
    if n == "date":
        return cast(natural(e, f), "DATE")
    if n == "time":
        if f is not None and ticks(f) and f.name == "time":
            return e if to.scale == 7 else fn("ticks2time", fn("roundticks", e, 10 ** (7 - to.scale)))
        if isinstance(e, exp.Literal) and e.is_string and to.scale == 7:
            return exp.Literal.number(literal_ticks("0001-01-01 " + e.name)[0])
        t = fn("timestr2ticks", cast(e, "VARCHAR")) if f is None or f.name in CHARS else fn("time2ticks", cast(natural(e, f), "TIME"))
        return t if to.scale == 7 else fn("ticks2time", fn("roundticks", t, 10 ** (7 - to.scale)))
    if n in CHARS or n == "xml":
        text = to_text(e, f, style) if f is None or f.name not in CHARS or isinstance(e, exp.Literal) and not e.is_string else e
        if n == "xml" or to.length == MAX:
            return text if f is not None else cast(text, "VARCHAR")
        same = f is not None and f.name in CHARS and f.length not in (None, MAX) and f.length <= to.length
        text = text if same else fn("fitstr", text, to.length) if strict else exp.Anonymous(this="left", expressions=[text, exp.Literal.number(to.length)])
        return exp.Anonymous(this="rpad", expressions=[text, exp.Literal.number(to.length), exp.Literal.string(" ")]) if n in ("char", "nchar") else text
    if n in BINARIES | {"rowversion"}:
        size = 8 if n == "rowversion" else to.length
        if f is not None and f.name in INTS:
            return fn("int2bin", e, 8 if size == MAX else min(size, INTS[f.name]) if n == "varbinary" else size)
        if f is not None and f.name in CHARS:
            e = exp.Anonymous(this="unhex", expressions=[exp.Anonymous(this="substr", expressions=[e, exp.Literal.number(3)])]) if style == 1 else exp.Anonymous(this="encode", expressions=[e])
        if size == MAX:
            return e
        e = fn("fitbin", e, size) if strict else e
        return fn("padbin", e, size) if n in ("binary", "rowversion") else e if strict else fn("padbin", e, exp.Least(this=exp.Literal.number(size), expressions=[exp.Anonymous(this="octet_length", expressions=[e.copy()])]))
    if n in NUMERIC and f is not None and f.name in BINARIES | {"rowversion"}:
        return cast(fn("bin2int", e), storage(to))
    if n == "bit":
        return cast(e, "BOOLEAN") if f is None or f.name in CHARS | {"bit"} else paren(exp.NEQ(this=e, expression=exp.Literal.number(0)))
    if f is not None and f == to:
        return e
    return cast(natural(e, f), storage(to))


def literal_type(e: exp.Literal) -> T:
    if e.is_string:
        return T("varchar", min(max(len(e.name), 1), 8000))
    s = e.name
    if "e" in s.lower():
        return T("float")
    if "." in s:
        whole, part = s.split(".")
        return T("decimal", None, max(len(whole.lstrip("0")) + len(part), 1), len(part))
    v = int(s)
    return T("int") if v < 2**31 else T("bigint") if v < 2**63 else T("decimal", None, len(s), 0)


def common(a: T | None, b: T | None) -> T | None:
    """The type of COALESCE/CASE/UNION over two branches."""
    if a is None or b is None or a == b:
        return a if a == b else None
    hi, lo = sorted((a, b), key=lambda t: RANK.index(t.name) if t.name in RANK else 99)
    if hi.name == lo.name or hi.name in CHARS and lo.name in CHARS:
        if hi.name in CHARS | BINARIES:
            return T(hi.name, MAX if MAX in (a.length, b.length) else max(a.length or 1, b.length or 1))
        if hi.name in ("decimal", "numeric"):
            scale = max(a.scale, b.scale)
            return T("decimal", None, min(38, max(a.prec - a.scale, b.prec - b.scale) + scale), scale)
        return T(hi.name, None, None, max(a.scale or 0, b.scale or 0) if hi.scale is not None else None)
    return None if hi.name in ("decimal", "numeric") else T(hi.name, hi.length, hi.prec, hi.scale)


class Scope:
    def __init__(self, parent: "Scope | None" = None):
        self.parent, self.sources, self.ctes = parent, {}, {}

    def cte(self, name: str):
        return self.ctes.get(name.lower()) or (self.parent.cte(name) if self.parent else None)

    def find(self, table: str, column: str) -> T | None:
        for alias, cols in self.sources.items():
            if (not table or alias == table.lower()) and cols:
                for c, t in cols:
                    if c.lower() == column.lower():
                        return t
        return self.parent.find(table, column) if self.parent else None


class Translator:
    """Rewrites one statement's tree for DuckDB and works out its result's T-SQL types.

    session must offer: table(parts) -> Table | None, variable(name) -> T, system(name) -> T | None, current database db."""

    def __init__(self, session):
        self.s = session
        self.checks: list = []   # (kind, name, [argument SQL]) to be verified before the statement runs
        self.reads: set = set()

    # -- queries
    def query(self, q: exp.Expression, outer: Scope | None = None) -> list[tuple[str, T | None]] | None:
        sc = Scope(outer)
        if w := (q.args.get("with_") or q.args.get("with")):
            for cte in w.expressions:
                cols = self.query(cte.this, sc) or []
                names = [c.name for c in cte.args["alias"].args.get("columns") or []]
                sc.ctes[cte.alias.lower()] = [(names[i] if i < len(names) else n, t) for i, (n, t) in enumerate(cols)] or [("", None)]
        if isinstance(q, exp.Subquery):
            return self.query(q.this, sc)
        if isinstance(q, exp.SetOperation):
            a, b = self.query(q.this, sc), self.query(q.expression, sc)
            if a is None or b is None or len(a) != len(b):
                return None
            return [(n, common(x, y)) for (n, x), (_, y) in zip(a, b)]
        if not isinstance(q, exp.Select):
            return None
        if (frm := q.args.get("from_") or q.args.get("from")) is not None:
            self.source(frm.this, sc)
        for j in q.args.get("joins") or []:
            self.source(j.this, sc)
        for j in q.args.get("joins") or []:
            if isinstance(j.this, exp.Lateral) and j.args.get("on") is None:  # CROSS APPLY and OUTER APPLY
                j.set("on", exp.true())
                j.set("side", "LEFT" if j.this.args.get("cross_apply") is False else None)
                j.set("kind", None if j.args.get("side") else "INNER")
                j.this.set("cross_apply", None)
        for j in list(q.args.get("joins") or []):
            self.children(j, sc, skip=("this",))
        out, known, picked = [], True, []
        for i, p in enumerate(list(q.expressions)):
            star = p if isinstance(p, exp.Star) else p.this if isinstance(p, exp.Column) and isinstance(p.this, exp.Star) else None
            if star is not None:
                for alias, cols in sc.sources.items():
                    if isinstance(p, exp.Star) or alias == p.table.lower():
                        known = known and cols is not None
                        out += cols or []
                picked.append(p)
                continue
            name = p.alias_or_name if isinstance(p, (exp.Alias, exp.Column)) else ""
            new, t = self.tx(p, sc)
            if not isinstance(new, (exp.Alias, exp.Column)) or isinstance(new, exp.Column) and new.name != name:
                new = exp.Alias(this=new, alias=exp.to_identifier(name or f"_c{i}", quoted=True))
            picked.append(new)
            out.append((name, t))
        q.set("expressions", picked)
        self.children(q, sc, skip=("with_", "with", "from_", "from", "joins", "laterals", "expressions", "hint", "options"))
        q.set("options", None)
        return out if known else None

    def source(self, node: exp.Expression, sc: Scope) -> None:
        if isinstance(node, exp.Subquery):
            cols = self.query(node.this, sc) if isinstance(node.this, exp.Query) else None
            names = [c.name for c in (node.args.get("alias") and node.args["alias"].args.get("columns")) or []]
            if names:
                cols = [(n, cols[i][1] if cols and i < len(cols) else None) for i, n in enumerate(names)]
            sc.sources[node.alias.lower()] = cols
        elif isinstance(node, exp.Values):
            types = None
            for row in node.expressions:
                cells = [self.tx(cell, sc) for cell in row.expressions]
                row.set("expressions", [x for x, _ in cells])
                got = [t for _, t in cells]
                types = got if types is None else [common(a, b) for a, b in zip(types, got)]
            names = [c.name for c in (node.args.get("alias") and node.args["alias"].args.get("columns")) or []]
            sc.sources[node.alias.lower()] = list(zip(names, types or []))
        elif isinstance(node, exp.Lateral):
            sc.sources[node.alias.lower()] = self.query(node.this.this, sc) if isinstance(node.this, exp.Subquery) else None
        elif isinstance(node, exp.Table):
            self.table(node, sc)
        for j in node.args.get("joins") or []:
            self.source(j.this, sc)
            self.children(j, sc, skip=("this",))

    def table(self, node: exp.Table, sc: Scope) -> None:
        node.set("hints", None)
        node.set("when", None)
        alias = node.alias
        if isinstance(node.this, exp.Anonymous) or isinstance(node.this, exp.Func):
            sub, cols = self.table_function(node, sc)
            if sub is not None:
                names = (node.args.get("alias") and node.args["alias"].args.get("columns")) or []
                new = exp.Subquery(this=sub, alias=exp.TableAlias(this=exp.to_identifier(alias or "_f", quoted=True), columns=[c.copy() for c in names]))
                for k in ("joins", "pivots"):
                    if node.args.get(k):
                        new.set(k, node.args[k])
                node.replace(new)
            sc.sources[(alias or "_f").lower()] = cols
            return
        name = node.name
        if not node.db and sc.cte(name):
            sc.sources[(alias or name).lower()] = sc.cte(name)
            return
        if node.this.args.get("temporary"):
            node.this.set("temporary", None)
            node.this.set("this", "#" + name)
            node.this.set("quoted", True)
            node.set("db", None)
            node.set("catalog", None)
            name = "#" + name
        t = self.s.table([p for p in (node.catalog, node.db, name)])
        if t is None:
            self.system_table(node)
            sc.sources[(alias or name).lower()] = None
            return
        self.reads.add((t.db, t.schema, t.name))
        if not name.startswith("#"):
            node.set("this", exp.to_identifier(t.name, quoted=True))
            node.set("db", exp.to_identifier(t.schema, quoted=True))
            node.set("catalog", exp.to_identifier(t.db, quoted=True))
        sc.sources[(alias or name).lower()] = list(t.columns.items())

    def system_table(self, node: exp.Table) -> None:
        db = node.catalog or self.s.db
        if node.db.lower() == "information_schema":
            node.set("db", exp.to_identifier("infoschema"))
        elif node.db.lower() == "sys" and node.name.lower() in ("databases", "database_recovery_status"):
            db = "master"
        elif node.db.lower() not in ("sys", "cdc"):
            raise SqlError(208, f"Invalid object name '{'.'.join(x for x in (node.catalog, node.db, node.name) if x)}'.")
        node.set("catalog", exp.to_identifier(db, quoted=True))

    def table_function(self, node: exp.Table, sc: Scope):
        call = node.this
        name = (call.this if isinstance(call, exp.Anonymous) else call.sql_name()).lower() if call else ""
        args = []
        for a in list(call.expressions if isinstance(call, exp.Anonymous) else call.args.values()):
            if isinstance(a, exp.Expression):
                new, t = self.tx(a.copy(), sc)
                args.append((new, t))
        from . import capture
        if name == "changetable":
            table = self.s.need_table(unbracket(args[0][0].name))
            return capture.changetable(table, args[1][0]), capture.changetable_columns(table)
        m = re.fullmatch(r"fn_cdc_get_(all|net)_changes_(.+)", name)
        if m:
            table, instance = self.s.capture_instance(node.catalog or self.s.db, m[2])
            self.checks.append(("lsn", table.db, instance, [to_sql(a) for a, _ in args[:2]]))
            make = capture.all_changes if m[1] == "all" else capture.net_changes
            columns = capture.change_columns(table, m[1] == "net", self.s.engine.database(table.db).instances[instance][1])
            return make(table, instance, columns, *[a for a, _ in args]), columns
        if name == "generate_series":
            return raw("SELECT generate_series AS value FROM generate_series(%s)" % ", ".join(to_sql(a) for a, _ in args)), [("value", T("bigint"))]
        return None, None

    # -- expressions
    def children(self, e: exp.Expression, sc: Scope, skip: tuple = ()) -> list[T | None]:
        """Rewrite every child in place as DuckDB's own functions take it."""
        found = []
        transparent = isinstance(e, (exp.Ordered, exp.Order, exp.Group, exp.Alias, exp.Paren, exp.Where, exp.Distinct, exp.Tuple, exp.Count, exp.WithinGroup, exp.Window))

        def one(c, k):
            new, t = self.tx(c, sc)
            found.append(t)
            return new if transparent or k == "partition_by" or isinstance(new, (exp.Subquery, exp.Order, exp.Where)) else natural(new, t)

        for k, v in list(e.args.items()):  # set by key: replace() would follow the parent that a wrapper has just become
            if k in skip:
                continue
            if isinstance(v, list):
                e.set(k, [one(c, k) if isinstance(c, exp.Expression) else c for c in v])
            elif isinstance(v, exp.Expression):
                e.set(k, one(v, k))
        return found

    def two(self, e: exp.Expression, sc: Scope, a: str = "this", b: str = "expression"):
        x, tx_ = self.tx(e.args[a], sc)
        y, ty = self.tx(e.args[b], sc)
        return x, tx_, y, ty

    def align(self, x, tx_, y, ty):
        """Both sides of a comparison as the same kind of thing."""
        special = lambda t: t is not None and (ticks(t) or t.name in ("datetimeoffset", "rowversion", "binary", "varbinary", "datetime", "smalldatetime", "datetime2", "date", "time"))
        if tx_ is not None and ty is not None and (special(tx_) or special(ty)):
            hi, lo = sorted((tx_, ty), key=lambda t: RANK.index(t.name) if t.name in RANK else 99)
            if hi.name in ("int", "bigint", "smallint", "tinyint") and lo.name in BINARIES | {"rowversion"}:
                hi = T("binary", 8)
            if hi.name in STAMPS and lo.name in STAMPS:
                hi = T("datetime2", None, None, 7)
            if hi.name in ("datetime2", "time"):
                hi = T(hi.name, None, None, 7) if (ticks(tx_) or ticks(ty) or lo.name in CHARS) else hi
            if hi.name in BINARIES | {"rowversion"} and lo.name in BINARIES | {"rowversion"}:
                return x, y
            return self._like(x, tx_, hi), self._like(y, ty, hi)
        if (special(tx_) and tx_.name not in BINARIES) != (special(ty) and ty.name not in BINARIES):
            if special(tx_) and isinstance(y, (exp.Column, exp.Cast, exp.Anonymous, exp.Subquery, exp.Func)):
                return natural(x, tx_) if ty is None else x, y if tx_.name in BINARIES | {"rowversion"} else natural(y, ty)
            return natural(x, tx_), natural(y, ty)
        return x, y

    def _like(self, e, t: T, to: T):
        if to.name == "datetimeoffset":
            return exp.Dot(this=exp.Paren(this=convert(e, t, to)), expression=exp.to_identifier("u"))
        if t.name == to.name and ticks(t) == ticks(to):
            return e
        return convert(e, t, to)

    def tx(self, e: exp.Expression, sc: Scope) -> tuple[exp.Expression, T | None]:
        if isinstance(e, exp.Alias):
            new, t = self.tx(e.this, sc)
            e.set("this", new)
            e.set("alias", exp.to_identifier(e.alias, quoted=True))
            return e, t
        if isinstance(e, exp.Paren):
            new, t = self.tx(e.this, sc)
            e.set("this", new)
            return e, t
        if isinstance(e, exp.Column):
            return self.column(e, sc)
        if isinstance(e, exp.Parameter):
            return self.parameter(e)
        if isinstance(e, exp.National):
            return exp.Literal.string(e.name), T("nvarchar", min(max(len(e.name), 1), 4000))
        if isinstance(e, exp.Literal):
            return e, literal_type(e)
        if isinstance(e, exp.HexString):
            h = e.name if len(e.name) % 2 == 0 else "0" + e.name
            return exp.Anonymous(this="unhex", expressions=[exp.Literal.string(h)]), T("varbinary", max(len(h) // 2, 1))
        if isinstance(e, exp.Neg):
            new, t = self.tx(e.this, sc)
            e.set("this", new)
            return e, t
        if isinstance(e, exp.Subquery):
            cols = self.query(e.this, sc)
            return e, cols[0][1] if cols and len(cols) == 1 else None
        if isinstance(e, exp.Query):
            cols = self.query(e, sc)
            return e, cols[0][1] if cols and len(cols) == 1 else None
        if isinstance(e, (exp.Cast, exp.TryCast, exp.Convert)):
            return self.cast(e, sc)
        if isinstance(e, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)):
            x, y = self.align(*self.two(e, sc))
            e.set("this", x)
            e.set("expression", y)
            return e, T("bit")
        if isinstance(e, exp.Between):
            x, t = self.tx(e.this, sc)
            low, tl = self.tx(e.args["low"], sc)
            high, th = self.tx(e.args["high"], sc)
            a, b = self.align(x, t, low, tl)
            a2, c = self.align(x.copy(), t, high, th)
            return exp.Paren(this=exp.And(this=exp.GTE(this=a, expression=b), expression=exp.LTE(this=a2, expression=c))), T("bit")
        if isinstance(e, exp.In):
            return self.isin(e, sc)
        if isinstance(e, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
            return self.arithmetic(e, sc)
        if isinstance(e, (exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.Min, exp.Max, exp.First, exp.Last, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)):
            return self.branches(e, sc)
        if isinstance(e, exp.Window):
            new, t = self.tx(e.this, sc)
            e.set("this", new)
            self.children(e, sc, skip=("this",))
            return e, t
        if isinstance(e, exp.Collate):
            return self.tx(e.this, sc)
        return self.function(e, sc)

    def column(self, e: exp.Column, sc: Scope):
        if e.name.lower() == "0x" and not e.table:  # sqlglot reads the empty binary literal as a name
            return exp.Anonymous(this="unhex", expressions=[exp.Literal.string("")]), T("varbinary", 1)
        t = sc.find(e.table, e.name)
        if e.args.get("db") is not None:
            e.set("db", None)
            e.set("catalog", None)
        e.this.set("quoted", True)
        if e.args.get("table") is not None:
            e.args["table"].set("quoted", True)
        return e, t

    def parameter(self, e: exp.Parameter):
        if isinstance(e.this, exp.Parameter):
            name = "@@" + e.this.name.lower()
            t = self.s.system(name)
        else:
            name = "@" + e.name.lower()
            t = self.s.variable(name)
        return self.bound(name, t), t

    def bound(self, name: str, t: T) -> exp.Expression:
        self.s.used.add(name)
        return cast(exp.Placeholder(this=key(name)), storage(t))

    def cast(self, e, sc: Scope):
        to_node = e.args["this"] if isinstance(e, exp.Convert) else e.args["to"]
        value = e.expression if isinstance(e, exp.Convert) else e.this
        text = to_node.sql("tsql")
        sized = bool(to_node.expressions)
        to = parse_type(text)
        if to.name in CHARS | BINARIES and not sized and text.upper() not in ("TEXT", "NTEXT", "IMAGE", "VARCHAR(MAX)"):
            to = T(to.name, 30)
        style = e.args.get("style")
        style = int(style.name) if style is not None and style.name.isdigit() else 0
        new, f = self.tx(value, sc)
        out = convert(new, f, to, style)
        if (isinstance(e, exp.TryCast) or e.args.get("safe")) and type(out) is exp.Cast:
            out = exp.TryCast(this=out.this, to=out.args["to"])
        return out, to

    def isin(self, e: exp.In, sc: Scope):
        x, t = self.tx(e.this, sc)
        if q := e.args.get("query"):
            e.set("query", self.tx(q, sc)[0])
            e.set("this", x)
            return e, T("bit")
        out = []
        for item in e.expressions:
            y, ty = self.tx(item, sc)
            a, b = self.align(x.copy(), t, y, ty)
            out.append((a, b))
        e.set("this", out[0][0])
        e.set("expressions", [b for _, b in out])
        return e, T("bit")

    def arithmetic(self, e, sc: Scope):
        x, a, y, b = self.two(e, sc)
        text = lambda u: u is not None and u.name in CHARS
        if isinstance(e, exp.Add) and (text(a) and b is None or text(b) and a is None):
            return exp.DPipe(this=x, expression=y), T("nvarchar", 4000)
        if isinstance(e, exp.Add) and text(a) and text(b):
            t = T("nvarchar" if "n" in (a.name[0], b.name[0]) else "varchar", MAX if MAX in (a.length, b.length) else min((a.length or 1) + (b.length or 1), 4000))
            return exp.DPipe(this=x, expression=y), t
        if a and b and a.name in ("datetime", "smalldatetime") and b.name in INTS:
            return fn_add(x, exp.Neg(this=paren(y)) if isinstance(e, exp.Sub) else y, "DAY"), a
        x, y = natural(x, a), natural(y, b)
        if a and b and a.name in CHARS and b.name in NUMERIC:
            x, a = convert(x, a, b), b
        if a and b and b.name in CHARS and a.name in NUMERIC:
            y, b = convert(y, b, a), a
        ints = a is not None and b is not None and a.name in INTS and b.name in INTS
        if isinstance(e, exp.Div) and ints:
            return exp.IntDiv(this=paren(x), expression=paren(y)), T("bigint" if "bigint" in (a.name, b.name) else "int")
        e.set("this", x)
        e.set("expression", y)
        if ints:
            return e, T("bigint" if "bigint" in (a.name, b.name) else "int")
        return e, None if not (a and b and {a.name, b.name} & {"float", "real"}) else T("float")

    def branches(self, e, sc: Scope):
        """Functions whose value is one of their arguments."""
        slots: list[tuple[exp.Expression, T | None]] = []

        def visit(node, k):
            v = node.args.get(k)
            if isinstance(v, list):
                done = []
                for c in v:
                    new, t = self.tx(c, sc)
                    done.append(new)
                    slots.append((new, t))
                node.set(k, done)
            elif isinstance(v, exp.Expression):
                new, t = self.tx(v, sc)
                node.set(k, new)
                slots.append((node.args[k], t))

        if isinstance(e, exp.Case):
            base = None
            if e.this is not None:
                base, tb = self.tx(e.this, sc)
                e.set("this", natural(base, tb))
            for i in e.args["ifs"]:
                c, tc = self.tx(i.this, sc)
                i.set("this", natural(c, tc))
                visit(i, "true")
            visit(e, "default")
        elif isinstance(e, exp.If):
            c, _ = self.tx(e.this, sc)
            e.set("this", c)
            visit(e, "true")
            visit(e, "false")
        else:
            visit(e, "this")
            if isinstance(e, (exp.Coalesce, exp.Nullif)):
                visit(e, "expressions")
                visit(e, "expression")
            elif isinstance(e, (exp.Lag, exp.Lead)):
                visit(e, "offset")
                slots[1:] = []
        typed = [t for x, t in slots if not isinstance(x, exp.Null)]
        if isinstance(e, exp.Coalesce) and e.args.get("is_null"):
            typed = typed[:1]
        t = typed[0] if typed else None
        for u in typed[1:]:
            t = common(t, u) if t is not None else None
        for x, f in slots:
            if t is None and f is not None:
                new = natural(x.copy(), f)
            elif t is not None and f != t and (ticks(t) or ticks(f) or "datetimeoffset" in (t.name, f and f.name)):
                new = convert(x.copy(), f, t)
            else:
                continue
            if new is not x:
                x.replace(new)
        return e, T(t.name, t.length, t.prec, t.scale) if t else None

    def function(self, e: exp.Expression, sc: Scope):
        name = ""
        if isinstance(e, exp.Dot) and isinstance(e.expression, (exp.Anonymous, exp.Func)):
            prefix, e = e.this.name.lower(), e.expression
            name = (e.this if isinstance(e, exp.Anonymous) else e.sql_name()).lower()
            name = f"{prefix}.{name}" if prefix != "sys" or name.startswith("fn_") else name
        elif isinstance(e, exp.Anonymous):
            name = str(e.this).lower()
        if name:
            handler = getattr(self, "f_" + name.replace("sys.", "").replace(".", "_"), None)
            if handler:
                args = [self.tx(a, sc) for a in e.expressions]
                return handler(*args)
            self.children(e, sc)
            return e, None
        if isinstance(e, exp.Func) and (handler := getattr(self, "f_" + e.sql_name().lower(), None)):
            return handler(*[self.tx(a, sc) for k in e.arg_types for v in [e.args.get(k)] for a in (v if isinstance(v, list) else [v]) if isinstance(a, exp.Expression)])
        if isinstance(e, (exp.CurrentTimestamp, exp.CurrentDatetime)):
            return self.bound("@@getdate", T("datetime")), T("datetime")
        if isinstance(e, exp.Count):
            self.children(e, sc)
            return e, T("bigint" if e.args.get("big_int") else "int")
        if isinstance(e, exp.Length):
            inner = e.this.this if isinstance(e.this, exp.Cast) else e.this
            new, t = self.tx(inner, sc)
            new = new if t is not None and t.name in CHARS else cast(natural(new, t), "VARCHAR")
            return exp.Length(this=exp.Anonymous(this="rtrim", expressions=[new])), T("int")
        if isinstance(e, (exp.Sum, exp.Avg)):
            new, t = self.tx(e.this, sc)
            if t is not None and t.name in ("tinyint", "smallint", "int", "bigint", "bit"):
                to = "bigint" if t.name == "bigint" else "int"
                inner = exp.Sum(this=new) if isinstance(e, exp.Sum) else exp.Anonymous(this="trunc", expressions=[exp.Avg(this=new)])
                return cast(inner, storage(T(to))), T(to)
            e.set("this", new)
            if t is not None and t.name in ("money", "smallmoney", "decimal", "numeric"):
                s = t.scale if t.name in ("decimal", "numeric") else 4
                to = T("money") if "money" in t.name else T("decimal", None, 38, s if isinstance(e, exp.Sum) else max(s, 6))
                return cast(e, storage(to)), to
            return e, T("float") if t is not None and t.name in ("float", "real") else None
        if isinstance(e, exp.Uuid):
            return exp.Anonymous(this="uuid"), T("uniqueidentifier")
        if isinstance(e, exp.AtTimeZone):
            new, t = self.tx(e.this, sc)
            return (new, t) if t is not None and t.name == "datetimeoffset" else (convert(new, t, T("datetimeoffset", None, None, 7)), T("datetimeoffset", None, None, 7))
        if isinstance(e, (exp.DateAdd, exp.DateSub)):
            new, t = self.tx(e.this, sc)
            n, _ = self.tx(e.expression, sc)
            out = fn_add(cast(natural(new, t), "TIMESTAMP"), n, e.args["unit"].name)
            if t is not None and t.name in STAMPS:
                return (fn("ts2ticks", out), t) if ticks(t) else (cast(out, storage(t)), t)
            return out, T("datetime")
        if isinstance(e, exp.DateDiff):
            a, b = (x.this if isinstance(x, exp.TimeStrToTime) else x for x in (e.this, e.expression))
            (x, tx_), (y, ty) = self.tx(a, sc), self.tx(b, sc)
            unit = str(e.args["unit"].name).lower()
            return exp.Anonymous(this="date_diff", expressions=[exp.Literal.string(unit), cast(natural(y, ty), "TIMESTAMP"), cast(natural(x, tx_), "TIMESTAMP")]), T("bigint" if e.args.get("big_int") else "int")
        if isinstance(e, exp.TimeStrToTime):
            return self.tx(e.this, sc)
        types = self.children(e, sc)
        if isinstance(e, (exp.RowNumber, exp.Ntile)):
            return e, T("bigint")
        if isinstance(e, (exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Left, exp.Right)) and types and types[0] and types[0].name in CHARS:
            return e, T(types[0].name.replace("char", "varchar") if "var" not in types[0].name else types[0].name, types[0].length)
        if isinstance(e, (exp.Year, exp.Month, exp.Day, exp.Extract)):
            return e, T("int")
        return e, None

    # -- functions by name: each takes (expression, type) pairs
    def _sys(self, name: str):
        t = self.s.system(name)
        return self.bound(name, t), t

    def f_sysutcdatetime(self): return self._sys("@@sysutcdatetime")
    def f_sysdatetime(self): return self._sys("@@sysutcdatetime")
    def f_current_timestamp_l_t_z(self): return self._sys("@@sysdatetimeoffset")
    def f_getutcdate(self): return self._sys("@@getdate")
    def f_sysdatetimeoffset(self): return self._sys("@@sysdatetimeoffset")
    def f_min_active_rowversion(self): return self._sys("@@min_active_rowversion")
    def f_scope_identity(self): return self._sys("@@identity")
    def f_suser_sname(self, *a): return self._sys("@@suser")
    def f_db_name(self, *a): return self._sys("@@db_name")
    def f_change_tracking_current_version(self): return raw(f"(SELECT max(version) FROM {quote(self.s.db)}._s.ct_commits)"), T("bigint")
    def f_change_tracking_min_valid_version(self, a): return raw(f"(SELECT ct_min FROM {quote(self.s.db)}._s.objects WHERE object_id = ({to_sql(a[0])}))"), T("bigint")
    def f_newsequentialid(self): return exp.Anonymous(this="uuid"), T("uniqueidentifier")
    def f_datalength(self, a): return exp.Anonymous(this="octet_length", expressions=[a[0]]) if a[1] and a[1].name in BINARIES | {"rowversion"} else exp.Mul(this=exp.Length(this=cast(natural(*a), "VARCHAR")), expression=exp.Literal.number(2 if a[1] and a[1].name[0] == "n" else 1)), T("int")
    def f_object_name(self, a): return raw(f"(SELECT name FROM {quote(self.s.db)}._s.objects WHERE object_id = ({to_sql(a[0])}))"), T("nvarchar", 128)
    def f_schema_name(self, *a): return (raw(f"(SELECT name FROM {quote(self.s.db)}.sys.schemas WHERE schema_id = ({to_sql(a[0][0])}))") if a else exp.Literal.string("dbo")), T("nvarchar", 128)
    def f_checksum(self, *a): return cast(fn("checksum1", exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string("|"), *[cast(x, "VARCHAR") for x, _ in a]])), "INTEGER"), T("int")
    f_binary_checksum = f_checksum
    def f_checksum_agg(self, a): return cast(exp.Anonymous(this="bit_xor", expressions=[cast(a[0], "INTEGER")]), "INTEGER"), T("int")
    def f_switchoffset(self, a, z): return raw(f"{{'u': ({to_sql(a[0])}).u, 'o': CAST({M}zone('x:' || {to_sql(z[0])}) AS SMALLINT)}}"), T("datetimeoffset", None, None, 7)

    def f_object_id(self, a, *kind):
        return raw(f"(SELECT object_id FROM {quote(self.s.db)}._s.objects WHERE lower(schema_name || '.' || name) = lower(CASE WHEN contains(replace(replace({to_sql(a[0])}, '[', ''), ']', ''), '.') THEN regexp_replace(replace(replace({to_sql(a[0])}, '[', ''), ']', ''), '^[^.]*\\.([^.]*\\.)', '\\1') ELSE 'dbo.' || replace(replace({to_sql(a[0])}, '[', ''), ']', '') END))"), T("int")

    def f_db_id(self, *a):
        name = to_sql(a[0][0]) if a else f"'{self.s.db}'"
        return raw(f"(SELECT database_id FROM master._s.databases WHERE name = {name})"), T("int")

    def f_serverproperty(self, a):
        values = {"productversion": "15.0.4000.1", "edition": "Developer Edition (64-bit)", "engineedition": 3, "collation": "SQL_Latin1_General_CP1_CI_AS", "servername": "standin", "productlevel": "RTM", "productmajorversion": "15", "ishadrenabled": 0}
        v = values.get(a[0].name.lower())
        return (exp.Null(), T("nvarchar", 128)) if v is None else (exp.Literal.number(v), T("int")) if isinstance(v, int) else (exp.Literal.string(v), T("nvarchar", 128))

    def f_databasepropertyex(self, a, b):
        v = {"collation": "SQL_Latin1_General_CP1_CI_AS", "status": "ONLINE", "updateability": "READ_WRITE", "recovery": "FULL"}.get(b[0].name.lower())
        return (exp.Literal.string(v) if v else exp.Null()), T("nvarchar", 128)

    def f_columnproperty(self, a, b, c):
        return raw(f"(SELECT is_identity::INTEGER FROM {quote(self.s.db)}._s.columns WHERE object_id = ({to_sql(a[0])}) AND name = {to_sql(b[0])})"), T("int")

    def f_hashbytes(self, a, b):
        alg = {"sha2_256": "sha256", "md5": "md5", "sha1": "sha1", "sha": "sha1"}[a[0].name.lower()]
        return exp.Anonymous(this="unhex", expressions=[exp.Anonymous(this=alg, expressions=[b[0]])]), T("varbinary", 8000)

    # -- change data capture's scalar functions
    def f_fn_cdc_get_max_lsn(self): return raw(f"(SELECT max(start_lsn) FROM {quote(self.s.db)}.cdc.lsn_time_mapping)"), T("binary", 10)
    def f_fn_cdc_get_min_lsn(self, a): return raw(f"coalesce((SELECT start_lsn FROM {quote(self.s.db)}.cdc.change_tables WHERE capture_instance = {to_sql(a[0])}), unhex(repeat('00', 10)))"), T("binary", 10)
    def f_fn_cdc_increment_lsn(self, a): return fn("int2bin", exp.Add(this=fn("bin2int", a[0]), expression=exp.Literal.number(1)), 10), T("binary", 10)
    def f_fn_cdc_decrement_lsn(self, a): return fn("int2bin", exp.Sub(this=fn("bin2int", a[0]), expression=exp.Literal.number(1)), 10), T("binary", 10)
    def f_fn_cdc_map_lsn_to_time(self, a): return raw(f"(SELECT tran_end_time FROM {quote(self.s.db)}.cdc.lsn_time_mapping WHERE start_lsn = {to_sql(a[0])})"), T("datetime")

    def f_fn_cdc_map_time_to_lsn(self, op, at):
        pick, cmp = {"smallest greater than": ("min", ">"), "smallest greater than or equal": ("min", ">="), "largest less than": ("max", "<"), "largest less than or equal": ("max", "<=")}[op[0].name.lower()]
        return raw(f"(SELECT {pick}(start_lsn) FROM {quote(self.s.db)}.cdc.lsn_time_mapping WHERE tran_end_time {cmp} {to_sql(convert(at[0], at[1], T('datetime')))})"), T("binary", 10)


def fn_add(x: exp.Expression, n: exp.Expression, unit: str) -> exp.Expression:
    word = {"ms": "milliseconds", "millisecond": "milliseconds", "mcs": "microseconds", "microsecond": "microseconds", "ss": "seconds", "s": "seconds", "second": "seconds", "mi": "minutes", "n": "minutes", "minute": "minutes", "hh": "hours", "hour": "hours",
            "dd": "days", "d": "days", "day": "days", "wk": "weeks", "ww": "weeks", "week": "weeks", "mm": "months", "m": "months", "month": "months", "yy": "years", "yyyy": "years", "year": "years", "quarter": "quarters", "qq": "quarters"}.get(unit.lower(), "days")
    if word == "quarters":
        word, n = "months", exp.Mul(this=paren(n), expression=exp.Literal.number(3))
    return exp.Add(this=x, expression=exp.Anonymous(this="to_" + word, expressions=[n if word in ("seconds", "milliseconds") else cast(n, "BIGINT" if word in ("microseconds", "minutes", "hours") else "INTEGER")]))


def key(name: str) -> str:
    """The DuckDB parameter for a T-SQL variable."""
    return ("g_" if name.startswith("@@") else "v_") + re.sub(r"\W", lambda m: f"_{ord(m[0]):x}_", name.lstrip("@"))


def to_sql(e: exp.Expression) -> str:
    return e.sql("duckdb", normalize_functions=False, unsupported_level=sqlglot.ErrorLevel.IGNORE)
