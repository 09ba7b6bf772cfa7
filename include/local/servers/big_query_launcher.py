"""How does local-bigquery become BigQuery enough for us? (no file of the library is changed)

Run by the Python of `.local/install/big_query`, which has none of our other packages: this file imports only that
environment. Mended here:
- MERGE inside a transaction: as shipped its own BEGIN aborts ours, and it takes rows that one transaction inserted and
  updated for each other; a conflict is told in BigQuery's words
- dry run of a MERGE: as shipped an error of DuckLake; now its target and source are checked
- partition decorators `table$YYYYMMDD`: as shipped unknown
- bytes processed of jobs and dry runs (always the whole table: nothing is pruned), and `maximumBytesBilled`
- loads, look-ups and jobs that a kill cut off: `big_query_mends`, beside this file
- what makes small scripts slow: `big_query_memory`, `big_query_translations`, `big_query_jobs`,
  `big_query_journal`
- what makes large results slow: `big_query_results`
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

import duckdb
import uvicorn
from local_bigquery.catalog import tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.engine import database  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.errors import BigQueryError  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.grpc import server as grpc_server  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.jobs import merge, query, runner  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.settings import settings  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.sql.translate import translate  # type: ignore[import-not-found,unused-ignore]
from sqlglot import exp

sys.path.append(str(pathlib.Path(__file__).parent))  # last, so that our folder's names hide no package
import big_query_jobs as jobs  # type: ignore[import-not-found,unused-ignore]
import big_query_journal as journal  # type: ignore[import-not-found,unused-ignore]
import big_query_memory as memory  # type: ignore[import-not-found,unused-ignore]
import big_query_mends as mends  # type: ignore[import-not-found,unused-ignore]
import big_query_results as results  # type: ignore[import-not-found,unused-ignore]
import big_query_translations as translations  # type: ignore[import-not-found,unused-ignore]

_SMALLEST_BILL = 10 << 20  # BigQuery bills at least 10 MB per query
_ROWID = re.compile(r'((?:"[^"]+"|\b\w+)\.)"?rowid"?\b')
_OF_A_CLAUSE = re.compile(
    r"(?:DELETE|UPDATE|INSERT)\b.*\b(__merge_(?:pairs|orphans|inserts))\b.*\b(__clause = \d+)\b.*", re.DOTALL
)
_ORPHANS_OF_NO_CLAUSE = re.compile(r"CREATE OR REPLACE TEMPORARY TABLE __merge_orphans .*, NULL AS __clause", re.DOTALL)
_SOURCE_IS_TEMPORARY = re.compile(
    r"CREATE OR REPLACE TEMPORARY TABLE (__merge_source AS SELECT) ROW_NUMBER\(\) OVER \(\) "
    r"(AS __sid, .* FROM \w+ AS \w+)"
)
_PARTITION_FORMATS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H"}


def mend_transactions() -> None:
    """MERGE joins a transaction that the script has begun, and may be dry-run."""
    open_transactions: set[int] = set()  # ids of the cursors with a BEGIN TRANSACTION of the script
    shipped_merge, shipped_run, shipped_execute = merge.run, query._run, query.execute

    def run_merge(cursor: Any, tree: Any, context: Any) -> Any:
        return shipped_merge(_ForMerge(cursor, id(cursor) in open_transactions), tree, context)

    def run(cursor: Any, tree: Any, context: Any, destination: Any, config: Any, dry_run: bool, isolated: Any) -> Any:
        if isinstance(tree, exp.Merge) and dry_run:
            return _check_merge(cursor, tree, context)
        result = shipped_run(cursor, tree, context, destination, config, dry_run, isolated)
        if isinstance(tree, exp.Transaction) and not dry_run:
            open_transactions.add(id(cursor))
        elif isinstance(tree, exp.Commit | exp.Rollback) and not dry_run:
            open_transactions.discard(id(cursor))
        return result

    def execute(cursor: Any, *arguments: Any, session: Any = None, **options: Any) -> Any:
        try:
            return shipped_execute(cursor, *arguments, session=session, **options)
        except BigQueryError as error:
            raise _cancelled(error) from error
        finally:
            if session is None:  # the cursor is closed, and another may get its id
                open_transactions.discard(id(cursor))

    merge.run, query._run, query.execute = run_merge, run, execute


def _cancelled(error: Any) -> Any:
    """DuckLake notices a conflict at the commit; what BigQuery says of a transaction that it cancels."""
    if "Failed to commit DuckLake transaction" not in error.message:
        return error
    return BigQueryError("invalidQuery", "Transaction is aborted due to concurrent update against table")


class _ForMerge:
    """A cursor that answers a nested BEGIN as DuckDB would, without DuckDB aborting the transaction for it; and that
    knows a row of the target by its place: DuckLake gives rowids twice where a transaction inserts and updates.
    A clause that meets no row does not read the target, nor does the list of who is not matched, when no clause asks. A
    source that is a temporary table is not copied: no clause writes to it, and its rows have a number.
    """

    def __init__(self, cursor: Any, is_in_transaction: bool) -> None:
        self._cursor, self._is_in_transaction, self._has_view = cursor, is_in_transaction, False

    def execute(self, sql: str, *arguments: Any) -> Any:
        if sql == "BEGIN" and self._is_in_transaction:
            raise duckdb.TransactionException("already in a transaction")
        clause = _OF_A_CLAUSE.fullmatch(sql)
        if clause and not self._cursor.execute(f"SELECT 1 FROM {clause[1]} WHERE {clause[2]} LIMIT 1").fetchone():
            return self._cursor.execute("SELECT 0")
        if source := _SOURCE_IS_TEMPORARY.fullmatch(sql):
            self._has_view = True
            return self._cursor.execute(f"CREATE OR REPLACE TEMP VIEW {source[1]} rowid {source[2]}", *arguments)
        if self._has_view and sql == "DROP TABLE IF EXISTS temp.__merge_source":
            return self._cursor.execute("DROP VIEW IF EXISTS temp.__merge_source")
        if _ORPHANS_OF_NO_CLAUSE.match(sql):
            return self._cursor.execute("CREATE OR REPLACE TEMP TABLE __merge_orphans (__tid UBIGINT)")
        return self._cursor.execute(_ROWID.sub(r"hash(\1filename, \1file_row_number)", sql), *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def _check_merge(cursor: Any, tree: Any, context: Any) -> Any:
    """DuckLake cannot EXPLAIN a MERGE: only what it reads is checked."""
    for source in (tree.this.copy(), tree.args["using"].copy()):
        sql, bound = translate(exp.select("*").from_(source).limit(0), context)
        cursor.execute(sql, bound)
    return query.JobStatistics2(statementType="MERGE")


def mend_partition_decorators() -> None:
    """`table$20260131` as the destination of a load or query, and in `tables.delete`, means that partition's rows."""
    shipped_write, shipped_delete = tables.write, tables.delete

    def write(
        cursor: Any,
        sql: str,
        parameters: Any,
        reference: tuple[str, str, str],
        config: Any,
        default: str = "WRITE_EMPTY",
        prefix: str = "Invalid schema update. ",
        isolated: bool = False,
    ) -> Any:
        if "$" not in reference[2]:
            return shipped_write(cursor, sql, parameters, reference, config, default, prefix, isolated)
        table, rows = _partition(reference)
        _refuse_other_partitions(cursor, sql, parameters, rows, reference[2])
        if (config.writeDisposition or default) == "WRITE_TRUNCATE":
            with database.writing(*table):
                cursor.execute(f"DELETE FROM {tables.name(*table)} WHERE {rows}")
        append = config.replace(writeDisposition="WRITE_APPEND")
        return shipped_write(cursor, sql, parameters, table, append, "WRITE_APPEND", prefix, isolated)

    def delete(project: str, dataset: str, table_id: str) -> None:
        if "$" not in table_id:
            return shipped_delete(project, dataset, table_id)  # type: ignore[no-any-return,unused-ignore]
        table, rows = _partition((project, dataset, table_id))
        with database.writing(*table):
            database.execute(f"DELETE FROM {tables.name(*table)} WHERE {rows}")

    tables.write, tables.delete = write, delete
    for name in ("columns", "load", "exists"):
        setattr(tables, name, _of_whole_table(getattr(tables, name)))


