"""Parts into BigQuery: the count must be the log's, and a table that is right is left alone."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from include.clients.big_query import BigQuery
from include.clients.cloud_storage import Bucket
from include.errors import IntegrityError
from include.names import DatasetName
from include.stage.load import KEPT_FOR, load_parts
from include.stage.log import Part
from include.stage.parquet import PartWriter
from tests.conftest import World

NAME = DatasetName("sse", "loaded")
COLUMNS = {"id": "INT64", "amount": "NUMERIC"}
SCHEMA = pa.schema([("id", pa.int64()), ("amount", pa.decimal128(38, 9))])
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def big_query(world: World) -> BigQuery:
    made = world.servers.big_query
    made.create_dataset(world.servers.cloud.dataset_prefix + "staging")
    return made


@pytest.fixture
def table(world: World, big_query: BigQuery) -> str:
    return world.servers.cloud.table("staging", f"loaded__{next(_numbers)}")


def _parts(bucket: Bucket, ids: Sequence[int]) -> tuple[Part, ...]:
    rows = pa.RecordBatch.from_pydict({"id": ids, "amount": [i / 10 for i in ids]}).cast(SCHEMA)
    return PartWriter(bucket, NAME, 1, uuid.uuid4().hex).write([rows], SCHEMA)


def _load(bucket: Bucket, big_query: BigQuery, table: str, parts: Sequence[Part]) -> int:
    job_id = f"load-{uuid.uuid4().hex}"
    return load_parts(bucket, big_query, table, parts, COLUMNS, job_id=job_id, now=datetime.now(UTC))


def test_rows_are_loaded_once_and_the_table_expires(bucket: Bucket, big_query: BigQuery, table: str) -> None:
    parts = _parts(bucket, [1, 2, 3])
    assert _load(bucket, big_query, table, parts) == 3
    assert _load(bucket, big_query, table, parts) == 0
    found = big_query._client.get_table(table)
    assert found.num_rows == 3
    assert found.expires > datetime.now(UTC) + KEPT_FOR - timedelta(hours=1)


def test_a_table_with_another_count_is_replaced_as_a_whole(bucket: Bucket, big_query: BigQuery, table: str) -> None:
    _load(bucket, big_query, table, _parts(bucket, [1]))
    assert _load(bucket, big_query, table, _parts(bucket, [7, 8])) == 2
    rows = big_query.query(f"SELECT id FROM `{table}` ORDER BY id")
    assert [row["id"] for row in rows] == [7, 8]


def test_another_count_than_the_logs_is_refused(bucket: Bucket, big_query: BigQuery, table: str) -> None:
    (part,) = _parts(bucket, [1, 2])
    with pytest.raises(IntegrityError, match="loaded 2 rows, the log says 3"):
        _load(bucket, big_query, table, [replace(part, rows=3)])


def test_a_table_whose_load_was_killed_before_it_could_expire_expires_too(
    bucket: Bucket, big_query: BigQuery, table: str
) -> None:
    parts = _parts(bucket, [1])
    big_query.load(table, [bucket.uri(part.path) for part in parts], COLUMNS, job_id=uuid.uuid4().hex)
    assert not big_query._client.get_table(table).expires
    assert _load(bucket, big_query, table, parts) == 0
    assert big_query._client.get_table(table).expires


def test_an_empty_batch_makes_an_empty_table(bucket: Bucket, big_query: BigQuery, table: str) -> None:
    parts = PartWriter(bucket, NAME, 1, uuid.uuid4().hex).write([], SCHEMA)
    assert _load(bucket, big_query, table, parts) == 0
    facts = big_query.facts(table)
    assert facts is not None
    assert facts.rows == 0
