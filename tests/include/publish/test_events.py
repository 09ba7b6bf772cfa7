"""An event's bytes are what Avro's own reader understands, for every type and at its extremes."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from include.errors import IntegrityError
from include.publish.events import Encoder, avro_bodies

UTC = dt.UTC
CASES: dict[str, tuple[Any, pa.DataType, list[Any]]] = {
    "string": ("string", pa.string(), ["", "Żółć 😀", None, "a" * 5000]),
    "long": ("long", pa.int64(), [0, -1, 2**63 - 1, -(2**63), None]),
    "double": ("double", pa.float64(), [0.1, -1e308, None]),
    "boolean": ("boolean", pa.bool_(), [True, False, None]),
    "bytes": ("bytes", pa.binary(), [b"", b"\x00\xff", None, b"\xf0\x28"]),
    "date": (
        {"type": "int", "logicalType": "date"},
        pa.date32(),
        [dt.date(1, 1, 1), dt.date(1753, 1, 1), None, dt.date(9999, 12, 31)],
    ),
    "timestamp": (
        {"type": "long", "logicalType": "timestamp-micros"},
        pa.timestamp("us", "UTC"),
        [dt.datetime(1, 1, 1, tzinfo=UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), None],
    ),
    "datetime": (
        {"type": "long", "logicalType": "local-timestamp-micros"},
        pa.timestamp("us"),
        [dt.datetime(1753, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None],
    ),
    "time": (
        {"type": "long", "logicalType": "time-micros"},
        pa.time64("us"),
        [dt.time(0, 0), dt.time(23, 59, 59, 999999), None],
    ),
    "numeric": (
        {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
        pa.decimal128(38, 9),
        [Decimal("-12.345000001"), None, Decimal("99999999999999999999999999999.999999999"), Decimal(0), Decimal(-1)],
    ),
    "bignumeric": (
        {"type": "bytes", "logicalType": "decimal", "precision": 76, "scale": 38},
        pa.decimal256(76, 38),
        [Decimal("-0.00000000000000000000000000000000000001"), None, Decimal(10) ** 37],
    ),
}


def _schema(avro: Any) -> dict[str, Any]:
    fields = [{"name": "customer_key", "type": "string"}, {"name": "x", "type": ["null", avro], "default": None}]
    return {"type": "record", "name": "Customer", "namespace": "common_model", "fields": fields}


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("offset", [0, 1])
def test_a_value_comes_back_as_it_was(case: str, offset: int) -> None:
    avro, arrow, values = CASES[case]
    rows = pa.record_batch(
        {"customer_key": pa.array([f"k{i}" for i in range(len(values))]), "x": pa.array(values, arrow)}
    )
    bodies = avro_bodies(rows.slice(offset), _schema(avro))
    back = [fastavro.schemaless_reader(io.BytesIO(body.as_py()), _schema(avro)) for body in bodies]  # type: ignore[call-overload]
    assert [row["x"] for row in back] == values[offset:]
    assert [row["customer_key"] for row in back] == [f"k{i}" for i in range(offset, len(values))]


def _log(*rows: tuple[int, str, str, str | None]) -> pa.RecordBatch:
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return pa.record_batch(
        {
            "change_number": pa.array([row[0] for row in rows], pa.int64()),
            "changed_at": pa.array([at] * len(rows), pa.timestamp("us", "UTC")),
            "operation": [row[1] for row in rows],
            "customer_key": [row[2] for row in rows],
            "x": pa.array([row[3] for row in rows], pa.string()),
        }
    )


def test_an_event_is_a_cloud_event_in_confluents_wire_format() -> None:
    encoder = Encoder("customer", "customer_key", _schema("string"), 513)
    upsert, removal = encoder.encode(_log((7, "update", "ab", "x"), (8, "delete", "cd", None)))
    key, value, headers = upsert
    assert key == b"ab"
    assert value is not None
    assert value[:5] == b"\x00\x00\x00\x02\x01"
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"customer:7",
        "ce_type": b"customer.changed",
        "ce_source": b"/common_model/customer",
        "ce_time": b"2026-01-02T03:04:05.678901Z",
        "ce_subject": b"ab",
        "content-type": b"application/avro",
    }
    assert removal[:2] == (b"cd", None)
    assert dict(removal[2])["ce_type"] == b"customer.removed"


def test_no_row_gives_no_event() -> None:
    encoder = Encoder("customer", "customer_key", _schema("string"), 1)
    assert list(encoder.encode(_log((1, "update", "ab", "x")).slice(1))) == []


MICROS = {"type": "long", "logicalType": "timestamp-micros"}
NUMERIC = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}


@pytest.mark.parametrize(
    ("avro", "values"),
    [
        ("string", pa.array([5, 6])),
        ("long", pa.array(["Verysecret", "x"])),
        ("long", pa.array([1.5, 2.0])),
        ("boolean", pa.array(["true", "x"])),
        (MICROS, pa.array([0, 1], pa.timestamp("s", "UTC"))),
        (NUMERIC, pa.array([Decimal("1.50"), None], pa.decimal128(10, 2))),
        (NUMERIC, pa.array([Decimal("1.50"), None], pa.decimal256(76, 38))),
        (NUMERIC, pa.array([1.5, None])),
    ],
    ids=lambda given: str(getattr(given, "type", "")),
)
def test_a_column_of_another_type_is_refused_by_its_name_and_no_event_is_made(avro: Any, values: pa.Array) -> None:
    log = _log((31, "update", "ab", None), (32, "update", "cd", None))
    rows = log.set_column(log.schema.get_field_index("x"), "x", values)
    said = f"customer: from change 31 on, the schema cannot hold x ({values.type})"
    with pytest.raises(IntegrityError, match=re.escape(said)):
        list(Encoder("customer", "customer_key", _schema(avro), 513).encode(rows))


def test_a_change_without_a_key_is_refused_by_its_number() -> None:
    log = _log((31, "update", "ab", "Verysecret"), (32, "update", "cd", "Verysecret"))
    at = log.schema.get_field_index("customer_key")
    rows = log.set_column(at, "customer_key", pa.array(["ab", None], pa.string()))
    with pytest.raises(IntegrityError, match="customer: the change 32 has no customer_key") as refused:
        list(Encoder("customer", "customer_key", _schema("string"), 513).encode(rows))
    assert "Verysecret" not in str(refused.value)
