"""What does each statement of a script read? (from its syntax alone: temporary tables cannot be dry-run)

An upper bound: a column that more than one table of a statement has counts for each, and what clustering or a
partition filter spares is not known before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import Token, exp

from include.clients.big_query import BigQuery
from include.rendering import column, table

Shapes = Mapping[str, Collection[str]]
"""Full table name to its columns."""


@dataclass(frozen=True)
class Part:
    """A statement: what it does, and which columns it reads of which lasting tables."""

    text: str
    does: str
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parts(script: str, shapes: Shapes) -> list[Part]:
    """The statements that read a lasting table, in order."""
    found = (_part(statement, shapes) for statement in split(script))
    return [part for part in found if part.reads]


def bytes_of(big_query: BigQuery, part: Part, known: dict[tuple[str, tuple[str, ...]], int]) -> int:
    """What BigQuery would read for the statement at most: a dry run of its columns, table by table."""
    for name, columns in part.reads.items():
        if (name, columns) not in known:
            select = f"SELECT {', '.join(column(one) for one in columns)} FROM {table(name)}"
            known[name, columns] = big_query.dry_run_bytes(select, where=name)
    return sum(known[name, columns] for name, columns in part.reads.items())


def _part(statement: str, shapes: Shapes) -> Part:
    tree = _parsed(statement)
    if tree is None:
        return Part(statement, "")
    written = _written(tree)
    reads: dict[str, set[str]] = {}
    for found in tree.find_all(exp.Table):
        name = ".".join(part.name for part in found.parts)
        if name in shapes and not (found is written and isinstance(tree, exp.Insert | exp.Create)):
            reads.setdefault(name, set()).update(_columns(tree, found, shapes[name]))
    return Part(statement, _does(tree, written), {name: tuple(sorted(cols)) for name, cols in reads.items() if cols})


def _parsed(statement: str) -> exp.Expr | None:
    """DECLARE, SET and ASSERT by their expression; None for what reads nothing."""
    bare = without_comments_before(statement)
    if assigned := re.match(r"(?:SET (\w+) =|ASSERT)\s*(.*?)(?:\s+AS\s+'Rule:[^']*')?$", bare, re.DOTALL):
        return sqlglot.parse_one(f"SELECT {assigned[2]}", read="bigquery")
    if bare.startswith(("DECLARE", "BEGIN", "COMMIT")):
        return None
    return sqlglot.parse_one(bare, read="bigquery")


def _written(tree: exp.Expr) -> exp.Table | None:
    """The table that a statement makes or changes."""
    if not isinstance(tree, exp.Create | exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return None
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return target if isinstance(target, exp.Table) else None


def _columns(tree: exp.Expr, found: exp.Table, there: Collection[str]) -> Iterator[str]:
    """The columns of one table that a statement names, or that a star of its SELECT means."""
    select = found.find_ancestor(exp.Select)
    if select is not None and any(_is_star_of(one, found) for one in select.expressions):
        yield from there
    assigned = {id(named) for named in _assigned(tree)}
    for named in tree.find_all(exp.Column):
        if named.name in there and named.table in ("", found.alias_or_name) and id(named) not in assigned:
            yield named.name


def _is_star_of(one: exp.Expr, found: exp.Table) -> bool:
    is_all = isinstance(one, exp.Star)
    return is_all or (isinstance(one, exp.Column) and one.name == "*" and one.table == found.alias_or_name)


def _assigned(tree: exp.Expr) -> Iterator[exp.Expr]:
    """The columns that a statement writes, in a SET or as the list of an INSERT: what is written is not read."""
    for update in tree.find_all(exp.Update):
        yield from (each.this for each in update.expressions)
    for insert in tree.find_all(exp.Insert):
        if isinstance(insert.this, exp.Tuple):
            yield from insert.this.expressions


def _does(tree: exp.Expr, written: exp.Table | None) -> str:
    verb = "check" if isinstance(tree, exp.Select) else type(tree).__name__.lower()
    return verb if written is None else f"{verb} {'.'.join(part.name for part in written.parts[-2:])}"


def split(script: str) -> list[str]:
    """A script's statements, by the semicolons that are neither in strings nor in comments; the condition of an IF is
    one of them."""
    tokens = sqlglot.tokenize(script, read="bigquery")
    ends = [token.start for token in tokens if token.token_type.name == "SEMICOLON"] + [len(script)]
    starts = [0] + [end + 1 for end in ends[:-1]]
    pieces = [script[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return [part for piece in pieces for part in _unconditional(piece) if not _is_comment(part)]


def _unconditional(piece: str) -> list[str]:
    """The condition of an IF as a statement of its own, and the statement behind its THEN."""
    bare = without_comments_before(piece)
    if bare.upper() == "END IF":
        return []
    if not bare.startswith("IF "):
        return [piece]
    then = _then_of_if(bare)
    return [f"SELECT {bare[2 : then.start]} AS condition", bare[then.end + 1 :].strip()]


def _then_of_if(bare: str) -> Token:
    """The THEN that ends the condition: the others belong to a CASE … END in it."""
    cases = 0
    for token in sqlglot.tokenize(bare, read="bigquery"):
        cases += {"CASE": 1, "END": -1}.get(token.token_type.name, 0)
        if token.token_type.name == "THEN" and not cases:
            return token
    raise AssertionError("an IF of a script has a THEN")


def _is_comment(text: str) -> bool:
    return all(line.strip().startswith("--") for line in text.splitlines())


def without_comments_before(statement: str) -> str:
    """The statement alone."""
    return re.sub(r"^(\s*--[^\n]*\n)+", "", statement).strip()
