"""Is an author's query on the common model what it may be, and how does it become a statement? (cohorts, checks)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

from include.catalogue import Catalogue
from include.errors import DeclarationError
from include.mapping import line_of_node, not_sql
from include.merge.entity_facts import TableName
from include.names import did_you_mean, key_column
from include.rendering import table as quoted

SCHEMA = "common_model"
BESIDE = {"source_system": "STRING", "change_number": "INT64", "changed_at": "TIMESTAMP"}
"""What a table of the common model has beside key and columns."""
BY_CHANCE = (exp.Rand, exp.Uuid, exp.TableSample, exp.Limit, exp.Offset, exp.AnyValue, exp.SessionUser, exp.Version)
"""What may give another answer to the same question."""


def parse(sql: str, where: str, problem: str, wanted: str) -> exp.Query:
    """The one query of a text; `where` is the line at which it begins. Raises DeclarationError."""
    try:
        parsed = sqlglot.parse(sql, read="bigquery")
    except SqlglotError as error:
        raise not_sql(error, where.rpartition(":")[0]) from None
    statements = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DeclarationError(problem, where=where, remedy=f"write {wanted} and nothing else")
    return statements[0]


def strange_tables(query: exp.Query, there: Sequence[str], what: str, where: str) -> Iterator[DeclarationError]:
    """Tables that it may not read; `what` is read instead."""
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts)
        if name not in there and name not in own:
            yield DeclarationError(
                f"there is no table {name}{did_you_mean(name, there)}",
                where=f"{where}:{line_of_node(table)}",
                remedy=f"{what}: {', '.join(there)}",
            )


def like_the_schema(query: exp.Query, where: str) -> Iterator[DeclarationError]:
    """Its columns would be taken for tables, whose names are written out in full."""
    for alias in query.find_all(exp.TableAlias):
        if alias.name.lower() == SCHEMA:
            yield DeclarationError(
                f"{SCHEMA} is the name of the dataset, and of a table here",
                where=f"{where}:{line_of_node(alias.parent or alias)}",
                remedy="give the table another alias",
            )


def columns(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """The columns of each table of the common model, name to type."""
    return {
        entity: {key_column(entity): "STRING", **BESIDE, **catalogue.entity(entity).model_columns()}
        for entity in catalogue.entity_names()
    }


def qualified(query: exp.Query, schema: Mapping[str, Any], where: str) -> exp.Query:
    """The query with each column's table. Raises DeclarationError for a column that is not there."""
    try:
        return qualify(query.copy(), schema=dict(schema), dialect="bigquery", quote_identifiers=False)  # type: ignore[return-value]
    except OptimizeError as error:
        problem, _, at = str(error).partition(". Line: ")
        line = re.match(r"\d+", at)
        raise DeclarationError(
            problem, where=f"{where}:{line[0] if line else 1}", remedy="use the columns of the entities' contracts"
        ) from None


def in_full(sql: str, table: TableName) -> str:
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
