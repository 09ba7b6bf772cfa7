"""What must hold of an entity's rows? (`sql/common_model/<entity>/checks.sql`)

Each check is a query of the keys that break it, under a line that says how much it matters:

    -- fail <name>: <why>    the merge that would write such a row is rolled back; reads `changed`, the rows that it is
                             about to write, and in customer `speaking`, which system speaks for whom
    -- warn <name>: <why>    told after the merge; reads the common model, and may give a moment `since` beside the key
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from include.catalogue import Catalogue
from include.errors import DeclarationError, raise_first
from include.mapping import line_of_node
from include.merge import reviewed
from include.merge.entity_facts import CUSTOMER, Facts, TableName, facts
from include.merge.reviewed import SCHEMA
from include.names import key_column, place
from include.rendering import render

CHANGED, SPEAKING = "changed", "speaking"
NOT_THERE = "only_another_system_has_it"
STANDING = ("two_records_of_one_system", "two_customers_have_it", NOT_THERE)
"""What is told without being declared (`warnings.sql` of the statements)."""
_HEAD = re.compile(r"-- (fail|warn) ([a-z][a-z0-9_]*): (\S.*)")
_LIKE_A_HEAD = re.compile(r"--\s*(fail|warn)\b", re.IGNORECASE)
_NOT_IN_TEXT = re.compile(r"['\"\\]")


@dataclass(frozen=True)
class Check:
    """A check: `sql` is the author's own query, `line` where its heading stands."""

    level: Literal["fail", "warn"]
    name: str
    why: str
    sql: str
    line: int
    tells_since: bool = False


def read_checks(catalogue: Catalogue, entity: str) -> tuple[Check, ...]:
    """The checks of an entity; none without a file. Raises DeclarationError with path:line for what is wrong."""
    path = catalogue.entity_folder(entity) / "checks.sql"
    if not path.exists():
        return ()
    where, checks, mistakes = place(path), list[Check](), list[DeclarationError]()
    for head, line, sql in _blocks(path.read_text(encoding="utf-8"), where):
        try:
            checks.append(_check(catalogue, entity, head, line, sql, where))
        except DeclarationError as error:
            mistakes += error.all()
    raise_first([*mistakes, *_named_twice(checks, where)])
    return tuple(checks)


def warnings_statement(catalogue: Catalogue, table: TableName, entity: str) -> str | None:
    """How many rows break each `warn` check, and since when the oldest does; None without such a check."""
    e = facts(catalogue, table, entity)
    told: list[dict[str, Any]] = [
        {"name": name, "sql": None, "tells_since": name == NOT_THERE} for name in _standing(e)
    ]
    for check in (check for check in read_checks(catalogue, entity) if check.level == "warn"):
        sql = _indented(reviewed.in_full(check.sql, table))
        told.append({"name": check.name, "sql": sql, "tells_since": check.tells_since})
    return render(catalogue.sql / "statements", "warnings.sql", e=e, warns=told) if told else None


def _standing(e: Facts) -> Iterator[str]:
    """Those of `STANDING` that can be broken: by links that contradict, or by a system that speaks and has nothing."""
    if e.linkable:
        yield "two_records_of_one_system"
    if e.linkable and e.customer == "reference":
        yield "two_customers_have_it"
    if e.customer == "own":
        yield NOT_THERE


def fails_of(catalogue: Catalogue, *entities: str) -> dict[str, list[dict[str, Any]]]:
    """The `fail` checks of each, as `checks.sql` of the statements takes them."""
    return {entity: _fails(catalogue, entity) for entity in entities}


def _fails(catalogue: Catalogue, entity: str) -> list[dict[str, Any]]:
    checks = [check for check in read_checks(catalogue, entity) if check.level == "fail"]
    return [{"name": c.name, "why": c.why, "sql": _indented(reviewed.in_full(c.sql, _no_table))} for c in checks]


def _no_table(dataset: str, name: str) -> str:
    raise AssertionError(f"a fail check was proven not to read {dataset}.{name}")


def _indented(sql: str) -> str:
    return sql.strip().replace("\n", "\n      ")


def _blocks(text: str, where: str) -> Iterator[tuple[re.Match[str], int, str]]:
    """Each heading with its line and the lines below it. Raises DeclarationError for SQL without a heading."""
    head, begun, lines = None, 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        found = _HEAD.fullmatch(line.rstrip())
        if found is None and (_LIKE_A_HEAD.match(line) or (head is None and line.strip() and line[:2] != "--")):
            raise DeclarationError(
                "each check has a line above it that says how much it matters",
                where=f"{where}:{number}",
                remedy="write -- fail <name>: <why>, or -- warn <name>: <why>",
            )
        if found:
            if head:
                yield head, begun, "\n".join(lines)
            head, begun, lines = found, number, []
        else:
            lines.append(line)
    if head:
        yield head, begun, "\n".join(lines)


def _check(catalogue: Catalogue, entity: str, head: re.Match[str], line: int, sql: str, where: str) -> Check:
    level: Literal["fail", "warn"] = "fail" if head[1] == "fail" else "warn"
    if _NOT_IN_TEXT.search(head[3]):
        raise DeclarationError(
            f"why {head[2]} matters has a quote or a backslash",
            where=f"{where}:{line}",
            remedy="it stands in an error's text: write it in plain words",
        )
    schema = _tables(catalogue, entity, level)
    query = reviewed.parse("\n" * line + sql, f"{where}:{line}", "a check is one query", "SELECT the key …")
    there = [f"{SCHEMA}.{name}" for name in schema] if level == "warn" else list(schema)
    strange = reviewed.strange_tables(query, there, f"a {level} check reads", where)
    raise_first([*strange, *reviewed.like_the_schema(query, where), *_by_chance(query, where)])
    given = reviewed.qualified(query, {SCHEMA: schema} if level == "warn" else schema, where).named_selects
    return Check(level, head[2], head[3], sql, line, _tells_since(given, entity, level, f"{where}:{line}"))


def _tables(catalogue: Catalogue, entity: str, level: str) -> dict[str, dict[str, str]]:
    if level == "warn":
        return reviewed.columns(catalogue)
    rows = {key_column(entity): "STRING", "source_system": "STRING", **catalogue.entity(entity).model_columns()}
    return {CHANGED: rows} | ({SPEAKING: {"customer_key": "STRING", "system": "STRING"}} if entity == CUSTOMER else {})


def _by_chance(query: exp.Query, where: str) -> Iterator[DeclarationError]:
    for node in query.find_all(*reviewed.BY_CHANCE, exp.Parameter, exp.Placeholder):
        yield DeclarationError(
            f"{node.sql('bigquery')[:80]} may give another answer the next time",
            where=f"{where}:{line_of_node(node.parent or node)}",
            remedy="give every key that breaks the check",
        )


def _tells_since(given: list[str], entity: str, level: str, where: str) -> bool:
    """Whether the query gives a moment beside the key."""
    key = key_column(entity)
    if given != [key] and not (level == "warn" and given == [key, "since"]):
        also = f", or {key} and since" if level == "warn" else ""
        raise DeclarationError(
            f"the check gives {', '.join(given)}", where=where, remedy=f"a {level} check of {entity} gives {key}{also}"
        )
    return len(given) == 2


def _named_twice(checks: list[Check], where: str) -> Iterator[DeclarationError]:
    seen = set(STANDING)
    for check in checks:
        if check.name in seen:
            yield DeclarationError(
                f"two checks are called {check.name}", where=f"{where}:{check.line}", remedy="give each its own name"
            )
        seen.add(check.name)
