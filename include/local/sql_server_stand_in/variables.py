"""What are the values that a statement can name with @ or @@, and how does DuckDB take them?"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.sql_types import (
    DATETIME,
    DATETIME2,
    DATETIMEOFFSET,
    DAYS_TO_1970,
    INT,
    SYSNAME,
    TICKS_PER_DAY,
    SqlType,
)
from include.local.sql_server_stand_in.tds.codes import PROGRAM, VERSION

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.session import Session

SYSTEM = {
    "@@trancount": INT,
    "@@spid": SqlType("smallint"),
    "@@dbts": SqlType("varbinary", 8),
    "@@version": SqlType("nvarchar", 300),
    # these are given by functions: nobody can name a variable so
    "getdate()": DATETIME,
    "sysutcdatetime()": DATETIME2,
    "sysdatetimeoffset()": DATETIMEOFFSET,
    "min_active_rowversion()": SqlType("binary", 8),
    "db_name()": SYSNAME,
    "schema_name()": SYSNAME,
}


def placeholder(name: str) -> str:
    """The name of DuckDB's parameter for a variable."""
    prefix = "variable_" if name.startswith("@") and not name.startswith("@@") else "system_"
    return prefix + re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", name.lstrip("@"))


class Variables:
    """Those of one batch, each with its type and its value as DuckDB takes it."""

    def __init__(self, values: dict[str, tuple[SqlType, Any]] | None = None) -> None:
        self._values = dict(values or {})

    def declare(self, name: str, kind: SqlType) -> None:
        if name in self._values:
            raise SqlError(134, f"The variable name '{name}' has already been declared.", 15)
        self._values[name] = (kind, None)

    def assign(self, name: str, value: Any) -> None:
        self._values[name] = (self.type_of(name), value)

    def type_of(self, name: str) -> SqlType:
        if name in self._values:
            return self._values[name][0]
        if name in SYSTEM:
            return SYSTEM[name]
        if name.startswith("@@"):
            raise not_known(name)
        raise SqlError(137, f'Must declare the scalar variable "{name}".', 15, state=2)

    def value(self, name: str, session: Session) -> Any:
        return self._values[name][1] if name in self._values else system_value(name, session)


def system_value(name: str, session: Session) -> Any:
    now = time.time_ns() // 100 + DAYS_TO_1970 * TICKS_PER_DAY
    values: dict[str, Callable[[], Any]] = {
        "@@trancount": lambda: session.transaction.depth,
        "@@spid": lambda: session.spid,
        "@@dbts": lambda: session.last_rowversion().to_bytes(8),
        "@@version": lambda: f"{PROGRAM} (a stand-in) - {'.'.join(map(str, VERSION))}.0 (X64)",
        "min_active_rowversion()": lambda: session.lowest_open_rowversion().to_bytes(8),
        "db_name()": lambda: session.database,
        "schema_name()": lambda: "dbo",
        "getdate()": lambda: _as_datetime(now),
        "sysutcdatetime()": lambda: now,
        "sysdatetimeoffset()": lambda: {"u": now, "o": 0},
    }
    return values[name]()


def _as_datetime(ticks: int) -> dt.datetime:
    """Rounded to 1/300 s, as a datetime is."""
    units = (ticks % TICKS_PER_DAY * 3 + 50_000) // 100_000
    return dt.datetime(1, 1, 1) + dt.timedelta(days=ticks // TICKS_PER_DAY, milliseconds=(units * 10 + 1) // 3)
