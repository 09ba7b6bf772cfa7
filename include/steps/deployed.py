"""Do the tables of a use case's entities exist, as the contracts are now? (asked before anything is read)"""

from __future__ import annotations

from include.catalogue import Catalogue
from include.errors import NotDeployed
from include.steps.servers import Servers
from include.use_case import UseCase


def check_tables(catalogue: Catalogue, servers: Servers, case: UseCase) -> None:
    """Raises NotDeployed where a table or a column is missing.

    One call for each entity: `apply_tables` makes and widens its change log last, so that speaks for the others.
    """
    for entity in dict.fromkeys([*(mapping.entity for mapping in case.mappings), *case.publishes]):
        _check(servers, servers.cloud.table("change_log", entity), list(catalogue.entity(entity).model_columns()))


def _check(servers: Servers, table: str, wanted: list[str]) -> None:
    there = servers.big_query.facts(table)
    lacking = [] if there is None else [name for name in wanted if name not in there.columns]
    if there is None or lacking:
        raise NotDeployed(
            f"the table lacks {', '.join(lacking)}" if lacking else "there is no such table",
            where=table,
            remedy="nothing was read. Run `python -m include tables apply` with the declarations of this deployment",
        )
