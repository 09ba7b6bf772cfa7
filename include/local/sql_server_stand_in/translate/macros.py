"""Which functions does DuckDB lack for the types of T-SQL? (macros, made in its `memory.main` at every start)

Ticks are 100 ns since 0001-01-01, of a time since midnight; a datetimeoffset is {u: ticks in UTC, o: minutes from it}.
`error('SQL Server number: text')` becomes SQL Server's error of that number: see errors.py.
"""

from __future__ import annotations

import re

PLACE = "memory.main."
_TO_1970 = 62_135_596_800_000_000
"""Microseconds from 0001-01-01 to 1970-01-01."""

_MACROS = {
    # the collation SQL_Latin1_General_CP1_CI_AS as far as it is needed: neither case nor trailing blanks count
    "collated(x)": "lower(rtrim(x, ' '))",
    # date and time
    "ts2ticks(x)": f"(epoch_us(x) + {_TO_1970}) * 10",
    "ticks2ts(x)": f"make_timestamp(x // 10 - {_TO_1970})",
    "roundticks(x, unit)": "(x + unit // 2) // unit * unit",
    "ticks2datetime(x)": (  # counted in 1/300 s, shown in milliseconds
        "CASE WHEN x < 552877920000000000 THEN error('SQL Server 242: The conversion gave an out-of-range value.') "
        "ELSE make_timestamp(CAST(((x::HUGEINT * 3 + 50000) // 100000 * 10 + 1) // 3 * 1000 AS BIGINT) "
        f"- {_TO_1970}) END"
    ),
    "text2ticks(x)": (
        r"(epoch_us(CAST(regexp_replace(x, '(\.\d{6})\d*|\s*(Z|[+-]\d\d:?\d\d)$', '\1', 'g') AS TIMESTAMP)) "
        rf"+ {_TO_1970}) * 10 + CAST('0' || regexp_extract(x, '\.\d{{6}}(\d)', 1) AS BIGINT)"
    ),
    "time2ticks(x)": "text2ticks('0001-01-01 ' || x)",
    "text2offset(x)": (
        r"CASE WHEN regexp_matches(x, ':.*[+-]\d\d:?\d\d$') THEN "
        r"(CASE WHEN regexp_extract(x, '([+-])\d\d:?\d\d$', 1) = '-' THEN -1 ELSE 1 END) "
        r"* (CAST(regexp_extract(x, '[+-](\d\d):?\d\d$', 1) AS BIGINT) * 60 "
        r"+ CAST(regexp_extract(x, '[+-]\d\d:?(\d\d)$', 1) AS BIGINT)) ELSE 0 END"
    ),
    "dto(u, o)": "CASE WHEN u IS NULL THEN NULL ELSE {'u': CAST(u AS BIGINT), 'o': CAST(o AS SMALLINT)} END",
    "text2dto(x)": "dto(text2ticks(x) - text2offset(x) * 600000000, text2offset(x))",
    "dto2local(x)": "x.u + CAST(x.o AS BIGINT) * 600000000",
    # date and time as text; n digits of a second
    "fraction(x, n)": (
        "CASE WHEN n = 0 THEN '' ELSE left('.' || lpad(CAST(x % 10000000 AS VARCHAR), 7, '0'), n + 1) END"
    ),
    "ticks2time(x, n)": "strftime(ticks2ts(x), '%H:%M:%S') || fraction(x, n)",
    "ticks2text(x, sep, n)": "strftime(ticks2ts(x), '%Y-%m-%d') || sep || ticks2time(x, n)",
    "offset2text(o)": (
        "(CASE WHEN o < 0 THEN '-' ELSE '+' END) || lpad(CAST(abs(o) // 60 AS VARCHAR), 2, '0') || ':' "
        "|| lpad(CAST(abs(o) % 60 AS VARCHAR), 2, '0')"
    ),
    # binaries
    "bin2int(x)": (
        "CASE WHEN x IS NULL THEN NULL WHEN octet_length(x) >= 8 AND right(hex(x), 16) >= '8000000000000000' "
        "THEN CAST(CAST('0x' || right(hex(x), 16) AS HUGEINT) - 18446744073709551616::HUGEINT AS BIGINT) "
        "ELSE CAST('0x' || right('0' || hex(x), 16) AS BIGINT) END"
    ),
    "int2bin(x, n)": (
        "unhex(right(repeat(CASE WHEN x < 0 THEN 'F' ELSE '0' END, 32) || printf('%016X', CAST(x AS BIGINT)), 2 * n))"
    ),
    "version2bin(x)": "unhex(printf('%016x', x))",
    "padbin(x, n)": "unhex(left(hex(x) || repeat('0', 2 * n), 2 * n))",
    "cutbin(x, n)": "unhex(left(hex(x), 2 * n))",
    # what does not fit
    "units(x)": r"length(x) + length(regexp_replace(x, '[^\x{10000}-\x{10FFFF}]', '', 'g'))",  # of UTF-16
    "padtext(x, n)": "rpad(x, CAST(n AS INTEGER), ' ')",
    "padwide(x, n)": "rpad(x, CAST(n - (units(x) - length(x)) AS INTEGER), ' ')",
    "fitwide(x, n)": (
        "CASE WHEN strlen(x) <= n THEN x WHEN units(rtrim(x, ' ')) > n "
        "THEN error('SQL Server 2628: String or binary data would be truncated.') ELSE left(x, n) END"
    ),
    "fittext(x, n)": (
        "CASE WHEN length(rtrim(x, ' ')) > n THEN error('SQL Server 2628: String or binary data would be truncated.') "
        "ELSE left(x, n) END"
    ),
    "fitbin(x, n)": (
        "CASE WHEN octet_length(x) > n THEN error('SQL Server 2628: String or binary data would be truncated.') "
        "ELSE x END"
    ),
    "text2int(x)": (
        r"CASE WHEN regexp_full_match(trim(x, ' '), '[+-]?\d+') THEN CAST(trim(x, ' ') AS HUGEINT) "
        "WHEN x IS NULL THEN NULL ELSE error('SQL Server 245: Conversion failed when converting to int: ' || x) END"
    ),
}


def macros() -> list[str]:
    """The CREATE MACRO statements; their calls to one another are qualified, as a session is in another database."""
    names = "|".join(head.partition("(")[0] for head in _MACROS)
    calls = re.compile(rf"(?<![\w.])({names})\(")
    return [f"CREATE MACRO {head} AS {calls.sub(rf'{PLACE}\1(', body)}" for head, body in _MACROS.items()]


def call(name: str, *arguments: object) -> str:
    """A call of a macro."""
    return f"{PLACE}{name}({', '.join(map(str, arguments))})"
