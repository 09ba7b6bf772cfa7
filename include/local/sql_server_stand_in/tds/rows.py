"""How do batches of Arrow become rows of TDS? (ROW, MS-TDS 2.2.7.19)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.local.sql_server_stand_in.sql_types import (
    BINARIES,
    CHARS,
    DAYS_TO_1900,
    DAYS_TO_1970,
    DECIMALS,
    INTEGERS,
    MAX,
    TICKS_PER_DAY,
    SqlType,
)
from include.local.sql_server_stand_in.tds.cells import (
    Matrix,
    Numbers,
    Piece,
    Valid,
    bytes_of,
    encoded,
    fixed,
    int64_of,
    little_endian,
    unlimited,
    varying,
    words_of,
)
from include.local.sql_server_stand_in.tds.type_info import decimal_size, time_size

_ROW = 0xD1


def rows(kinds: Sequence[SqlType], arrays: Sequence[pa.Array], count: int) -> bytes:
    """Every piece is put into its place by the arithmetic of indices."""
    pieces: list[Piece] = [np.full((count, 1), _ROW, np.uint8)]
    for kind, array in zip(kinds, arrays, strict=True):
        for piece in _column(kind, array):
            if isinstance(piece, np.ndarray) and isinstance(pieces[-1], np.ndarray):
                pieces[-1] = np.hstack((pieces[-1], piece))
            else:
                pieces.append(piece)
    return _woven(pieces, count)


def _woven(pieces: Sequence[Piece], count: int) -> bytes:
    widths = np.zeros(count, np.int64)
    for piece in pieces:
        widths += piece.shape[1] if isinstance(piece, np.ndarray) else piece[0]
    at = _begins(widths)
    out = np.empty(int(widths.sum()), np.uint8)
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            width = piece.shape[1]
            out[(at[:, None] + np.arange(width)).ravel()] = piece.ravel()
            at = at + width
        else:
            lengths, content = piece
            out[np.repeat(at - _begins(lengths), lengths) + np.arange(len(content))] = content
            at = at + lengths
    return out.tobytes()


def _begins(lengths: Numbers) -> Numbers:
    return np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(lengths) else lengths


def _column(kind: SqlType, array: pa.Array) -> list[Piece]:
    valid = np.asarray(array.is_valid()) if array.null_count else None
    if kind.name in CHARS or kind.name == "xml":
        return _texts(kind, array, valid)
    if kind.name in BINARIES:
        places, content = bytes_of(array.fill_null(b"") if valid is not None else array)
        return (unlimited if kind.length == MAX else varying)(np.diff(places), content, valid)
    return fixed(_ENCODERS[kind.name](kind, array), valid)


def _texts(kind: SqlType, array: pa.Array, valid: Valid) -> list[Piece]:
    lengths, content = encoded(array.fill_null("") if valid is not None else array, is_wide=kind.name[0] in "nx")
    is_unlimited = kind.name == "xml" or kind.length == MAX
    return (unlimited if is_unlimited else varying)(lengths, content, valid)


# --- cells of one width


def _integers(kind: SqlType, array: pa.Array) -> Matrix:
    return little_endian(np.asarray(array.cast(pa.int64()).fill_null(0)), INTEGERS.get(kind.name, 4))


def _bits(kind: SqlType, array: pa.Array) -> Matrix:
    return np.asarray(array.cast(pa.uint8()).fill_null(0)).reshape(-1, 1)


def _floats(kind: SqlType, array: pa.Array) -> Matrix:
    numbers = np.asarray(array.cast(pa.float64()).fill_null(0.0))
    found = np.ascontiguousarray(numbers.astype("<f4" if kind.name == "real" else "<f8"))
    return found.view(np.uint8).reshape(len(numbers), -1)


def _decimals(kind: SqlType, array: pa.Array) -> Matrix:
    """A byte for the sign, then the magnitude: Arrow has two's complement."""
    words = words_of(_exact(array, kind.precision or 38, kind.scale or 0))
    negative = (words[:, 1] >> np.uint64(63)).astype(bool)
    low, high = words[:, 0].copy(), words[:, 1].copy()
    low[negative] = ~low[negative] + np.uint64(1)
    high[negative] = ~high[negative] + (low[negative] == 0)
    found = np.empty((len(words), 17), np.uint8)
    found[:, 0] = ~negative
    found[:, 1:9] = np.ascontiguousarray(low).view(np.uint8).reshape(-1, 8)
    found[:, 9:] = np.ascontiguousarray(high).view(np.uint8).reshape(-1, 8)
    return found[:, : decimal_size(kind.precision or 38)]


