"""What killed tries leave goes, and nothing else."""

from __future__ import annotations

import pyarrow as pa

from include.clients.cloud_storage import Bucket
from include.names import DatasetName
from include.stage.log import Part
from include.stage.parquet import PartWriter
from include.stage.sweep import sweep
from tests.include.stage.batches import a_batch

NAME = DatasetName("sse", "swept")
SCHEMA = pa.schema([("CustomerId", pa.int64())])


def _written(bucket: Bucket, number: int, token: str, kind: str = "rows") -> tuple[Part, ...]:
    return PartWriter(bucket, NAME, number, token).write([], SCHEMA, kind)


def test_only_parts_of_the_batchs_number_that_it_does_not_name_are_deleted(bucket: Bucket) -> None:
    rows, keys = _written(bucket, 7, "won"), _written(bucket, 7, "won", "keys")
    others = [part.path for number in (1, 6, 8, 70) for part in _written(bucket, number, "other")]
    _written(bucket, 7, "killed")
    _written(bucket, 7, "killed", "keys")
    batch = a_batch(7, dataset=str(NAME), parts=rows, keys=keys)
    assert sweep(bucket, batch) == 2
    assert sorted(bucket.names(f"{NAME}/parts/")) == sorted([*others, rows[0].path, keys[0].path])
    assert sweep(bucket, batch) == 0
