"""Which conversions of a mapping can fail on a value? (one such row would stop all the others)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

_PARSED = (
    *(exp.StrToDate, exp.StrToTime, exp.ParseDatetime, exp.ParseTime),
    *(exp.ParseNumeric, exp.ParseBignumeric, exp.ParseJSON),
)
_OF_TIMES = {exp.Date: "DATE", exp.Timestamp: "TIMESTAMP", exp.TsOrDsToDatetime: "DATETIME"}
"""DATE(x), TIMESTAMP(x, zone), DATETIME(x): conversions, too, if x is a STRING."""
_NEVER_FAIL = {
    "INT64": {"STRING", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL"},
    "NUMERIC": {"STRING", "BIGNUMERIC", "FLOAT64"},
    "BIGNUMERIC": {"STRING", "FLOAT64"},
    "FLOAT64": {"STRING"},
    "BOOL": {"STRING", "INT64"},
    "STRING": {"BYTES"},
    "DATE": {"STRING", "DATETIME", "TIMESTAMP"},
    "DATETIME": {"STRING", "DATE", "TIME", "TIMESTAMP"},
    "TIMESTAMP": {"STRING", "DATE", "TIME", "DATETIME"},
    "TIME": {"STRING"},
}


@dataclass(frozen=True)
class Conversion:
    """`text` makes `to` (empty: what its format says) of a column, or of an expression of the type `of` (neither: of
    what nobody knows)."""

    text: str
    to: str
    column: str = ""
    of: str = ""
    is_function: bool = False

    def can_fail(self, types: Mapping[str, str]) -> bool:
        """types: those of the dataset's columns."""
        of = types.get(self.column, "") if self.column else self.of
        if self.is_function:
            return of == "STRING"
        return not self.to or (of != self.to and self.to not in _NEVER_FAIL.get(of, ()))


def conversions(node: exp.Expr) -> Iterator[Conversion]:
    """All but those that give NULL instead (SAFE_CAST, SAFE.PARSE_DATE), and those of NULL or of a literal."""
    for found in node.find_all(exp.Cast, *_PARSED, *_OF_TIMES):
        inner, text = found.this, found.sql("bigquery")[:80]
        if isinstance(found, exp.TryCast) or isinstance(found.parent, exp.SafeFunc):
            continue
        if isinstance(found, _PARSED):
            yield Conversion(text, "")
        elif not isinstance(inner, exp.Null | exp.Literal):
            to = found.to.sql("bigquery") if isinstance(found, exp.Cast) else _OF_TIMES[type(found)]
            column = inner.name if isinstance(inner, exp.Column) else ""
            of = inner.to.sql("bigquery") if isinstance(inner, exp.Cast) else ""
            yield Conversion(text, to, column, of, not isinstance(found, exp.Cast))
