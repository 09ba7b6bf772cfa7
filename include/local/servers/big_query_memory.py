"""What does the local BigQuery server remember? (imported by `big_query_launcher` alone, in its environment)

As shipped a script of thirty statements asks the catalog hundreds of times, and each statement is parsed, typed and
translated anew: most of a small script's time. Remembered here, for all jobs of the process:
- what the catalog says of a dataset's tables, until a statement of this process (nobody else writes) changes the
  dataset: every statement goes through a cursor of ours, which sees that
- what a statement means to DuckDB, until one of its datasets is changed
"""

from __future__ import annotations

import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from local_bigquery.catalog import metadata, row_access, tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.engine import database  # type: ignore[import-not-found,unused-ignore]

Dataset = tuple[str, str]
"""(project, dataset)"""

ALL: Dataset = ("", "")
_DEFINES = re.compile(r"\s*(?:CREATE(?!\s+SECRET)|ALTER|DROP)\b", re.IGNORECASE)  # each load makes the bucket's secret
_TEMPORARY = re.compile(r"\s*(?:CREATE\s+(?:OR\s+REPLACE\s+)?TEMP|DROP (?:TABLE|VIEW) IF EXISTS temp\.)", re.IGNORECASE)
LISTS_TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"
_NAMED = re.compile(r'"((?:[^"]|"")+)"\."((?:[^"]|"")+)"')
_NOTES = re.compile(r"(?:INSERT OR REPLACE INTO|DELETE FROM) emulator\.(\w+)")
_ENDS = re.compile(r"\s*(?:COMMIT|ROLLBACK)\b", re.IGNORECASE)
_OF_A_DATASET = re.compile(
    r"FROM (?:duckdb_\w+\(\)|emulator\.(?:datasets|tables|indexes)) "
    r"WHERE (?:database_name|project_id) = \? AND (?:schema_name|dataset_id) = \?"
)
_OF_ALL = ("FROM emulator.row_access_policies", "FROM emulator.js_functions")


class Memory:
    """Answers, each with the versions of the datasets that it depends on. The oldest are forgotten."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """The answer, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != versions(found[0]):
                return None
            self._kept.move_to_end(key)
            return found[1]

    def keep(self, key: Any, answer: Any, depends_on: dict[Dataset, int]) -> None:
        """`depends_on`: versions from before the question was asked."""
        with self._lock:
            self._kept[key] = depends_on, answer
            self._kept.move_to_end(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)


_versions: dict[Dataset, int] = {}
_facts = Memory(20_000)


def versions(datasets: Any) -> dict[Dataset, int]:
    """How often each was changed until now, and all of them together."""
    return {dataset: _versions.get(dataset, 0) for dataset in (ALL, *datasets)}


def all_versions() -> dict[Dataset, int]:
    """Of every dataset that was ever changed."""
    return dict(_versions)


def changed(datasets: set[Dataset]) -> None:
    """What was remembered of them may be wrong."""
    for dataset in datasets:
        _versions[dataset] = _versions.get(dataset, 0) + 1


def changed_by(sql: str, parameters: Any) -> set[Dataset]:
    """The datasets whose catalog a statement changes; `ALL` when that cannot be told."""
    if _TEMPORARY.match(sql):
        return set()
    if _DEFINES.match(sql):
        named = _NAMED.search(sql)
        dataset = (named[1], named[2]) if named else ALL
        return set() if dataset[1] == tables.RESULTS else {dataset}
    noted = _NOTES.match(sql)
    if noted is None or noted[1] in ("jobs", "iam_policies"):
        return set()
    known = isinstance(parameters, list) and len(parameters) > 1 and f"FROM emulator.{noted[1]}" not in _OF_ALL
    return {(parameters[0], parameters[1])} if known else {ALL}


