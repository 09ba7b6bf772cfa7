"""Which customers does a reviewed query choose? (`sql/cohorts/<name>.sql`: one SELECT on the common model)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from include.catalogue import Catalogue
from include.errors import DeclarationError, raise_first
from include.mapping import line_of_node
from include.merge import reviewed
from include.merge.entity_facts import TableName
from include.merge.reviewed import SCHEMA
from include.names import identifier, key_column, place
from include.rendering import render


@dataclass(frozen=True)
class CohortQuery:
    """A query that gives keys of `entity`; `sql`: the author's own text."""

    name: str
    entity: str
    sql: str

    def ids(self, catalogue: Catalogue, table: TableName, *, most: int) -> str:
        """The statement of the ids by which one system (@system, @id_space) knows them: `most` and one more."""
        return render(
            catalogue.sql / "statements",
            "cohort.sql",
            identity=table("identity", self.entity),
            key=key_column(self.entity),
            chosen=reviewed.in_full(self.sql, table),
            most=most + 1,
        )

    def keys(self, catalogue: Catalogue, table: TableName, *, most: int) -> str:
        """The statement of the keys themselves, of whichever system: `most` and one more."""
        chosen, key = reviewed.in_full(self.sql, table), key_column(self.entity)
        return render(catalogue.sql / "statements", "move_chosen.sql", key=key, chosen=chosen, most=most + 1)


def read_cohort_query(catalogue: Catalogue, name: str) -> CohortQuery:
    """Of a file that is there. Raises DeclarationError with path:line when it is no query that gives one key."""
    path = catalogue.cohort_path(name)
    where = place(path)
    identifier(name, f"{where}:1")
    sql = path.read_text(encoding="utf-8")
    query = reviewed.parse(sql, f"{where}:1", "a cohort is one query", f"SELECT customer_key FROM {SCHEMA}.<entity> …")
    there = [f"{SCHEMA}.{entity}" for entity in catalogue.entity_names()]
    strange = reviewed.strange_tables(query, there, "a cohort is chosen from", where)
    raise_first([*strange, *reviewed.like_the_schema(query, where), *_by_chance(query, where)])
    return CohortQuery(name, _entity(catalogue, query, where), sql)


def _by_chance(query: exp.Query, where: str) -> Iterator[DeclarationError]:
    for node in query.find_all(*reviewed.BY_CHANCE, exp.Parameter, exp.Placeholder):
        yield DeclarationError(
            f"{node.sql('bigquery')[:80]} is not the same for each dataset that the run reads",
            where=f"{where}:{line_of_node(node.parent or node)}",
            remedy="choose by what the common model says",
        )


def _entity(catalogue: Catalogue, query: exp.Query, where: str) -> str:
    """Of which entity it gives keys."""
    keys = {key_column(entity): entity for entity in catalogue.entity_names()}
    given = reviewed.qualified(query, {SCHEMA: reviewed.columns(catalogue)}, where)
    names = given.named_selects
    if len(names) != 1 or names[0] not in keys:
        raise DeclarationError(
            f"a cohort gives one column, the key of an entity, and this gives {', '.join(names)}",
            where=f"{where}:{line_of_node(query.selects[0]) if query.selects else 1}",
            remedy=f"SELECT one of: {', '.join(keys)}",
        )
    return keys[names[0]]
