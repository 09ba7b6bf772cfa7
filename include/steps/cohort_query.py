"""Which customers does a reviewed query choose? (`sql/cohorts/<name>.sql`: one SELECT on the common model)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

from include.catalogue import Catalogue
from include.errors import DeclarationError, raise_first
from include.mapping import line_of_node, not_sql
from include.merge.entity_facts import TableName
from include.names import did_you_mean, identifier, key_column, place
from include.rendering import render
from include.rendering import table as quoted

SCHEMA = "common_model"
_BESIDE = {"source_system": "STRING", "change_number": "INT64", "changed_at": "TIMESTAMP"}
"""What a table of the common model has beside key and columns."""
_BY_CHANCE = (exp.Rand, exp.Uuid, exp.TableSample, exp.Limit, exp.Offset, exp.AnyValue, exp.SessionUser, exp.Version)


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
            chosen=_in_full(self.sql, table),
            most=most + 1,
        )


def read_cohort_query(catalogue: Catalogue, name: str) -> CohortQuery:
    """Of a file that is there. Raises DeclarationError with path:line when it is no query that gives one key."""
    path = catalogue.cohort_path(name)
    where = place(path)
    identifier(name, f"{where}:1")
    sql = path.read_text(encoding="utf-8")
    query = _query(sql, where)
    raise_first([*_strange_tables(catalogue, query, where), *_like_the_schema(query, where), *_by_chance(query, where)])
    return CohortQuery(name, _entity(catalogue, query, where), sql)


def _query(sql: str, where: str) -> exp.Query:
    try:
        parsed = sqlglot.parse(sql, read="bigquery")
    except SqlglotError as error:
        raise not_sql(error, where) from None
    statements = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        remedy = f"write SELECT customer_key FROM {SCHEMA}.<entity> … and nothing else"
        raise DeclarationError("a cohort is one query", where=f"{where}:1", remedy=remedy)
    return statements[0]


def _strange_tables(catalogue: Catalogue, query: exp.Query, where: str) -> Iterator[DeclarationError]:
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    there = [f"{SCHEMA}.{entity}" for entity in catalogue.entity_names()]
    for table in query.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts)
        if name not in there and name not in own:
            yield DeclarationError(
                f"there is no table {name}{did_you_mean(name, there)}",
                where=f"{where}:{line_of_node(table)}",
                remedy=f"a cohort is chosen from: {', '.join(there)}",
            )


def _like_the_schema(query: exp.Query, where: str) -> Iterator[DeclarationError]:
    """Its columns would be taken for tables, whose names are written out in full."""
    for alias in query.find_all(exp.TableAlias):
        if alias.name.lower() == SCHEMA:
            yield DeclarationError(
                f"{SCHEMA} is the name of the dataset, and of a table here",
                where=f"{where}:{line_of_node(alias.parent or alias)}",
                remedy="give the table another alias",
            )


def _by_chance(query: exp.Query, where: str) -> Iterator[DeclarationError]:
    for node in query.find_all(*_BY_CHANCE, exp.Parameter, exp.Placeholder):
        yield DeclarationError(
            f"{node.sql('bigquery')[:80]} is not the same for each dataset that the run reads",
            where=f"{where}:{line_of_node(node.parent or node)}",
            remedy="choose by what the common model says",
        )


def _entity(catalogue: Catalogue, query: exp.Query, where: str) -> str:
    """Of which entity it gives keys."""
    keys = {key_column(entity): entity for entity in catalogue.entity_names()}
    columns = {
        entity: {key: "STRING", **_BESIDE, **catalogue.entity(entity).model_columns()} for key, entity in keys.items()
    }
    try:
        given = qualify(query.copy(), schema={SCHEMA: columns}, dialect="bigquery", quote_identifiers=False)
    except OptimizeError as error:
        problem, _, at = str(error).partition(". Line: ")
        line = re.match(r"\d+", at)
        raise DeclarationError(
            problem, where=f"{where}:{line[0] if line else 1}", remedy="use the columns of the entities' contracts"
        ) from None
    names = given.named_selects
    if len(names) != 1 or names[0] not in keys:
        raise DeclarationError(
            f"a cohort gives one column, the key of an entity, and this gives {', '.join(names)}",
            where=f"{where}:{line_of_node(query.selects[0]) if query.selects else 1}",
            remedy=f"SELECT one of: {', '.join(keys)}",
        )
    return keys[names[0]]


def _in_full(sql: str, table: TableName) -> str:
    """The author's text, in which each table has its whole name, without the semicolon at its end."""
    parts, done = list[str](), 0
    for begin, end, entity in _places(list(BigQuery().tokenize(sql))):
        parts += [sql[done:begin], quoted(table(SCHEMA, entity))]
        done = end
    parts.append(sql[done:])
    return re.sub(r";\s*(--[^\n]*\s*)*\Z", "", "".join(parts)).rstrip()


def _places(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """Where a table is named, from and to, and its entity."""
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.IDENTIFIER and token.text.startswith(f"{SCHEMA}."):
            yield token.start, token.end + 1, token.text.removeprefix(f"{SCHEMA}.")
        elif token.text == SCHEMA and tokens[index + 1].token_type == TokenType.DOT:
            yield token.start, tokens[index + 2].end + 1, tokens[index + 2].text
