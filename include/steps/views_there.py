"""Which views must there be, and which must be made anew?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from include.catalogue import Catalogue
from include.merge.entity_facts import TableName, facts
from include.rendering import render
from include.steps.servers import Servers
from include.steps.tables_there import Columns, information

HISTORY = "history"


@dataclass(frozen=True)
class View:
    """A view as it must be. Its description names its text: BigQuery tells a definition in words of its own."""

    name: str
    ddl: str
    description: str
    columns: tuple[str, ...]

    def is_outdated(self, there: Columns | None, description: str | None) -> bool:
        """Whether it must be made anew. One that has more columns is a newer deployment's, and somebody may read them:
        it stays when an older one is deployed again."""
        if there is None:
            return True
        return description != self.description and set(there) <= set(self.columns)


def history_view(catalogue: Catalogue, name_of: TableName, entity: str) -> View:
    """`history.<entity>`: the change log as rows that were valid for a time."""
    e = facts(catalogue, name_of, entity)
    folder = catalogue.sql / "ledger"
    text = render(folder, "history.sql", e=e, description="definition")
    description = f"definition-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    ddl = render(folder, "history.sql", e=e, description=description)
    select = sqlglot.parse_one(ddl, read="bigquery").find(exp.Select)
    assert select is not None
    columns = tuple(column.alias_or_name for column in select.expressions)
    return View(name_of(HISTORY, entity), ddl, description, columns)


def descriptions_there(servers: Servers, datasets: Iterable[str]) -> Mapping[str, str]:
    """What tables and views of these datasets of ours are described as, by their full names."""
    cloud = servers.cloud
    parts = [
        f"SELECT table_schema, table_name, option_value FROM {information(cloud, dataset, 'TABLE_OPTIONS')} "
        "WHERE option_name = 'description'"
        for dataset in datasets
    ]
    rows = servers.big_query.query("\nUNION ALL ".join(parts), where=f"{cloud.project}.{cloud.dataset_prefix}*")
    return {f"{cloud.project}.{row['table_schema']}.{row['table_name']}": row["option_value"][1:-1] for row in rows}
