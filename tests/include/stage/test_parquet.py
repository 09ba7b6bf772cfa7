"""Arrow batches as Parquet objects: exact, complete, each under a name of its own."""

from __future__ import annotations

import base64
import io
import random
from decimal import Decimal
from typing import Any, BinaryIO

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.clients.cloud_storage import Bucket
from include.errors import Unavailable
from include.names import DatasetName
from include.stage.log import Part
from include.stage.parquet import PartWriter

NAME = DatasetName("sse", "thing")
SCHEMA = pa.schema([("id", pa.int64()), ("amount", pa.decimal128(38, 9))])


def _batch(*ids: int) -> pa.RecordBatch:
    amounts = pa.array([Decimal(i) / 10000 for i in ids], pa.decimal128(19, 4))
    return pa.RecordBatch.from_arrays([pa.array(ids, pa.int32()), amounts], names=["id", "amount"])


def _rows(bucket: Bucket, path: str) -> list[dict[str, Any]]:
    data = bucket.read(path)
    assert data is not None
    return list(pq.read_table(io.BytesIO(data)).to_pylist())


def test_rows_are_spread_over_parts_and_none_is_lost(bucket: Bucket) -> None:
    writer = PartWriter(bucket, NAME, 1, "spread", rows_per_part=4)
    parts = writer.write([_batch(1, 2), _batch(3, 4), _batch(5)], SCHEMA)
    assert [part.rows for part in parts] == [4, 1]
    assert [row["id"] for part in parts for row in _rows(bucket, part.path)] == [1, 2, 3, 4, 5]
    assert _rows(bucket, parts[1].path)[0]["amount"] == Decimal("0.0005")


def test_small_batches_share_a_row_group_and_a_large_one_ends_it(bucket: Bucket) -> None:
    batches = [_batch(1), _batch(*range(50_000)), _batch(2), _batch(3)]
    (part,) = PartWriter(bucket, NAME, 1, "groups").write(batches, SCHEMA)
    metadata = pq.read_metadata(io.BytesIO(bucket.read(part.path) or b""))
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [50_001, 2]


def test_a_part_that_is_uploaded_in_pieces_is_whole_and_never_overwritten(bucket: Bucket) -> None:
    def write(seed: int) -> Part:
        data = random.Random(seed).randbytes(10_000_000)  # cannot be compressed
        batch = pa.record_batch([pa.array([data[:5_000_000], data[5_000_000:]])], names=["x"])
        (part,) = PartWriter(bucket, NAME, 1, "pieces").write([batch], batch.schema)
        return part

    part = write(1)
    data = bucket.read(part.path) or b""
    assert len(data) == part.size > 10_000_000
    with pytest.raises(Unavailable, match="there already"):
        write(2)
    assert bucket.read(part.path) == data


def test_no_row_at_all_is_one_empty_part_of_the_same_shape(bucket: Bucket) -> None:
    (part,) = PartWriter(bucket, NAME, 1, "empty").write([], SCHEMA)
    data = bucket.read(part.path)
    assert part.rows == 0
    assert data is not None
    assert pq.read_schema(io.BytesIO(data)).equals(SCHEMA)


def test_size_and_checksum_are_those_of_the_object(bucket: Bucket) -> None:
    (part,) = PartWriter(bucket, NAME, 1, "sums").write([_batch(1)], SCHEMA)
    data = bucket.read(part.path)
    assert data is not None
    assert len(data) == part.size
    assert base64.b64encode(google_crc32c.Checksum(data).digest()).decode() == part.crc32c


def test_a_value_that_does_not_fit_is_refused_not_rounded(bucket: Bucket) -> None:
    narrow = pa.schema([("id", pa.int64()), ("amount", pa.decimal128(10, 2))])
    with pytest.raises(pa.ArrowInvalid):
        PartWriter(bucket, NAME, 1, "narrow").write([_batch(1)], narrow)
    assert list(bucket.names("sse/thing/parts/00000001-narrow")) == []


def test_two_tries_never_share_a_part(bucket: Bucket) -> None:
    PartWriter(bucket, NAME, 2, "one").write([_batch(1)], SCHEMA)
    PartWriter(bucket, NAME, 2, "two").write([_batch(1)], SCHEMA)
    assert len(list(bucket.names("sse/thing/parts/00000002-"))) == 2


def test_a_part_that_is_there_already_is_never_overwritten(bucket: Bucket) -> None:
    (part,) = PartWriter(bucket, NAME, 3, "again").write([_batch(1)], SCHEMA)
    with pytest.raises(Unavailable, match="there already"):
        PartWriter(bucket, NAME, 3, "again").write([_batch(2)], SCHEMA)
    assert [row["id"] for row in _rows(bucket, part.path)] == [1]


def test_other_bytes_in_the_bucket_than_were_written_are_noticed(bucket: Bucket) -> None:
    class Corrupts(Bucket):
        """Says that it stored something else: no server does so when it is asked."""

        def __init__(self) -> None:
            self._bucket, self.name = bucket._bucket, bucket.name

        def create(self, path: str, data: bytes | BinaryIO, content_type: str) -> str | None:
            super().create(path, data, content_type)
            return "AAAAAA=="

    with pytest.raises(Unavailable, match="other bytes"):
        PartWriter(Corrupts(), NAME, 4, "corrupt").write([_batch(1)], SCHEMA)


def test_discarded_parts_are_gone_and_others_stay(bucket: Bucket) -> None:
    kept = PartWriter(bucket, NAME, 5, "kept").write([_batch(1)], SCHEMA)
    writer = PartWriter(bucket, NAME, 5, "lost")
    writer.write([_batch(1)], SCHEMA)
    writer.discard()
    assert list(bucket.names("sse/thing/parts/00000005-")) == [part.path for part in kept]
