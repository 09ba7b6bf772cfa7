"""Where are the results of queries? (imported by `big_query_launcher` alone, in the environment of that server)

As shipped they are tables of the file in which the server keeps its jobs: a large result is compressed and written to
disk, and the next job that is noted waits for it. Here they are in memory, and the oldest go. A restart loses them:
what BigQuery keeps for a day nobody here asks for so late, and a job whose result is gone has failed and is begun anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Container, Iterator
from typing import Any

from google.cloud.bigquery_storage_v1 import types
from local_bigquery.catalog import tables  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.engine import database, results  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.errors import BigQueryError  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.grpc import read  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.grpc import server as grpc_server  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.jobs import runner, store  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.models import JobStatistics  # type: ignore[import-not-found,unused-ignore]

PLACE = "results"
"""The database in memory."""
MOST_CELLS = 10_000_000
"""Of all that are kept, about 200 MB; but the newest are kept however large they are."""
NEWEST = 20
ROWS_OF_A_MESSAGE = 8_192


def keep_in_memory() -> None:
    """After the other mends of the catalog."""
    with database.cursor() as cursor:
        cursor.execute(f"ATTACH ':memory:' AS {PLACE}")
        cursor.execute(f"CREATE SCHEMA {PLACE}.{tables.RESULTS}")
    shipped_physical, shipped_materialise = tables.physical, results.materialise
    kept, lock = OrderedDict[str, int](), threading.Lock()

    def physical(project: str, dataset: str, table: str) -> tuple[str, str, str]:
        found: tuple[str, str, str] = shipped_physical(project, dataset, table)
        return (PLACE, *found[1:]) if dataset == tables.RESULTS else found

    def materialise(cursor: Any, sql: str, name: str, *arguments: Any, **options: Any) -> None:
        shipped_materialise(cursor, sql, name, *arguments, **options)
        if name.startswith(f'"{PLACE}"'):
            result = cursor.sql(f"SELECT * FROM {name}")
            for oldest in _note(name, len(result) * len(result.columns)):
                database.execute(f"DROP TABLE IF EXISTS {oldest}")

    def _note(name: str, cells: int) -> list[str]:
        """Which go, for this one that has come."""
        with lock:
            kept[name] = cells
            gone = []
            while len(kept) > NEWEST and sum(kept.values()) > MOST_CELLS:
                gone.append(kept.popitem(last=False)[0])
            return gone

    tables.physical, results.materialise = physical, materialise
    _look_once()
    _fail_without_result(kept)


def _look_once() -> None:
    """A SELECT is understood three times until its result is there, and each time DuckLake asks for its newest
    snapshot: in one transaction it asks once. (The cursor of a script or a session has transactions of its own.)"""
    shipped = tables.write

    def write(cursor: Any, sql: str, bound: Any, reference: Any, *arguments: Any, **options: Any) -> Any:
        if reference[1] != tables.RESULTS or options.get("isolated"):
            return shipped(cursor, sql, bound, reference, *arguments, **options)
        cursor.execute("BEGIN")
        try:
            done = shipped(cursor, sql, bound, reference, *arguments, **options)
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        return done

    tables.write = write


def send_in_pieces() -> None:
    """As shipped a stream of the Storage Read API is one message, however large; BigQuery's have some megabytes."""
    shipped = read.read_rows

    def read_rows(request: Any) -> Iterator[Any]:
        stream = read._lookup(request.read_stream)
        if stream.avro or request.offset:
            yield from shipped(request)
            return
        with database.cursor() as cursor:
            reader = cursor.sql(_of_stream(cursor, stream)).to_arrow_reader(ROWS_OF_A_MESSAGE)
            for batch in reader:
                rows = {"serialized_record_batch": batch.serialize().to_pybytes()}
                yield response(row_count=batch.num_rows, arrow_record_batch=rows)
                stream.allocated += batch.num_rows

    response = types.ReadRowsResponse.pb()  # the library's own messages copy what they are given
    service = grpc_server.SERVICES["google.cloud.bigquery.storage.v1.BigQueryRead"]
    service["ReadRows"] = grpc_server._streaming(read_rows, types.ReadRowsRequest, types.ReadRowsResponse)


def _of_stream(cursor: Any, stream: Any) -> str:
    """DuckDB does not begin to send before it has counted up to a limit: the only stream of a table has none."""
    ((rows,),) = cursor.execute(f"SELECT count(*) FROM ({stream.query})").fetchall()
    if (stream.start, stream.end) == (0, rows):
        return str(stream.query)
    return f"SELECT * FROM ({stream.query}) LIMIT {stream.end - stream.start} OFFSET {stream.start}"


def _fail_without_result(kept: Container[str]) -> None:
    """A job that is done, and whose result is gone, is told as one that the server's restart has cut off."""
    shipped = store.load

    def load(project: str, job_id: str) -> Any:
        job = shipped(project, job_id)
        query = job.configuration.query if job else None
        place = query.destinationTable if query else None
        if place is None or place.datasetId != tables.RESULTS or tables.name(*tables.reference(place)) in kept:
            return job
        if job.status.state != "DONE" or job.status.errorResult:
            return job
        error = BigQueryError("backendError", "The job's result is gone. Retry with a new job.")
        return runner._done(job, JobStatistics.model_validate({"query": {}}), error)

    store.load = load