def _exact(array: pa.Array, precision: int, scale: int) -> pa.Array:
    wanted = pa.decimal128(precision, scale)
    return (array if array.type == wanted else array.cast(wanted)).fill_null(Decimal(0))


def _money(kind: SqlType, array: pa.Array) -> Matrix:
    """Of money the upper half comes first."""
    raw = np.ascontiguousarray(words_of(_exact(array, 19, 4))).view(np.uint8).reshape(-1, 16)
    return raw[:, [4, 5, 6, 7, 0, 1, 2, 3]] if kind.name == "money" else raw[:, :4]


def _guids(kind: SqlType, array: pa.Array) -> Matrix:
    none = "00000000-0000-0000-0000-000000000000"
    _, content = bytes_of(pc.utf8_lower(array.cast(pa.string()).fill_null(none)))
    digits = content.reshape(-1, 36)[:, [at for at in range(36) if at not in (8, 13, 18, 23)]]
    values = np.where(digits >= ord("a"), digits - 87, digits - 48).astype(np.uint8)
    raw = values[:, ::2] * 16 + values[:, 1::2]
    return raw[:, [3, 2, 1, 0, 5, 4, 7, 6, *range(8, 16)]]


# --- dates and times


def _dates(kind: SqlType, array: pa.Array) -> Matrix:
    return little_endian(np.asarray(array.cast(pa.int32()).fill_null(0)).astype(np.int64) + DAYS_TO_1970, 3)


def _times(kind: SqlType, array: pa.Array) -> Matrix:
    return _time_of_day(_ticks(array), kind)


def _time_of_day(ticks: Numbers, kind: SqlType) -> Matrix:
    scale = kind.scale or 0
    return little_endian(ticks // 10 ** (7 - scale), time_size(scale))


def _datetime2s(kind: SqlType, array: pa.Array) -> Matrix:
    return _time_and_day(_ticks(array), kind)


def _ticks(array: pa.Array) -> Numbers:
    """Of a constant DuckDB makes a smaller integer, in which the arithmetic would overflow."""
    return np.asarray(array.fill_null(0)).astype(np.int64)


def _time_and_day(ticks: Numbers, kind: SqlType) -> Matrix:
    days, rest = np.divmod(ticks, TICKS_PER_DAY)
    return np.hstack((_time_of_day(rest, kind), little_endian(days, 3)))


def _offsets(kind: SqlType, array: pa.Array) -> Matrix:
    utc, minutes = (np.asarray(array.field(at).fill_null(0)).astype(np.int64) for at in (0, 1))
    return np.hstack((_time_and_day(utc, kind), little_endian(minutes, 2)))


def _ticks_of_timestamps(array: pa.Array) -> Numbers:
    microseconds = int64_of(array.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0))
    return microseconds * 10 + DAYS_TO_1970 * TICKS_PER_DAY


def _datetimes(kind: SqlType, array: pa.Array) -> Matrix:
    """Days since 1900 and 1/300 s."""
    days, rest = np.divmod(_ticks_of_timestamps(array), TICKS_PER_DAY)
    units = (rest * 3 + 50_000) // 100_000
    return np.hstack((little_endian(days - DAYS_TO_1900, 4), little_endian(units, 4)))


def _smalldatetimes(kind: SqlType, array: pa.Array) -> Matrix:
    days, rest = np.divmod(_ticks_of_timestamps(array), TICKS_PER_DAY)
    return np.hstack((little_endian(days - DAYS_TO_1900, 2), little_endian(rest // 600_000_000, 2)))


_ENCODERS: dict[str, Callable[[SqlType, pa.Array], Matrix]] = {
    **dict.fromkeys((*INTEGERS, "null"), _integers),
    **dict.fromkeys(DECIMALS, _decimals),
    **dict.fromkeys(("money", "smallmoney"), _money),
    **dict.fromkeys(("real", "float"), _floats),
    "bit": _bits,
    "uniqueidentifier": _guids,
    "date": _dates,
    "time": _times,
    "datetime2": _datetime2s,
    "datetimeoffset": _offsets,
    "datetime": _datetimes,
    "smalldatetime": _smalldatetimes,
}
