"""What becomes of each type of SQL Server? (`docs/types.md`, from the rules that extraction goes by)"""

from __future__ import annotations

from collections.abc import Iterator

from include.extract.exact import LARGEST_CELL
from include.extract.types import OFFSET, RULES, Rule, SourceColumn, arrow_type, targets
from include.steps.catalogue_page import table

PAGE = "docs/types.md"
_HEAD = """# The types of SQL Server

Written by `make docs` from `include/extract/types.py`; a test fails when it is out of date. Do not edit it.

A value is carried exactly, or its column is refused with the reason; nothing is approximated in silence. The contract
says which BigQuery type a column has here; the usual one is named first, and `python -m include new source` writes it.
Where the driver or BigQuery would lose something, the source itself converts the column, by the T-SQL that is shown.

"""
_SAMPLES = {
    "decimal": [
        ("p-s up to 29, s up to 9", SourceColumn("c", "decimal", 18, 4)),
        ("beyond", SourceColumn("c", "decimal", 38, 10)),
    ],
    **{
        kind: [
            ("0 to 6 digits", SourceColumn("c", kind, fraction=6)),
            ("7 digits", SourceColumn("c", kind, fraction=7)),
        ]
        for kind in ("time", "datetime2", "datetimeoffset")
    },
    "char": [
        ("of 50", SourceColumn("c", "char", length=50)),
        ("of more than 4000, (max)", SourceColumn("c", "char", length=-1)),
    ],
}
"""Types of which more than the name decides, by a column of each kind."""
_TAIL = f"""
Whatever the type:

- **Offset of a moment**: a contract's column `{{type: INT64, offset_of: <column>}}` holds the minutes from UTC of a
  `datetimeoffset` that is read as TIMESTAMP, by `{OFFSET.format("[c]")}`.
- **Alias types** are their base type. Any other **CLR type** is refused: only its own code knows what its bytes mean.
- **Computed columns** are read as any other, persisted or not. One that is computed from more than its row (the clock,
  a random number, another table) changes without its row's rowversion: it is refused where only changed rows are read
  (`capture: rowversion`), and read where everything is (`snapshot`).
- **Sparse columns, FILESTREAM, identity, `GENERATED ALWAYS`** make no difference to what is read.
- **Masked columns** are refused unless our login has UNMASK: else the masks would be taken for data. **Encrypted
  columns** (Always Encrypted) are refused.
- **Text** is read as UTF-16. Half of a surrogate pair is no character; the driver turns it into U+FFFD without a word,
  so the source is asked, in the same picture, whether it has as many U+FFFD as came: else the batch is refused.
- **A text or binary of more than {LARGEST_CELL:,} bytes** in one row is refused, with the column's name.
- NaN and infinities do not exist in SQL Server; an empty text stays empty, NULL stays NULL.
"""


def page() -> str:
    """The whole page, as Markdown."""
    rows = [row for rule in RULES for row in _rows(rule)]
    return _HEAD + table(("SQL Server", "BigQuery", "in Parquet", "asked as", "remark"), rows) + _TAIL


def _rows(rule: Rule) -> Iterator[tuple[str, ...]]:
    names = ", ".join(f"`{kind}`" for kind in rule.types)
    for label, column in _SAMPLES.get(rule.types[0], [("", SourceColumn("c", rule.types[0]))]):
        found = targets(column)
        kinds = " or ".join(way.type for way in found) or "**refused**"
        held = " or ".join(f"`{arrow_type(way.type)}`" for way in found)
        asked = " or ".join(f"`{way.sql.format('[c]')}`" for way in found if way.sql != "{}")
        yield f"{names}{f' ({label})' if label else ''}", kinds, held, asked, rule.remark or rule.refused
