"""Which of our tables are there, with which columns? (one question for all datasets)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from include.connections import GoogleCloudSettings
from include.errors import DriftError
from include.rendering import column, table
from include.steps.servers import Servers

Columns = Mapping[str, str]
"""Name to type."""


@dataclass(frozen=True)
class Wanted:
    """A table as it must be: its CREATE statement, and what that declares."""

    ddl: str
    name: str = field(init=False)
    columns: Columns = field(init=False)

    def __post_init__(self) -> None:
        name, columns = declared_columns(self.ddl)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "columns", columns)

    def additions(self, there: Columns) -> dict[str, str]:
        """The columns that `there` lacks. Raises DriftError where one has another type."""
        _refuse_other_types(self.name, self.columns, there)
        return {name: kind for name, kind in self.columns.items() if name not in there}

    def alteration(self, additions: Columns) -> str:
        """The ALTER TABLE that adds them; what another deployment has added meanwhile stays."""
        added = [f"ADD COLUMN IF NOT EXISTS {column(name)} {kind}" for name, kind in additions.items()]
        return f"ALTER TABLE {table(self.name)} {', '.join(added)}"


def declared_columns(ddl: str) -> tuple[str, dict[str, str]]:
    """The table and its columns, name to type, of a CREATE TABLE."""
    tree = sqlglot.parse_one(ddl, read="bigquery")
    columns = {c.name: c.args["kind"].sql("bigquery") for c in tree.find_all(exp.ColumnDef)}
    return ".".join(part.name for part in tree.find(exp.Table).parts), columns  # type: ignore[union-attr]


def columns_there(servers: Servers, datasets: Iterable[str]) -> dict[str, dict[str, str]]:
    """Every table of these datasets of ours, by its full name: its columns, with their types as SQL writes them."""
    cloud, found = servers.cloud, dict[str, dict[str, str]]()
    parts = [
        f"SELECT table_schema, table_name, column_name, data_type FROM {information(cloud, dataset, 'COLUMNS')}"
        for dataset in datasets
    ]
    rows = servers.big_query.query("\nUNION ALL ".join(parts), where=f"{cloud.project}.{cloud.dataset_prefix}*")
    for row in rows:
        name = f"{cloud.project}.{row['table_schema']}.{row['table_name']}"
        found.setdefault(name, {})[row["column_name"]] = row["data_type"]
    return found


def information(cloud: GoogleCloudSettings, dataset: str, what: str) -> str:
    """A view of what BigQuery says of a dataset of ours, quoted."""
    checked = table(cloud.table(dataset, what)).strip("`").rpartition(".")[0]
    return f"`{checked}`.INFORMATION_SCHEMA.{what}"


def _refuse_other_types(name: str, wanted: Columns, there: Columns) -> None:
    other = {c: (there[c], kind) for c, kind in wanted.items() if c in there and _bare(kind) != _bare(there[c])}
    if other:
        text = "; ".join(f"{c} is {was}, the contract says {kind}" for c, (was, kind) in other.items())
        remedy = "a type is never changed in place: add a column of another name, fill it, and retire the old one"
        raise DriftError(text, where=name, remedy=remedy)


def _bare(kind: str) -> str:
    """A type without its precision: BigQuery widens that, and never tells it the same way twice."""
    return re.split(r"[(<]", kind)[0]
