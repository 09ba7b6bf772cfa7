"""How do columns of Arrow become cells of TDS? (the whole column at once; no loop of Python over rows)

A column becomes pieces. A piece is a matrix of bytes, where the bytes are as many in each row, or else the lengths of
the rows and all their bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Matrix = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[Any]]
Piece = Matrix | tuple[Numbers, Matrix]
Valid = Numbers | None
"""Which rows are not NULL; None: all."""
_NULL_LENGTH = 0xFFFF


def little_endian(values: Numbers, width: int) -> Matrix:
    """Integers of `width` bytes, a row for each."""
    found: Matrix = np.ascontiguousarray(values.astype("<i8")).view(np.uint8).reshape(-1, 8)[:, :width]
    return found


def fixed(cells: Matrix, valid: Valid) -> list[Piece]:
    """Cells of one width, each after its length; a NULL is a length of zero."""
    rows, width = cells.shape
    full = np.empty((rows, width + 1), np.uint8)
    full[:, 0], full[:, 1:] = width, cells
    if valid is None:
        return [full]
    full[~valid, 0] = 0
    keep = np.ones((rows, width + 1), bool)
    keep[:, 1:] = valid[:, None]
    return [(np.where(valid, width + 1, 1).astype(np.int64), full[keep])]


def varying(lengths: Numbers, content: Matrix, valid: Valid) -> list[Piece]:
    """Cells of any width, each after its length."""
    head = lengths.astype("<u2")
    if valid is not None:
        head[~valid] = _NULL_LENGTH
    return [head.view(np.uint8).reshape(-1, 2), (lengths, content)]


def unlimited(lengths: Numbers, content: Matrix, valid: Valid) -> list[Piece]:
    """Cells of type (max): the whole length, one chunk with its length, and a chunk of no length as the end."""
    rows = len(lengths)
    head = np.zeros((rows, 12), np.uint8)
    head[:, :8], head[:, 8:] = little_endian(lengths, 8), little_endian(lengths, 4)
    ends = np.where(lengths > 0, 4, 0).astype(np.int64)  # where there is nothing, the chunk's own length is the end
    first: Piece = head
    if valid is not None:
        head[~valid, :8] = 255
        keep = np.ones((rows, 12), bool)
        keep[~valid, 8:] = False
        first = (np.where(valid, 12, 8).astype(np.int64), head[keep])
    return [first, (lengths, content), (ends, np.zeros(int(ends.sum()), np.uint8))]


# --- what is in an array of Arrow


def bytes_of(array: pa.Array) -> tuple[Numbers, Matrix]:
    """Where each cell begins (and the last ends) and the bytes of all, of texts or binaries without NULL."""
    if not len(array):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    is_large = pa.types.is_large_binary(array.type) or pa.types.is_large_string(array.type)
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64 if is_large else np.int32)
    places = places[array.offset : array.offset + len(array) + 1].astype(np.int64)
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)[places[0] : places[-1]]
    return places - places[0], content


def encoded(array: pa.Array, *, is_wide: bool) -> tuple[Numbers, Matrix]:
    """Lengths and bytes of texts, in UTF-16LE or in code page 1252."""
    places, content = bytes_of(array)
    if not len(content) or content.max() < 128:
        return (np.diff(places) * 2, _widened(content)) if is_wide else (np.diff(places), content)
    text = content.tobytes().decode("utf-8")
    begins = (content & 0xC0) != 0x80
    beyond_16_bit = begins & (content >= 0xF0) if is_wide else np.zeros(len(content), bool)
    units = np.concatenate(([0], np.cumsum(begins.astype(np.int64) + beyond_16_bit)))[places]
    raw = text.encode("utf-16-le") if is_wide else text.encode("cp1252", "replace")
    return np.diff(units) * (2 if is_wide else 1), np.frombuffer(raw, np.uint8)


def _widened(content: Matrix) -> Matrix:
    wide = np.zeros(2 * len(content), np.uint8)
    wide[::2] = content
    return wide


def int64_of(array: pa.Array) -> Numbers:
    if not len(array):
        return np.zeros(0, np.int64)
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array)]


def words_of(array: pa.Array) -> Numbers:
    """The two halves of each decimal, the lower first."""
    if not len(array):
        return np.zeros((0, 2), np.uint64)
    words = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, 2)
    return words[array.offset : array.offset + len(array)]