def _of_whole_table(shipped: Callable[..., Any]) -> Callable[..., Any]:
    """What is asked of a partition's table, as its columns, is asked of the table."""
    return lambda project, dataset, table_id: shipped(project, dataset, table_id.partition("$")[0])


def _partition(reference: tuple[str, str, str]) -> tuple[tuple[str, str, str], str]:
    """The table of a decorated reference, and the condition that its partition's rows fulfil."""
    base, _, part = reference[2].partition("$")
    table = (reference[0], reference[1], base)
    partitioning = tables.load(*table).timePartitioning
    if not partitioning or not partitioning.field or len(part) not in _PARTITION_FORMATS:
        raise BigQueryError("invalid", f"Invalid partition decorator ${part}")
    return table, f"strftime({database.quote(partitioning.field)}, '{_PARTITION_FORMATS[len(part)]}') = '{part}'"


def _refuse_other_partitions(cursor: Any, sql: str, parameters: Any, rows: str, table_id: str) -> None:
    others = cursor.execute(f"SELECT count(*) FROM ({sql}) WHERE ({rows}) IS NOT TRUE", parameters or None)
    if others.fetchone()[0]:
        part = table_id.partition("$")[2]
        raise BigQueryError(
            "invalid", f"Some rows belong to different partitions rather than destination partition {part}"
        )


