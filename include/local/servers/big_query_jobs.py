"""What does a job cost besides its statements? (imported by `big_query_launcher` alone, in its environment)

- as shipped it holds the single statements of its script, each with the whole script in it
- as shipped each CREATE TABLE is a commit of its own (with columns AS SELECT two), after which DuckLake reads the
  catalog of all tables anew: here those that follow each other in a script are one commit. (BigQuery keeps those before
  one that fails; here none.)
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import duckdb
from local_bigquery.catalog import names, tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.engine import database  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.jobs import query, runner  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql import script  # type: ignore[import-not-found,unused-ignore]

_TRIES = 10
_CREATES = re.compile(r"CREATE\s+TABLE\b(?!.*\b(?:FROM|LIKE|CLONE|COPY)\b)", re.IGNORECASE | re.DOTALL)
_BORN_WITH_ROWS = re.compile(r"\)[\w\s,]*\bAS\s+SELECT\b", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


def mend_jobs() -> None:
    _leave_statements_out()
    _create_tables_together()


def _leave_statements_out() -> None:
    """Nobody here asks what the single statements of a script were; what they read is the script's, as in BigQuery."""
    shipped = runner.query.execute

    def execute(*arguments: Any, **options: Any) -> Any:
        statistics, statements, destination = shipped(*arguments, **options)
        if statements and not options.get("dry_run"):
            read = [table for statement in statements for table in statement.referencedTables or []]
            statistics = statistics.replace(referencedTables=read or None)
        return statistics, [], destination

    query.execute = execute


class _Group:
    """Tables that are being created: nobody else sees them yet, what the catalog is to note of them waits."""

    def __init__(self) -> None:
        self.made: set[tuple[str, str, str]] = set()
        self.notes: list[Callable[[], Any]] = []


_now = threading.local()


def _group() -> _Group | None:
    return getattr(_now, "group", None)


def _create_tables_together() -> None:
    shipped = script.Interpreter.statements

    def statements(self: Any, given: Any) -> None:
        runs = [(is_table, list(run)) for is_table, run in groupby(given, key=_creates_a_table)]
        if _group() or not any(is_table and _is_worth_it(run) for is_table, run in runs):
            return shipped(self, given)  # type: ignore[no-any-return]
        for is_table, run in runs:
            if is_table and _is_worth_it(run):
                _together(self.cursor, lambda run=run: shipped(self, run))  # type: ignore[misc]
            else:
                shipped(self, run)
        return None

    script.Interpreter.statements = statements
    _let_the_catalog_wait()


def _creates_a_table(statement: Any) -> bool:
    return statement.kind == "SQL" and bool(_CREATES.match(_COMMENT.sub("", statement.text).strip()))


def _is_worth_it(creates: list[Any]) -> bool:
    return len(creates) > 1 or _BORN_WITH_ROWS.search(creates[0].text) is not None


def _together(cursor: Any, create: Callable[[], None]) -> None:
    """One commit. When another deployment made one of the tables meanwhile, all is looked at again."""
    for tries_left in range(_TRIES - 1, -1, -1):
        try:
            return _once(cursor, create)
        except duckdb.TransactionException:
            if not tries_left:
                raise
            time.sleep(0.05)
    return None


def _once(cursor: Any, create: Callable[[], None]) -> None:
    with _new_group() as group:
        cursor.execute("BEGIN")
        try:
            create()
            cursor.execute("COMMIT")
        except Exception:
            cursor.execute("ROLLBACK")
            raise
    for note in group.notes:
        note()


@contextmanager
def _new_group() -> Iterator[_Group]:
    _now.group = _Group()
    try:
        yield _now.group
    finally:
        _now.group = None


def _let_the_catalog_wait() -> None:
    shipped_objects, shipped_record = database.objects, tables.record
    shipped_split, shipped_schema = query.ddl.split, query._result_schema

    def objects(project: str, dataset: str, table: str | None = None) -> Any:
        group = _group()
        if group and (project, dataset, table) in group.made:
            return [(table, "TABLE", 0)]
        return shipped_objects(project, dataset, table)

    def record(*arguments: Any) -> Any:
        group = _group()
        return group.notes.append(lambda: shipped_record(*arguments)) if group else shipped_record(*arguments)

    def split(tree: Any) -> Any:
        """Asked right before the statement is run."""
        if group := _group():
            group.made.add(names.reference(names.target(tree), "", None))
        return shipped_split(tree)

    def result_schema(*arguments: Any) -> Any:
        return None if _group() else shipped_schema(*arguments)

    database.objects, tables.record = objects, record
    query.ddl.split, query._result_schema = split, result_schema
