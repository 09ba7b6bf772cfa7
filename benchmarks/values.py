"""Which columns did a reader change? (its objects in the bucket against what the driver gives, column by column)"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from include.clients.cloud_storage import Bucket

_TEXTS = ("Code", "Name", "Note", "BornOn", "CreatedAt", "ModifiedAt")  # in JSON all of these are texts
_KINDS = (
    (pa.types.is_integer, "a whole number"),
    (pa.types.is_floating, "a float"),
    (pa.types.is_decimal, "a decimal"),
    (pa.types.is_boolean, "a boolean"),
    (pa.types.is_date, "a date"),
    (pa.types.is_timestamp, "a date-time"),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), "a text"),
)


def table_of(bucket: Bucket, prefix: str) -> pa.Table:
    """All rows of the objects below a prefix, in the order of `Id`; names as the source has them."""
    found = [_read(name, bucket.read(name) or b"") for name in bucket.names(prefix)]
    table = pa.concat_tables(found, promote_options="permissive")
    return table.sort_by(next(name for name in table.column_names if name.lower() == "id"))


def _read(name: str, data: bytes) -> pa.Table:
    if name.endswith(".parquet"):
        return pq.read_table(io.BytesIO(data))
    texts = pa.schema([(column, pa.string()) for column in _TEXTS])
    options = pyarrow.json.ParseOptions(explicit_schema=texts)
    return pyarrow.json.read_json(io.BytesIO(data), parse_options=options)


def changes(source: pa.Table, given: pa.Table) -> dict[str, str]:
    """Column to what became of it: of another kind, or other values when it is taken back to the source's type. A
    column that is not here came as it was; BornOn and born_on are the same name."""
    by_name = {name.replace("_", "").lower(): name for name in given.column_names}
    found = {}
    for name in source.column_names:
        mine = by_name.get(name.lower())
        said = "missing" if mine is None else _change(source.column(name), given.column(mine))
        if said:
            found[name] = said
    return found


def _change(source: pa.ChunkedArray, given: pa.ChunkedArray) -> str:
    before, after = _kind(source.type), _kind(given.type)
    if len(source) != len(given):
        return f"{len(given):,} rows of {len(source):,}"
    said = [f"{after} instead of {before}"] if before != after else []
    if other := _other_values(source, given):
        said.append(f"{other:,} other values")
    return ", ".join(said)


def _kind(kind: pa.DataType) -> str:
    return next((name for holds, name in _KINDS if holds(kind)), str(kind))


def _other_values(source: pa.ChunkedArray, given: pa.ChunkedArray) -> int:
    """Rows whose value is another, where the reader's is rounded back to the source's type."""
    try:
        back = given.cast(source.type, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return len(source)
    same = pc.fill_null(pc.equal(source, back), False)
    both_null = pc.and_(pc.is_null(source), pc.is_null(back))
    return len(source) - (pc.sum(pc.or_(same, both_null)).as_py() or 0)