def mend_bytes() -> None:
    """Queries report the bytes of the tables that they read, and are refused above `maximumBytesBilled`."""
    shipped_done, shipped_execute = runner._done, query.execute

    def done(job: Any, statistics: Any, error: Any = None) -> Any:
        if error or not statistics.query or not statistics.query.referencedTables:
            return shipped_done(job, statistics, error)
        read = _bytes_read(statistics.query)
        billed = {"totalBytesProcessed": str(read), "totalBytesBilled": str(max(read, _SMALLEST_BILL))}
        job = shipped_done(job, statistics.replace(query=statistics.query.replace(**billed)), error)
        return job.replace(statistics=job.statistics.replace(totalBytesProcessed=str(read)))

    def execute(cursor: Any, project: str, job_id: Any, config: Any, dry_run: bool = False, session: Any = None) -> Any:
        if config.maximumBytesBilled and not dry_run:
            _refuse_expensive(shipped_execute, project, config)
        return shipped_execute(cursor, project, job_id, config, dry_run=dry_run, session=session)

    runner._done, query.execute = done, execute


def _bytes_read(statistics: Any) -> int:
    """Of all its tables; one that its script has dropped counts nothing."""
    keys, sizes = ("projectId", "datasetId", "tableId"), dict[str, dict[tuple[str, str], int]]()
    read = 0
    for reference in statistics.referencedTables or []:
        project, dataset, table = (reference[k] if isinstance(reference, dict) else getattr(reference, k) for k in keys)
        if project not in sizes:
            sizes[project] = mends.sizes(project)
        read += sizes[project].get((dataset, table.partition("$")[0]), 0)
    return read


def _refuse_expensive(execute: Callable[..., Any], project: str, config: Any) -> None:
    with database.cursor() as cursor:
        statistics, _, _ = execute(cursor, project, None, config, dry_run=True)
    read = _bytes_read(statistics)
    if read and max(read, _SMALLEST_BILL) > int(config.maximumBytesBilled):
        raise BigQueryError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {config.maximumBytesBilled}. "
            f"{max(read, _SMALLEST_BILL)} or higher required.",
        )


def serve(port: int, read_port: int, project: str, folder: pathlib.Path) -> None:
    """Until SIGTERM. The library's own defaults would listen on every address and write to /data."""
    settings.bigquery_host, settings.bigquery_port, settings.grpc_port = "127.0.0.1", port, read_port
    settings.default_project_id, settings.default_dataset_id, settings.data_dir = project, "default", folder
    if threads := os.environ.get("BIG_QUERY_THREADS"):
        database.execute(f"SET GLOBAL threads = {int(threads)}")
    database.execute("SET GLOBAL catalog_error_max_schemas = 0")  # else what is not there is compared with all names
    mends.end_orphaned_jobs(journal.keep(folder))
    results.keep_in_memory()
    results.send_in_pieces()
    storage_read, _ = grpc_server.start("127.0.0.1", read_port)
    uvicorn.run("local_bigquery:app", host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)
    storage_read.stop(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--read-port", type=int, required=True, help="of the Storage Read API (gRPC)")
    parser.add_argument("--project", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="absolute path; holds the tables")
    options = parser.parse_args()
    mends.mend_catalog()  # first, while the library's functions are as shipped
    memory.remember_catalog()
    translations.remember_translations()
    mend_transactions()
    mend_partition_decorators()
    mend_bytes()
    mends.mend_loads()
    mends.mend_datasets()
    jobs.mend_jobs()
    serve(options.port, options.read_port, options.project, options.folder)


if __name__ == "__main__":
    main()
