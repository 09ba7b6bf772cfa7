"""What does a statement mean to DuckDB? (asked once; imported by `big_query_launcher` alone, in its environment)

As shipped each statement is parsed, typed and translated anew: half of a small script's time, during which no other
job gets on. A translation is remembered until one of the datasets that it reads is changed; what depends on anything
else than text, names and types is translated anew.
"""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass
from typing import Any

import big_query_memory as memory  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.catalog import metadata, tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.jobs import merge, query  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.models import Table  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql import script  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql.dialect import BigQueryDialect, DuckDBDialect  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql.rules import information_schema  # type: ignore[import-not-found,unused-ignore]
from sqlglot import exp

TEXT = "text"
"""In a tree's `meta`: the text from which it was parsed, and how."""
_PLAIN = re.compile(r"(?:\s|--[^\n]*\n)*(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|CREATE\s+TEMP)\b", re.IGNORECASE)
_UNSTEADY = re.compile(
    r"@@|@-?\d|\*`|INFORMATION_SCHEMA|__TABLES__|EXTERNAL_QUERY|SESSION_USER|CURRENT_USER|SYSTEM_TIME",
    re.IGNORECASE,
)
_trees, _scripts, _translations = memory.Memory(300), memory.Memory(50), memory.Memory(5_000)


@dataclass(frozen=True)
class Translation:
    """DuckDB's statement; which parameters it uses, which tables it reads and which temporary ones it makes."""

    sql: str
    used: frozenset[str]
    referenced: frozenset[tuple[str, str, str]]
    temporary: frozenset[str]


def remember_translations() -> None:
    """A tree is shared by all who parsed the same text: nobody may change it, and `translate` works on a copy."""
    _remember_scripts()
    _remember_trees()
    _remember_meanings()
    _name_variables_alike()
    shorten_rows()


def _remember_scripts() -> None:
    shipped = script.parse_script

    def parse_script(sql: str) -> Any:
        return _kept(_scripts, sql, lambda: shipped(sql))

    script.parse_script = parse_script


def _remember_trees() -> None:
    shipped_parse, shipped_select = script.parse, script._select

    def parse(sql: str) -> Any:
        if not _PLAIN.match(sql):
            return shipped_parse(sql)
        return _kept(_trees, ("parse", sql), lambda: [_of(tree, n, sql) for n, tree in enumerate(shipped_parse(sql))])

    def select(value: Any) -> Any:
        """The SELECT of one value. (Its text is that of the value, whatever it was cut out of.)"""
        if TEXT not in value.meta:
            _of(value, "value", value.sql(dialect=BigQueryDialect))
        return _of(shipped_select(value), "select", value.meta[TEXT])

    script.parse, script._select = parse, select
    script.sqlglot, merge.sqlglot = _Sqlglot(script.sqlglot), _Sqlglot(merge.sqlglot)


class _Sqlglot:
    """sqlglot, which remembers what it parsed."""

    def __init__(self, shipped: Any) -> None:
        self._shipped = shipped

    def parse_one(self, sql: str, **options: Any) -> Any:
        key = ("one", sql, *options.items())
        return _kept(_trees, key, lambda: _of(self._shipped.parse_one(sql, **options), "one", sql))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shipped, name)


def _of(tree: Any, *text: Any) -> Any:
    tree.meta[TEXT] = text
    return tree


def _kept(kept: memory.Memory, key: Any, make: Any) -> Any:
    found = kept.get(key)
    if found is None:
        before = memory.versions(())
        found = make()
        kept.keep(key, found, before)
    return found


def _remember_meanings() -> None:
    shipped = query.translate

    def translate(tree: Any, context: Any) -> Any:
        text = tree.meta.get(TEXT)
        if text is None or context.functions or "p0" in context.parameters or _UNSTEADY.search(str(text)):
            return shipped(tree, context)
        key = (text, context.project_id, context.dataset_id, frozenset(context.temporary), *_names(context))
        found = _translations.get(key) or _translated(shipped, tree, context, key)
        context.used.clear()
        context.used |= found.used
        context.referenced |= found.referenced
        context.temporary |= found.temporary
        return found.sql, {name: context.values[name] for name in found.used}

    script.translate = query.translate = merge.translate = translate


def _names(context: Any) -> tuple[Any, ...]:
    """Variables and parameters: how each is read, not what it holds."""
    return tuple(sorted(context.variables.items())), tuple(sorted(context.parameters.items()))


def _translated(translate: Any, tree: Any, context: Any, key: Any) -> Translation:
    before, referenced, temporary = memory.all_versions(), set(context.referenced), set(context.temporary)
    context.referenced.clear()
    sql, _ = translate(tree, context)
    found = Translation(
        sql, frozenset(context.used), frozenset(context.referenced), frozenset(context.temporary - temporary)
    )
    context.referenced |= referenced
    if not any(_will_change(*reference) for reference in found.referenced):
        datasets = [reference[:2] for reference in found.referenced]
        _translations.keep(key, found, {dataset: before.get(dataset, 0) for dataset in (memory.ALL, *datasets)})
    return found


def _will_change(project: str, dataset: str, table: str) -> bool:
    """A table that expires is no longer found one day, though no statement changes it."""
    if dataset == tables.RESULTS:
        return True
    stored = metadata.load(Table, project, dataset, table)
    return stored is not None and stored.expirationTime is not None


_job = threading.local()


def _name_variables_alike() -> None:
    """A script's variables are temporary tables of its own connection: numbers name them well enough. (As shipped each
    has a random name, so that no two runs of a script are the same to DuckDB.) A session keeps its connection."""
    shipped_name, shipped_execute = script._temporary_table, query.execute

    def name(prefix: str) -> str:
        numbers = getattr(_job, "numbers", None)
        return shipped_name(prefix) if numbers is None else f'temp.main."__{prefix}_{next(numbers)}"'

    def execute(cursor: Any, *arguments: Any, session: Any = None, **options: Any) -> Any:
        before = getattr(_job, "numbers", None)
        _job.numbers = None if session else before or itertools.count()
        try:
            return shipped_execute(cursor, *arguments, session=session, **options)
        finally:
            _job.numbers = before

    script._temporary_table, query.execute = name, execute


def shorten_rows() -> None:
    """What INFORMATION_SCHEMA says stands in the statement as rows. As shipped each of their values is a node, which
    every rule visits: a second for a hundred tables. Here only the first row, which says their types, has nodes."""
    shipped = information_schema._values

    def values(columns: list[str], rows: list[list[Any]]) -> Any:
        tree = shipped(columns, rows[:1])
        if len(rows) > 1:
            tree.find(exp.Values).append("expressions", exp.Var(this=", ".join(_row(row) for row in rows[1:])))
        return tree

    information_schema._values = values


def _row(values: list[Any]) -> str:
    return f"({', '.join(_word(value) for value in values)})"


def _word(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(exp.convert(value).sql(dialect=DuckDBDialect))
