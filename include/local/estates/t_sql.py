"""How is made data spelt in T-SQL? For a real SQL Server as well as for the stand-in.

Literals, not parameters: the driver prepares each parametrised row by itself, which is far slower, and what is written
here was made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from include.local.estates.tables import Row, Table

ROWS_PER_STATEMENT = 500
"""SQL Server takes 1,000 at most, and compiles smaller statements faster than half of a great one."""


def literal(value: object) -> str:
    """The one place that spells a value. Raises TypeError for a kind that no table holds."""
    match value:
        case None:
            spelt = "NULL"
        case bool():
            spelt = "1" if value else "0"
        case int():
            spelt = str(value)
        case Decimal():
            spelt = f"{value:f}"
        case datetime():
            spelt = f"'{value.isoformat(timespec='milliseconds')}'"  # with the T it is read alike in every language
        case date():
            spelt = f"'{value.isoformat()}'"
        case str():
            spelt = "N'" + value.replace("'", "''") + "'"
        case _:
            raise TypeError(f"no T-SQL literal for a {type(value).__name__}")
    return spelt


def row_literal(row: Row) -> str:
    return "(" + ", ".join(map(literal, row)) + ")"


def create_table(table: Table) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns)
    if table.primary_key:
        columns += f", PRIMARY KEY ({', '.join(table.primary_key)})"
    return f"CREATE TABLE {table.local_name} ({columns})"


def inserts(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """As many statements as the rows need."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        values = ",\n".join(map(row_literal, rows[start : start + ROWS_PER_STATEMENT]))
        yield f"INSERT INTO {table.local_name} ({', '.join(table.written)}) VALUES\n{values}"


def insert(table: Table, row: Row) -> str:
    return next(inserts(table, [row]))


def delete(table: Table, keys: Sequence[object]) -> str:
    return f"DELETE FROM {table.local_name} WHERE {table.key} IN ({', '.join(map(literal, keys))})"


def update(table: Table, key: object, **changed: object) -> str:
    """`key` is a tuple where the key is more than one column."""
    changes = ", ".join(f"{column} = {literal(value)}" for column, value in changed.items())
    return f"UPDATE {table.local_name} SET {changes} WHERE {has_key(table, key)}"


def has_key(table: Table, key: object) -> str:
    """The condition that one row meets."""
    values = key if isinstance(key, tuple) else (key,)
    return " AND ".join(f"{column} = {literal(value)}" for column, value in zip(table.keys, values, strict=True))


def transaction(*statements: str) -> str:
    """All or nothing. Wants a session of `writing`, where any error rolls back."""
    return "; ".join(("BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION"))


WRITING = "SET NOCOUNT ON; SET XACT_ABORT ON"
"""Without XACT_ABORT a failed statement would let the batch go on to its COMMIT; without NOCOUNT the driver could stop
reading at the first count, before an error of a later statement."""
