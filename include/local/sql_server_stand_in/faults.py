"""Which faults has a test asked for, and whom may they meet?

A fault belongs to the session that set it, and is gone with it. It never meets that session itself, nor anything out of
its scope: a database, and if it is said a table, a column or a login. So tests that share a server share no faults.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from include.local.sql_server_stand_in.catalogue.tables import Table
from include.local.sql_server_stand_in.errors import SqlError

EVENTS = ("reset", "hang", "deadlock", "short")
"""They strike once, unless told otherwise, when a result has given so many rows."""
STATES = ("denied", "refused")
"""SELECT on a table or a column is denied; a login is refused. They last, unless told otherwise."""
KINDS = (*EVENTS, *STATES)


@dataclass(frozen=True)
class Meeting:
    """A statement, or a login, that a fault may meet; the columns that it reads of each table."""

    spid: int
    login: str
    database: str
    reads: dict[Table, set[str]] = field(default_factory=dict)
    writes: Table | None = None

    @property
    def tables(self) -> dict[Table, set[str]]:
        return self.reads if self.writes is None else {self.writes: set(), **self.reads}


@dataclass(frozen=True)
class Scope:
    """Empty: any. `table` is 'schema.table'."""

    database: str
    table: str = ""
    column: str = ""
    login: str = ""

    def holds(self, meeting: Meeting) -> bool:
        if self.login and self.login.lower() != meeting.login.lower():
            return False
        if not self.table:
            databases = {meeting.database, *(table.database for table in meeting.tables)}
            return self.database.lower() in {name.lower() for name in databases}
        return any(self._is(table) and self._names(columns) for table, columns in meeting.tables.items())

    def _is(self, table: Table) -> bool:
        return (self.database.lower(), self.table.lower()) == (
            table.database.lower(),
            f"{table.schema}.{table.name}".lower(),
        )

    def _names(self, columns: set[str]) -> bool:
        return not self.column or self.column.lower() in {name.lower() for name in columns}


@dataclass
class Fault:
    kind: str
    scope: Scope
    set_by: int
    after_rows: int = 0
    times: int | None = None
    """How often it is still to strike; None: always."""


class Faults:
    """All faults of a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def lift(self, set_by: int) -> None:
        """Those that this session has set."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.set_by != set_by]

    def event(self, meeting: Meeting) -> Fault | None:
        """The event that waits for this statement."""
        return self._find(EVENTS, meeting)

    def take(self, fault: Fault) -> bool:
        """Let it strike once more; False when it has been lifted or has struck often enough."""
        with self._lock:
            if fault not in self._faults or fault.times == 0:
                return False
            fault.times = None if fault.times is None else fault.times - 1
            return True

    def check_login(self, meeting: Meeting) -> None:
        """Raises SqlError where it is refused."""
        fault = self._find(("refused",), meeting)
        if fault and self.take(fault):
            raise SqlError(18456, f"Login failed for user '{meeting.login}'.", 14)

    def check_rights(self, meeting: Meeting) -> None:
        """Raises SqlError where what a statement reads is denied."""
        fault = self._find(("denied",), meeting)
        if fault and self.take(fault):
            raise _denied(fault.scope)

    def _find(self, kinds: tuple[str, ...], meeting: Meeting) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                is_meant = fault.kind in kinds and fault.times != 0 and fault.set_by != meeting.spid
                if is_meant and fault.scope.holds(meeting):
                    return fault
        return None


def _denied(scope: Scope) -> SqlError:
    schema, _, table = scope.table.partition(".")
    where = f"object '{table}', database '{scope.database}', schema '{schema}'."
    if scope.column:
        text = f"The SELECT permission was denied on the column '{scope.column}' of the {where}"
        return SqlError(230, text, 14)
    return SqlError(229, f"The SELECT permission was denied on the {where}", 14, state=5)


def deadlock(spid: int) -> SqlError:
    return SqlError(
        1205,
        f"Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been chosen "
        "as the deadlock victim. Rerun the transaction.",
        13,
        state=51,
    )
