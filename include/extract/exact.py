"""Does the driver give exactly what the source holds, and do the parts hold exactly that? (else it is refused)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from include.errors import IntegrityError, SourceRefused
from include.extract.query import Query, replacement_marks
from include.extract.way import Session

LARGEST_CELL = 10_000_000
"""Bytes of one text or binary that a row of BigQuery may hold beside others."""
_ADDRESSED = 1 << 31
_MARK = "\N{REPLACEMENT CHARACTER}"
_BYTES_OF_MARK = _MARK.encode()
LOOK = 1 << 20


@dataclass
class ExactRows:
    """Casts one result to `schema`. It counts the replacement characters that came, column by column: the driver
    gives one for half a surrogate pair without a word, and only the source can say whether it was one there."""

    schema: pa.Schema
    where: str
    marks: Counter[str] = field(default_factory=Counter)

    def of(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows in the types of `schema`. Raises IntegrityError for a value that they do not hold."""
        for batch in _not_too_large(batches):
            columns = [self._cast(*given) for given in zip(batch.columns, self.schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def check_marks(self, session: Session, query: Query) -> None:
        """Ask the source, in the same picture, for as many replacement characters as came, if any came.

        Raises SourceRefused when some were made on the way: the text holds half a surrogate pair.
        """
        for name, came in self.marks.items():
            asked = replacement_marks(query, name)
            there = int(session.scalar(asked.sql, asked.params) or 0)
            if there != came:
                raise SourceRefused(
                    f"{name} holds text that is no Unicode: {came - there} times half of a surrogate pair, or bytes "
                    "that are no character",
                    where=self.where,
                    remedy=f"have the owner find and mend them (from SQL Server 2019 on: rows whose {name} is "
                    "another when cast to varchar(max) with a collation _UTF8 and back), or take the column out of "
                    "the claims",
                )

    def _cast(self, column: pa.Array, wanted: pa.Field) -> pa.Array:
        if pa.types.is_string(wanted.type) or pa.types.is_binary(wanted.type):
            self._check_size(column, wanted.name)
        if pa.types.is_string(wanted.type) and _holds_mark(column):
            self.marks[wanted.name] += pc.sum(pc.count_substring(column, _MARK)).as_py()
        try:
            return column.cast(wanted.type)
        except pa.ArrowInvalid:  # its text holds the value
            raise IntegrityError(
                f"{wanted.name} holds a value that is not exactly one of {wanted.type} (it came as {column.type})",
                where=self.where,
                remedy="nothing was committed; give the column the type that docs/types.md has for it",
            ) from None

    def _check_size(self, column: pa.Array, name: str) -> None:
        largest = pc.max(pc.binary_length(column)).as_py() or 0
        if largest > LARGEST_CELL:
            raise IntegrityError(
                f"{name} holds {largest:,} bytes in one row, more than the {LARGEST_CELL:,} that are carried",
                where=self.where,
                remedy="take the column out of the claims, or have a view that cuts or leaves out what is so long",
            )


def _not_too_large(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """In halves, until the texts of one column have less than the 2 GiB that an Arrow string addresses."""
    for batch in batches:
        if batch.nbytes < _ADDRESSED or batch.num_rows == 1:
            yield batch
        else:
            half = batch.num_rows // 2
            yield from _not_too_large([batch.slice(0, half), batch.slice(half)])


def _holds_mark(column: pa.Array) -> bool:
    """A look at the bytes of all rows, `LOOK` bytes at a time that overlap: hardly any text holds one."""
    data = column.buffers()[-1]
    starts = range(0, data.size if data is not None else 0, LOOK - len(_BYTES_OF_MARK) + 1)
    return any(_BYTES_OF_MARK in data.slice(start, min(LOOK, data.size - start)).to_pybytes() for start in starts)
