"""How do we read many rows of BigQuery? (Storage Read API: Arrow over gRPC)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pyarrow as pa
from google.cloud import bigquery_storage
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports.grpc import BigQueryReadGrpcTransport

from include.clients.big_query import BigQuery, Value, translated
from include.connections import GoogleCloudSettings
from include.errors import IntegrityError

_NO_LIMIT = [("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Result:
    """Of a query that is done: so many rows, in a table of its own."""

    table: Any
    count: int


class StorageRead:
    """Reads the result of an ordered query, in order: one stream over the query's own result table."""

    def __init__(self, settings: GoogleCloudSettings, big_query: BigQuery) -> None:
        self._settings, self._big_query = settings, big_query
        self._client = _client(settings)

    def query(self, sql: str, params: Mapping[str, Value], *, where: str) -> Result:
        """Run `sql`, which ends in an ORDER BY. Raises as BigQuery.query does."""
        job = self._big_query.start(sql, params, where=where)
        count = self._big_query.finish_without_rows(job, where=where)
        return Result(job.destination, count)  # which it may have at its end only

    def rows(self, result: Result, *, where: str) -> Iterator[pa.RecordBatch]:
        """A result's rows, in order, as they come. Raises as BigQuery.query does; IntegrityError, at the end, unless
        they are as many as the result has."""
        read = 0
        with translated(where):
            for batch in self._read(result.table) if result.count else ():
                read += batch.num_rows
                yield batch
        if read != result.count:
            raise IntegrityError(
                f"of {result.count} rows of a result {read} have come",
                where=where,
                remedy="the last of them were not used; tell Google, with the job's id from BigQuery's job history",
            )

    def _read(self, table: Any) -> Iterator[pa.RecordBatch]:
        session = self._client.create_read_session(
            parent=f"projects/{self._settings.project}",
            read_session=types.ReadSession(
                table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
                data_format=types.DataFormat.ARROW,
            ),
            max_stream_count=1,
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        for stream in session.streams:
            for message in self._client.read_rows(stream.name):
                yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)


def _client(settings: GoogleCloudSettings) -> Any:
    endpoint = settings.storage_read_endpoint
    if endpoint is None:
        return bigquery_storage.BigQueryReadClient(credentials=settings.credentials)
    scheme, _, host = endpoint.partition("://")
    if scheme == "https":
        return bigquery_storage.BigQueryReadClient(
            credentials=settings.credentials, client_options={"api_endpoint": host}
        )
    channel = grpc.insecure_channel(host, options=_NO_LIMIT)
    return bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel, host=host))