class Cursor:
    """DuckDB's cursor (or connection), which tells the memory what it changes."""

    def __init__(self, cursor: Any) -> None:
        self._cursor, self._not_ended, self._has_temporary = cursor, set[Dataset](), False

    def cursor(self) -> Cursor:
        return Cursor(self._cursor.cursor())

    def execute(self, sql: str, parameters: Any = None, **more: Any) -> Any:
        datasets = changed_by(sql, parameters)
        self._has_temporary = self._has_temporary or _TEMPORARY.match(sql) is not None
        try:
            return self._cursor.execute(sql, parameters, **more)
        finally:
            self._tell(sql, datasets)

    def sql(self, sql: str, *arguments: Any, **more: Any) -> Any:
        """A cursor of a job begins without temporary tables: as shipped each job lists the tables of all projects to
        find that out."""
        if sql == LISTS_TEMPORARY and not self._has_temporary:
            sql = "SELECT '' AS table_name WHERE FALSE"
        if more.get("params") and not arguments:
            return _Rows(self._cursor, sql, more["params"])
        return self._cursor.sql(sql, *arguments, **more)

    def _tell(self, sql: str, datasets: set[Dataset]) -> None:
        """Until its transaction ends, others still see what was before: hence told again then."""
        changed(datasets)
        self._not_ended |= datasets
        if self._not_ended and _ENDS.match(sql):
            changed(self._not_ended)
            self._not_ended.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class _Rows:
    """What a SELECT with parameters gives. DuckDB runs it at once, to the end; whoever asks for its columns (twice,
    before its result is written) shall not wait for its rows."""

    def __init__(self, cursor: Any, sql: str, parameters: Any) -> None:
        self._cursor, self._sql, self._parameters = cursor, sql, parameters

    @cached_property
    def _no_rows(self) -> Any:
        return self._cursor.sql(f"SELECT * FROM ({self._sql}) LIMIT 0", params=self._parameters)

    @property
    def columns(self) -> Any:
        return self._no_rows.columns

    @property
    def types(self) -> Any:
        return self._no_rows.types

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor.sql(self._sql, params=self._parameters), name)


def remember_catalog() -> None:
    """After the other mends of the catalog: what they ask is what is remembered."""
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # else DuckDB looks for it at each statement
    _see_every_statement()
    _remember_answers()
    _remember_objects()
    _remember_columns()


def _see_every_statement() -> None:
    shipped, ours = database.connection, dict[int, Cursor]()

    def connection() -> Cursor:
        found = shipped()
        return ours.setdefault(id(found), Cursor(found))  # the same each time: the library compares

    database.connection = connection


def _remember_answers() -> None:
    shipped = database.fetch

    def fetch(sql: str, params: Any = None) -> Any:
        if any(words in sql for words in _OF_ALL) and not params:
            return list(_remembered((sql,), (), lambda: shipped(sql, params)))
        if params is None or not _OF_A_DATASET.search(sql):
            return shipped(sql, params)
        return list(_remembered((sql, *params), [(params[0], params[1])], lambda: shipped(sql, params)))

    database.fetch = metadata.fetch = row_access.fetch = fetch


def _remembered(key: Any, datasets: Any, ask: Callable[[], Any]) -> Any:
    found = _facts.get(key)
    if found is None:
        before = versions(datasets)
        found = ask()
        _facts.keep(key, found, before)
    return found


_asking = threading.local()


@contextmanager
def _asking_anew() -> Iterator[None]:
    before, _asking.anew = getattr(_asking, "anew", False), True
    try:
        yield
    finally:
        _asking.anew = before


def _remember_objects() -> None:
    """Names and kinds are remembered. How many rows a table has is not: who asks for that (`tables.load`) asks anew."""
    shipped_objects, shipped_load = database.objects, tables.load

    def objects(project: str, dataset: str, table: str | None = None) -> Any:
        def ask() -> Any:
            return shipped_objects(project, dataset, table)

        if dataset == tables.RESULTS or getattr(_asking, "anew", False):
            return ask()
        return list(_remembered(("objects", project, dataset, table), [(project, dataset)], ask))

    def load(project: str, dataset: str, table: str) -> Any:
        with _asking_anew():
            return shipped_load(project, dataset, table)

    database.objects, tables.load = objects, load


def _remember_columns() -> None:
    shipped = tables.columns

    def columns(project: str, dataset: str, table: str) -> Any:
        def ask() -> Any:
            return shipped(project, dataset, table)

        if dataset == tables.RESULTS:
            return ask()
        return list(_remembered(("columns", project, dataset, table), [(project, dataset)], ask))

    tables.columns = columns
