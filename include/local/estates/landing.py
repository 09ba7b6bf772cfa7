"""How do produced records look in BigQuery once Kafka Connect has landed them?

Append only, a record a row, a tombstone a row with only `kafka_key` and `kafka_data`. Offsets are consecutive per
partition but for transactions that were aborted; Connect writes at least once, in several threads: some rows are
there twice, some came after rows with greater offsets.
"""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from include.local.estates.chance import REFERENCE, happens, stream
from include.local.estates.platform import History, Record
from include.local.estates.tables import KAFKA_COLUMNS, Row, Table, TableData

PARTITIONS = 3
_GAPS = 8  # per partition, whatever the size
_PACE = timedelta(milliseconds=200)
_SETTLED = datetime(REFERENCE.year, REFERENCE.month, REFERENCE.day, tzinfo=UTC) - timedelta(hours=1)


def partition_of(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS


def land(seed: int, table: Table, topic: str, histories: Iterable[History]) -> TableData:
    """All that was ever produced, as rows in the order in which they landed."""
    produced = _in_order(stream(seed, "produced", topic), histories)
    start = _SETTLED - len(produced) * _PACE
    by_partition = defaultdict(list)
    for turn, (key, record) in enumerate(produced):
        by_partition[partition_of(key)].append((start + turn * _PACE, key, record))
    rows: list[Row] = []
    for partition, mine in sorted(by_partition.items()):
        rng = stream(seed, "landed", topic, partition)
        for offset, (at, key, record) in zip(_offsets(rng, len(mine)), mine, strict=True):
            rows += _landings(rng, table, topic, key, offset, at, record)
    return TableData(table, sorted(rows, key=_landing_order))


def _in_order(rng: random.Random, histories: Iterable[History]) -> list[tuple[str, Record]]:
    """The records of all keys shuffled, each key's own kept in order."""
    timed = []
    for key, records in histories:
        moments = sorted(rng.randrange(1_000_000_000) for _ in records)
        timed += [
            (moment, key, turn, record) for turn, (moment, record) in enumerate(zip(moments, records, strict=True))
        ]
    return [(key, record) for _, key, _, record in sorted(timed, key=lambda produced: produced[:3])]


def _offsets(rng: random.Random, count: int) -> list[int]:
    """From 0, with some left out: those of aborted transactions."""
    gaps = set(rng.sample(range(1, count), min(_GAPS, count - 1)))
    offsets, following = [], 0
    for turn in range(count):
        following += rng.randrange(1, 6) if turn in gaps else 0
        offsets.append(following)
        following += 1
    return offsets


def _landings(
    rng: random.Random, table: Table, topic: str, key: str, offset: int, at: datetime, record: Record
) -> list[Row]:
    """The row; it may come late, and it may come twice."""
    late = timedelta(seconds=rng.randrange(5, 60)) if happens(rng, 30) else timedelta(0)
    rows = [landed(table, topic, key, offset, at + late, record)]
    if happens(rng, 20):
        rows.append(landed(table, topic, key, offset, at + late + timedelta(seconds=rng.randrange(30, 120)), record))
    return rows


def landed(table: Table, topic: str, key: str, offset: int, at: datetime, record: Record) -> Row:
    """One row of a landing table."""
    fields = record if record is not None else (None,) * (len(table.written) - len(KAFKA_COLUMNS))
    return (key, topic, partition_of(key), offset, at, *fields)


def _landing_order(row: Row) -> tuple[datetime, int, int]:
    at, partition, offset = row[4], row[2], row[3]
    assert isinstance(at, datetime)
    assert isinstance(partition, int)
    assert isinstance(offset, int)
    return at, partition, offset


def follow(
    table: Table, topic: str, ends: Mapping[int, int], produced: Iterable[tuple[str, Record]], at: datetime
) -> list[Row]:
    """Rows that follow what is there, without a gap; every 25th lands twice. `ends`: each partition's next offset."""
    following = dict(ends)
    rows = []
    for key, record in produced:
        offset = following.setdefault(partition_of(key), 0)
        rows.append(landed(table, topic, key, offset, at, record))
        following[partition_of(key)] = offset + 1
    return rows + rows[::25]


def as_json(table: Table, row: Row) -> dict[str, object]:
    """The row as a load job reads it; columns without a value are left out."""
    given: dict[str, object] = {}
    kafka: dict[str, object] = {}
    for name, value in zip(table.written, row, strict=True):
        if value is None:
            continue
        into, field = (kafka, name.removeprefix("kafka_data.")) if name.startswith("kafka_data.") else (given, name)
        into[field] = _json_value(value)
    return given | {"kafka_data": kafka}


def _json_value(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
