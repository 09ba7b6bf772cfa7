"""What does a client see when a statement fails, and which number has it?"""

from __future__ import annotations

import re

import duckdb


class SqlError(Exception):
    """An error as SQL Server would number it."""

    def __init__(self, number: int, text: str, severity: int = 16, *, state: int = 1) -> None:
        super().__init__(text)
        self.number, self.text, self.severity, self.state = number, text, severity, state


def not_known(what: str) -> SqlError:
    """For all that a real server may well understand: it is refused, never ignored in silence."""
    return SqlError(102, f"Incorrect syntax near '{what}': the stand-in does not know it.", 15)


def not_an_object(*parts: str) -> SqlError:
    return SqlError(208, f"Invalid object name '{'.'.join(part for part in parts if part)}'.")


def not_a_column(name: str) -> SqlError:
    return SqlError(207, f"Invalid column name '{name}'.")


DOOMED = 3930


def doomed() -> SqlError:
    return SqlError(
        DOOMED,
        "The current transaction cannot be committed and cannot support operations that write to the log file. "
        "Roll back the transaction.",
    )


_KNOWN = (  # a pattern in DuckDB's words; number, text, severity, state
    (r"^SQL Server (\d+): (.*)", 0, "", 16, 1),  # our own, raised by error() within a macro: see translate/macros.py
    (  # the catalogue in memory knows it, this transaction's picture of the database does not
        r"(?:Table|Column) with name|(?:Referenced column|does not have a column)",
        3961,
        "Snapshot isolation transaction failed because the object accessed by the statement has been modified by a "
        "DDL statement in another concurrent transaction since the start of this transaction.",
        16,
        1,
    ),
    (r"must appear in the GROUP BY clause", 8120, "A column is neither aggregated nor in the GROUP BY clause.", 16, 1),
    (
        r"[Dd]uplicate key \"?([^\"]*)",
        2627,
        "Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object. The duplicate key value is ({0}).",
        14,
        1,
    ),
    (
        r"NOT NULL constraint failed: (\S+)",
        515,
        "Cannot insert the value NULL into column '{0}'; column does not allow nulls. INSERT or UPDATE fails.",
        16,
        2,
    ),
    (r"[Cc]onflict", 3960, "Snapshot isolation transaction aborted due to update conflict.", 16, 5),
    (r"Could not convert|Conversion Error|invalid.*format", 245, "Conversion failed: {0}", 16, 1),
    (r"(?i)out of range|overflow", 8115, "Arithmetic overflow error: {0}", 16, 2),
    (r"[Dd]ivision by zero", 8134, "Divide by zero error encountered.", 16, 1),
)


def explain(error: Exception) -> SqlError:
    """Any error as SQL Server would number it; 50000 for what nobody foresaw."""
    if isinstance(error, SqlError):
        return error
    said = re.sub(r"^[\w ]+Error: ", "", str(error))
    for pattern, number, text, severity, state in _KNOWN if isinstance(error, duckdb.Error) else ():
        if found := re.search(pattern, said, re.DOTALL if number else 0):
            if not number:
                return SqlError(int(found[1]), found[2].strip())
            detail = next((group for group in found.groups() if group), said[:200])
            return SqlError(number, text.replace("{0}", detail), severity, state=state)
    return SqlError(50000, f"{type(error).__name__}: {said[:1500]}")
