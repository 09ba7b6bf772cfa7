"""How does a row of the change log become an event, and an event a row? (Avro, CloudEvents)"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from include.errors import IntegrityError

MAGIC = b"\x00"

Headers = list[tuple[str, bytes]]
Event = tuple[bytes, bytes | None, Headers]
"""One Kafka record: key, value (None: a tombstone), headers."""


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
        """The events of `rows` (change_number, changed_at, operation, the key, the published columns), in order.

        Columns are made ready as a whole, in native code; a Python object is made only of what a record is made of.
        Raises IntegrityError for a change without a key, and for a column that is not of its schema's type.
        """
        self._refuse_without_key(rows)
        removed = pc.equal(rows.column("operation"), "delete")
        keys = _bytes(rows.column(self.key_column))
        return zip(keys, self._values(rows, removed), self._headers(rows, keys, removed), strict=True)

    def _refuse_without_key(self, rows: pa.RecordBatch) -> None:
        """(Avro would write an empty text, and a compacted topic takes no record without a key.)"""
        if rows.column(self.key_column).null_count:
            without = rows.filter(pc.is_null(rows.column(self.key_column)))
            number = without.column("change_number")[0]
            raise self._unfit(f"the change {number} has no {self.key_column}", "its keys are NOT NULL")

    def _values(self, rows: pa.RecordBatch, removed: pa.Array) -> list[bytes | None]:
        prefix = MAGIC + self.schema_id.to_bytes(4, "big")
        try:
            bodies = avro_bodies(rows, self.schema)
        except ValueError:  # (its text says nothing of the column, and might of a value)
            raise self._of_another_type(rows) from None
        values = _joined(prefix, bodies)
        if removed.true_count:
            values = pc.if_else(removed, pa.scalar(None, values.type), values)
        return values.to_pylist()  # type: ignore[no-any-return]

    def _of_another_type(self, rows: pa.RecordBatch) -> IntegrityError:
        wrong = [field for field in self.schema["fields"] if not _fits(rows, {**self.schema, "fields": [field]})]
        columns = ", ".join(f"{field['name']} ({rows.column(field['name']).type})" for field in wrong)
        number = rows.column("change_number")[0] if rows.num_rows else None
        return self._unfit(f"from change {number} on, the schema cannot hold {columns}", "the contract names the types")

    def _unfit(self, problem: str, rule: str) -> IntegrityError:
        return IntegrityError(
            f"{self.entity}: {problem}",
            where=f"change log of {self.entity}, schema {self.schema_id}",
            remedy=f"{rule}: find out who has changed the table `change_log.{self.entity}`, and compare it with "
            "`python -m include tables apply`. Nothing of this transaction was sent",
        )

    def _headers(self, rows: pa.RecordBatch, keys: list[bytes], removed: pa.Array) -> Iterator[Headers]:
        """CloudEvents in binary mode (Kafka protocol binding 1.0); `ce_id` is the same whenever this change is sent.

        (Each is made when it is taken, and gone when it is sent: thousands at once keep the garbage collector busy.)
        """
        version, kind = ("ce_specversion", b"1.0"), ("content-type", b"application/avro")
        source = ("ce_source", f"/common_model/{self.entity}".encode())
        what = [("ce_type", f"{self.entity}.{what}".encode()) for what in ("changed", "removed")]
        ids = _bytes(_joined(f"{self.entity}:".encode(), rows.column("change_number").cast(pa.string())))
        of_row = zip(ids, removed.to_pylist(), _times(rows.column("changed_at")), keys, strict=True)
        return (
            [version, ("ce_id", ce_id), what[gone], source, at, ("ce_subject", key), kind]
            for ce_id, gone, at, key in of_row
        )


def _times(column: pa.Array) -> Iterator[tuple[str, bytes]]:
    """(All changes of one transaction have one time: each is written out once.)"""
    found = column.dictionary_encode()
    told = [("ce_time", at.isoformat().replace("+00:00", "Z").encode()) for at in found.dictionary.to_pylist()]
    return map(told.__getitem__, found.indices.to_pylist())


def _joined(prefix: bytes, column: pa.Array) -> pa.Array:
    """`prefix` before each value, as binary."""
    binary = [pa.scalar(part, pa.binary()) for part in (prefix, b"")]
    return pc.binary_join_element_wise(binary[0], column.cast(pa.binary()), binary[1])


def _bytes(column: pa.Array) -> list[bytes]:
    return column.cast(pa.binary()).to_pylist()  # type: ignore[no-any-return]


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
    columns = [_as_carried(rows.column(field["name"]), field["type"]) for field in schema["fields"]]
    wire = schema | {"fields": [field | {"type": _wire_type(field["type"])} for field in schema["fields"]]}
    encoded = pyruhvro.serialize_record_batch(pa.RecordBatch.from_arrays(columns, names=names), json.dumps(wire), 1)
    return pa.concat_arrays(encoded)


def _fits(rows: pa.RecordBatch, schema: dict[str, Any]) -> bool:
    try:
        avro_bodies(rows, schema)
    except ValueError:
        return False
    return True


def _wire_type(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_wire_type(branch) for branch in avro]
    bare = avro["type"] if isinstance(avro, dict) else avro
    if bare == "bytes":
        return "string"
    if isinstance(avro, dict) and avro.get("logicalType", "").startswith(("local-", "time-")):
        return bare
    return avro


def _as_carried(column: pa.Array, avro: Any) -> pa.Array:
    """The column in a type that pyruhvro carries, value for value. Raises ValueError for a decimal of another scale."""
    kind = column.type
    if pa.types.is_decimal(kind):
        if not any(isinstance(branch, dict) and branch.get("scale") == kind.scale for branch in avro):
            raise ValueError("another scale would be another number")
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
