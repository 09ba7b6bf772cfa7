"""What else does local-bigquery need? (imported by `big_query_launcher` alone, in the environment of that server)

- BYTES in a Parquet load: as shipped decoded as if they were base64 text
- BIGNUMERIC in a Parquet load: as shipped read as a double and so rounded in silence; DuckDB has no decimal of so
  many digits, hence it is refused here: only BigQuery itself can load it
- loads at the same time: as shipped one of them may fail while both make the same secret
- catalog look-ups: as shipped a question of one table goes through all tables of all datasets and asks for the size
  of each, INFORMATION_SCHEMA once per table
- a dataset that two make at once: as shipped who comes second is told of a conflict, not that it is there already
- jobs that were running when the server was killed: as shipped they are never done and their clients wait for ever
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import big_query_results as results  # type: ignore[import-not-found,unused-ignore]
import duckdb
from big_query_journal import Journal  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.catalog import datasets, metadata, tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.engine import database  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.errors import BigQueryError, already_exists  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.jobs import load, runner  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.models import JobStatistics  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql.rules import information_schema  # type: ignore[import-not-found,unused-ignore]


def mend_loads() -> None:
    """Only text formats hold BYTES as base64; and two loads at once must not both make the secret for the bucket."""
    shipped_projection, shipped_decoded, shipped_paths = load._projection, load._decoded, load.paths
    mode, one_secret = threading.local(), threading.Lock()

    def decoded(expression: str, field: Any, depth: int = 0) -> str:
        typed = getattr(mode, "typed", False)
        return expression if typed else shipped_decoded(expression, field, depth)  # type: ignore[no-any-return,unused-ignore]

    def projection(config: Any, fields: Any, columns: Any) -> Any:
        mode.typed = (config.sourceFormat or "CSV") not in load.TEXT_FORMATS
        too_wide = [field.name for field in fields if field.type in ("BIGNUMERIC", "BIGDECIMAL")]
        if mode.typed and too_wide:
            text = "The local server would round BIGNUMERIC: load it into BigQuery itself. Columns: "
            raise BigQueryError("invalid", text + ", ".join(too_wide))
        return shipped_projection(config, fields, columns)

    def paths(cursor: Any, uri: str) -> Any:
        with one_secret:
            return shipped_paths(cursor, uri)

    load._projection, load._decoded, load.paths = projection, decoded, paths


_IS_DATASET = "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?"
_LAKES_IS_DATASET = "SELECT 1 FROM {lake}.ducklake_schema WHERE schema_name = ? AND end_snapshot IS NULL"
_COLUMNS = "FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
_LAKES_COLUMNS = """FROM {lake}.ducklake_schema AS s JOIN {lake}.ducklake_table AS t USING (schema_id)
JOIN (SELECT *, nulls_allowed AS is_nullable FROM {lake}.ducklake_column) AS c USING (table_id)
WHERE s.end_snapshot IS NULL AND t.end_snapshot IS NULL AND c.end_snapshot IS NULL AND parent_column IS NULL
AND schema_name = ? AND table_name = ?"""
_LAKES_OBJECTS = """WITH present AS (
  SELECT schema_id FROM {lake}.ducklake_schema WHERE schema_name = $1 AND end_snapshot IS NULL
)
SELECT table_name, 'TABLE', coalesce(record_count, 0)
FROM {lake}.ducklake_table JOIN present USING (schema_id) LEFT JOIN {lake}.ducklake_table_stats USING (table_id)
WHERE end_snapshot IS NULL AND table_name = coalesce($2, table_name)
UNION ALL
SELECT view_name, 'VIEW', 0
FROM {lake}.ducklake_view JOIN present USING (schema_id)
WHERE end_snapshot IS NULL AND view_name = coalesce($2, view_name)
ORDER BY 1"""
_SIZES = """SELECT schema_name, table_name, record_count, (
  SELECT count(*) FROM {lake}.ducklake_column AS c
  WHERE c.table_id = t.table_id AND c.end_snapshot IS NULL AND parent_column IS NULL
)
FROM {lake}.ducklake_schema AS s JOIN {lake}.ducklake_table AS t USING (schema_id)
JOIN {lake}.ducklake_table_stats USING (table_id)
WHERE s.end_snapshot IS NULL AND t.end_snapshot IS NULL"""
_NOT_NULL = "AND NOT is_nullable"


def mend_catalog() -> None:
    """A table is looked up by its name in the tables in which DuckLake keeps its catalog. DuckDB's functions list all
    tables first and ask for the size of each: at a hundred tables 0.3 s, several times in each query. A project that
    was never written to has none, and a query's result none that must not be NULL."""
    shipped_objects, shipped_fetch = database.objects, database.fetch

    def objects(project: str, dataset: str, table: str | None = None) -> Any:
        if table is not None and _listed.of is not None:
            return [found for found in _all_of(project, dataset) if found[0] == table]
        if project in database._attached:
            return database.fetch(_LAKES_OBJECTS.format(lake=_lake(project)), [dataset, table])
        if project == results.PLACE and table is not None:
            return _size_of_result(shipped_fetch, table)
        return shipped_objects(project, dataset, table) if project == "emulator" else []

    def fetch(sql: str, params: Any = None) -> Any:
        if sql == _IS_DATASET and params[0] in database._attached:
            return shipped_fetch(_LAKES_IS_DATASET.format(lake=_lake(params[0])), params[1:])
        if _COLUMNS in sql and params[0] in database._attached:
            return shipped_fetch(sql.replace(_COLUMNS, _LAKES_COLUMNS.format(lake=_lake(params[0]))), params[1:])
        if _COLUMNS in sql and _NOT_NULL in sql and params[:2] == [results.PLACE, tables.RESULTS]:
            return []
        return shipped_fetch(sql, params)

    database.objects, database.fetch, metadata.fetch = objects, fetch, fetch
    _list_once()


