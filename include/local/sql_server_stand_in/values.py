"""Which values does a statement need, once it is DuckDB's SQL?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.local.sql_server_stand_in.variables import placeholder

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.session import Session
    from include.local.sql_server_stand_in.translate.scope import Reads


def values_in(session: Session, sql: str, reads: Reads) -> dict[str, Any]:
    """By placeholder, and no more than this SQL has: DuckDB refuses a value that it does not use."""
    return {
        placeholder(name): session.variables.value(name, session)
        for name in reads.variables
        if f"${placeholder(name)} " in sql
    }
