"""How does a row of the change log become an event, and an event a row? (Avro, CloudEvents)"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyruhvro

MAGIC = b"\x00"


@dataclass(frozen=True)
class Event:
    """One Kafka record: a None value is a tombstone."""

    change_number: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True)
class Encoder:
    """Encodes record batches of one entity's change log.

    schema: the Avro record as registered under `schema_id`. Values are in Confluent's wire format: a zero byte,
    the schema's id in four bytes big-endian, the Avro body.
    """

    entity: str
    key_column: str
    schema: dict[str, Any]
    schema_id: int

    def encode(self, rows: pa.RecordBatch) -> Iterator[Event]:
        """The events of `rows` (change_number, changed_at, operation, the key, the published columns), in order."""
        prefix = MAGIC + self.schema_id.to_bytes(4, "big")
        bodies = avro_bodies(rows, self.schema)
        numbers = rows.column("change_number").to_pylist()
        keys = rows.column(self.key_column).to_pylist()
        removed = [operation == "delete" for operation in rows.column("operation").to_pylist()]
        times = [at.isoformat().replace("+00:00", "Z") for at in rows.column("changed_at").to_pylist()]
        for number, key, gone, at, body in zip(numbers, keys, removed, times, bodies, strict=True):
            value = None if gone else prefix + body.as_py()
            yield Event(number, key.encode(), value, self._headers(number, key, gone, at))

    def _headers(self, number: int, key: str, gone: bool, at: str) -> list[tuple[str, bytes]]:
        """CloudEvents in binary mode (Kafka protocol binding 1.0); `ce_id` is the same whenever this change is sent."""
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{self.entity}:{number}".encode()),
            ("ce_type", f"{self.entity}.{'removed' if gone else 'changed'}".encode()),
            ("ce_source", f"/common_model/{self.entity}".encode()),
            ("ce_time", at.encode()),
            ("ce_subject", key.encode()),
            ("content-type", b"application/avro"),
        ]


@dataclass
class Decoder:
    """Rows of events, by the schema that each names. `schema_text`: a schema's id to its text, asked once per id."""

    schema_text: Callable[[int], str]
    _known: dict[int, Any] = field(default_factory=dict)

    def row(self, value: bytes) -> dict[str, Any]:
        """The row of an event's value (Confluent's wire format), as fastavro gives it."""
        import fastavro

        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in self._known:
            self._known[schema_id] = fastavro.parse_schema(json.loads(self.schema_text(schema_id)))
        return dict(fastavro.schemaless_reader(io.BytesIO(value[5:]), self._known[schema_id]))  # type: ignore[call-overload]


def avro_bodies(rows: pa.RecordBatch, schema: dict[str, Any]) -> pa.Array:
    """The Avro bodies of the schema's fields, one binary value per row, in native code (pyruhvro).

    pyruhvro knows neither bytes nor decimals. In Avro both are a length and bytes, exactly as a string is (Avro
    1.11, "Binary Encoding"), so such a column is handed over as a string column over the same bytes.
    """
    names = [field["name"] for field in schema["fields"]]
    columns = [_as_carried(rows.column(name)) for name in names]
    wire = schema | {"fields": [field | {"type": _wire_type(field["type"])} for field in schema["fields"]]}
    encoded = pyruhvro.serialize_record_batch(pa.RecordBatch.from_arrays(columns, names=names), json.dumps(wire), 1)
    return pa.concat_arrays(encoded)


def _wire_type(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_wire_type(branch) for branch in avro]
    bare = avro["type"] if isinstance(avro, dict) else avro
    if bare == "bytes":
        return "string"
    if isinstance(avro, dict) and avro.get("logicalType", "").startswith(("local-", "time-")):
        return bare
    return avro


def _as_carried(column: pa.Array) -> pa.Array:
    """The column in a type that pyruhvro carries, value for value."""
    kind = column.type
    if pa.types.is_decimal(kind):
        return _text_over(_big_endian(column, kind.byte_width), column, kind.byte_width)
    if pa.types.is_binary(kind):
        offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
        return pa.StringArray.from_buffers(
            len(column), pa.py_buffer(offsets.copy()), column.buffers()[2], _validity(column)
        )
    if pa.types.is_time64(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        return column.view(pa.int64())
    return column


def _big_endian(column: pa.Array, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Unscaled decimals in two's complement, most significant byte first, in full width (Avro allows it)."""
    raw = np.frombuffer(column.buffers()[1], np.uint8)[column.offset * width : (column.offset + len(column)) * width]
    return np.ascontiguousarray(raw.reshape(len(column), width)[:, ::-1])


def _text_over(data: np.ndarray[Any, np.dtype[np.uint8]], column: pa.Array, width: int) -> pa.Array:
    offsets = np.arange(0, width * (len(column) + 1), width, dtype=np.int32)
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(offsets), pa.py_buffer(data), _validity(column))


def _validity(column: pa.Array) -> pa.Buffer | None:
    if column.null_count == 0:
        return None
    return pa.py_buffer(np.packbits(column.is_valid().to_numpy(zero_copy_only=False), bitorder="little"))


def published_columns(schema: dict[str, Any]) -> Sequence[str]:
    """The columns of the change log that an event is made of."""
    return [field["name"] for field in schema["fields"]]