class _Listed(threading.local):
    """What datasets hold, by project and name, while INFORMATION_SCHEMA is answered."""

    of: dict[tuple[str, str], Any] | None = None


_listed = _Listed()


def _list_once() -> None:
    """A dataset's tables are asked for together, and not one by one."""
    shipped = information_schema._tables

    def listed(project: str, dataset: str | None) -> Any:
        _listed.of = {}
        try:
            return shipped(project, dataset)
        finally:
            _listed.of = None

    information_schema._tables = listed


def _all_of(project: str, dataset: str) -> Any:
    assert _listed.of is not None, "INFORMATION_SCHEMA is being answered"
    if (project, dataset) not in _listed.of:
        _listed.of[project, dataset] = database.objects(project, dataset)
    return _listed.of[project, dataset]


def sizes(project: str) -> dict[tuple[str, str], int]:
    """(dataset, table) to bytes of the tables of a project that hold rows: as `tables.load` counts, at once."""
    if project not in database._attached:
        return {}
    rows = database.fetch(_SIZES.format(lake=_lake(project)))
    return {(dataset, table): tables.logical_bytes(number, columns) for dataset, table, number, columns in rows}


def _lake(project: str) -> str:
    return str(database.quote(f"__ducklake_metadata_{project}"))


def _size_of_result(fetch: Callable[..., Any], table: str) -> list[tuple[str, str, int]]:
    """A query's result is a table of DuckDB itself, which knows how long it is."""
    try:
        ((rows,),) = fetch(f"SELECT COUNT(*) FROM {database.quote(results.PLACE, tables.RESULTS, table)}")
    except duckdb.CatalogException:
        return []
    return [(table, "TABLE", rows)]


def mend_datasets() -> None:
    """Two deployments at once make each dataset once."""
    shipped = datasets.create

    def create(project: str, body: Any) -> Any:
        try:
            return shipped(project, body)
        except duckdb.TransactionException:
            raise already_exists("Dataset", f"{project}:{body.datasetReference.datasetId}") from None

    datasets.create = create


def end_orphaned_jobs(journal: Journal) -> None:
    """A job that was running at a kill has failed: its transaction is gone, and nobody will ever end it."""
    for job in journal.not_done():
        error = BigQueryError(
            "backendError", "The server was restarted while the job was running. Retry with a new job."
        )
        statistics = JobStatistics.model_validate({job.configuration.jobType.lower(): {}})
        journal.save(runner._done(job, statistics, error))
