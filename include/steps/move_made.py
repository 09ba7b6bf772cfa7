"""Which moves have been made? (`migration.move`)"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from include.errors import FormError
from include.names import did_you_mean
from include.rendering import table
from include.steps.move_request import ROLL_BACK
from include.steps.servers import Servers


@dataclass(frozen=True)
class Made:
    """A move, or the roll-back of one, that was made. customers, changes, events, vanished: what it did."""

    move_id: str
    kind: str
    rolls_back: str | None
    rolled_back_by: str | None
    to_system: str | None
    reason: str
    requested_by: str | None
    approved_by: str | None
    decided_at: datetime
    customers: int
    cohort_hash: str
    changes: int
    events: int
    vanished: int

    def summary(self) -> dict[str, Any]:
        names = ("move_id", "kind", "rolls_back", "to_system", "customers", "changes", "events", "vanished")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def read_moves(servers: Servers, *move_ids: str) -> list[Made]:
    """Those of these that were made, the oldest first."""
    name = servers.cloud.table("migration", "move")
    columns = ", ".join(field.name for field in fields(Made))
    params = {f"m{number}": move_id for number, move_id in enumerate(move_ids)}
    chosen = ", ".join(f"@{param}" for param in params) or "NULL"
    sql = f"SELECT {columns} FROM {table(name)} WHERE move_id IN ({chosen}) ORDER BY decided_at, move_id"
    return [Made(**row) for row in servers.big_query.query(sql, params, where=name)]


def read_move(servers: Servers, move_id: str) -> Made | None:
    return next(iter(read_moves(servers, move_id)), None)


def moved_customers(servers: Servers, move_id: str) -> list[str]:
    """The keys of a move's customers, in order."""
    name = servers.cloud.table("migration", "moved_customer")
    sql = f"SELECT customer_key FROM {table(name)} WHERE move_id = @move_id ORDER BY customer_key"
    return [str(row["customer_key"]) for row in servers.big_query.query(sql, {"move_id": move_id}, where=name)]


def to_be_rolled_back(servers: Servers, move_id: str) -> Made:
    """Raises FormError for a move that was never made, that is a roll-back, or was rolled back already."""
    found = read_move(servers, move_id)
    if found is None:
        name = servers.cloud.table("migration", "move")
        rows = servers.big_query.query(
            f"SELECT move_id FROM {table(name)} ORDER BY decided_at DESC LIMIT 1000", where=name
        )
        near = did_you_mean(move_id, [row["move_id"] for row in rows])
        named = repr(move_id) if re.fullmatch(r"[0-9a-f]{12}", move_id) else "of that id"  # it may be somebody's name
        raise _refused(f"there is no move {named}{near}", "its id stands in the summary of the run that made it")
    if found.kind == "roll_back":
        remedy = "a roll-back is not taken back: move its customers again"
        raise _refused(f"{move_id} is the roll-back of {found.rolls_back}", remedy)
    if found.rolled_back_by:
        raise _refused(
            f"the move {move_id} was rolled back already, by {found.rolled_back_by}", "nothing is left to do"
        )
    return found


def _refused(problem: str, remedy: str) -> FormError:
    return FormError(problem, where=f"the form of {ROLL_BACK}", remedy=remedy)
