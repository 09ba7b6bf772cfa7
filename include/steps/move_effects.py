"""What would it change? (counted by the statements that would change it, on temporary tables)"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from include.catalogue import Catalogue
from include.merge.move import effects_statement
from include.steps.move_report import Effect
from include.steps.servers import Servers

_LISTS = ("vanishing", "opened_keys", "not_there")


def effects_of_move(
    catalogue: Catalogue, servers: Servers, keys: Sequence[str], to_system: str
) -> tuple[list[Effect], int]:
    """Per entity of which they have something; and the bytes that were read to find out."""
    sql = effects_statement(catalogue, servers.cloud.table, back=False)
    return _effects(servers, sql, {"ids": "\n".join(keys), "to_system": to_system})


def effects_of_roll_back(catalogue: Catalogue, servers: Servers, move_id: str) -> tuple[list[Effect], int]:
    """As effects_of_move."""
    return _effects(servers, effects_statement(catalogue, servers.cloud.table, back=True), {"rolls_back": move_id})


def _effects(servers: Servers, sql: str, params: dict[str, Any]) -> tuple[list[Effect], int]:
    where = "the report of a move"
    job = servers.big_query.start(sql, params, where=where)
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"columns": {}, **{name: [] for name in _LISTS}})
    for row in servers.big_query.finish(job, where=where):
        entity = found[row["entity"]]
        match row["what"]:
            case "column":
                entity["columns"][row["name"]] = row["number"]
            case which if which in _LISTS:
                entity[which].append(row["name"])
            case _:
                entity[row["name"]] = row["number"]
    effects = [Effect(entity, **counted) for entity, counted in found.items()]
    return effects, int(job.total_bytes_processed or 0)
