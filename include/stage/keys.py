"""Which keys that were there have vanished?"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.errors import IntegrityError, TooManyDeletions
from include.names import IS_GONE
from include.stage.log import Batch, ObjectStore, Part


@dataclass(frozen=True)
class Keys:
    """The key columns of a dataset, each with its collation, and the BOOL column of it that is true for a row that is
    gone, if there is one. Keys are compared as the source compares them."""

    columns: Mapping[str, str | None]
    flag: str | None = None

    def without(self, these: pa.Table, those: pa.Table) -> pa.Table:
        """`these` that are not among `those`."""
        return these.join(those, keys=list(self.columns), join_type="left anti")

    def among(self, these: pa.Table, those: pa.Table) -> pa.Table:
        """`these` that are among `those`."""
        return these.join(those, keys=list(self.columns), join_type="left semi")

    def present_and_gone(self, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The keys of rows that are there, and of those that are gone, each once."""
        gone = _gone(rows, self.flag)
        return self._once(rows.filter(pc.invert(gone))), self._once(rows.filter(gone))

    def _once(self, rows: pa.Table) -> pa.Table:
        return rows.select(list(self.columns)).group_by(list(self.columns)).aggregate([])

    def check_once(self, rows: pa.Table, where: str) -> None:
        """Raises IntegrityError when two rows of a batch have one key: it could never be merged."""
        if rows.num_rows != self._once(rows).num_rows:
            raise IntegrityError(
                "two rows that were read have one key",
                where=where,
                remedy="nothing was committed; compare the key's `collation` in the contract with the column's at the "
                "source, and ask its owner for DBCC CHECKTABLE",
            )

    def alive(self, store: ObjectStore, batches: Sequence[Batch]) -> pa.Table:
        """The keys that are there after these batches, in order, of which the first looked at every key; its key set
        beats its rows.

        Memory: the key columns of one batch, and those that are there (measured: at most 112 bytes a key for numbers,
        250 for text).
        """
        first, *later = batches
        if first.keys is not None:
            found, layers = self._once(self.of_parts(store, first.keys)), []
        else:
            found, layers = self.present_and_gone(self.of_parts(store, first.parts))[0], list(first.layers[1:])
        for parts in (*layers, *(layer for batch in later for layer in batch.layers)):
            present, gone = self.present_and_gone(self.of_parts(store, parts))
            found = pa.concat_tables([self.without(self.without(found, gone), present), present])
        return found

    def of_parts(self, store: ObjectStore, parts: Sequence[Part]) -> pa.Table:
        """The columns of parts that tell which keys are there."""
        return pa.concat_tables([self._of_part(store, part) for part in parts])

    def _of_part(self, store: ObjectStore, part: Part) -> pa.Table:
        data = store.read(part.path)
        if data is None:
            raise IntegrityError(
                "a part that the log names is gone",
                where=store.uri(part.path),
                remedy="restore it from the bucket's soft delete, or trigger the use case with full_refresh",
            )
        file, wanted = pq.ParquetFile(io.BytesIO(data)), {*self.columns, self.flag, IS_GONE}
        return self.canonical(file.read(columns=[name for name in file.schema_arrow.names if name in wanted]))

    def canonical(self, rows: pa.Table) -> pa.Table:
        """Two keys that are one to the source in one form: the merge's (sql/statements/keys.sql)."""
        for name, collation in self.columns.items():
            if collation in ("case_insensitive", "case_sensitive"):
                text = pc.utf8_rtrim(rows.column(name), " ")
                text = pc.utf8_upper(text) if collation == "case_insensitive" else text
                rows = rows.set_column(rows.column_names.index(name), name, text)
        return rows


def _gone(rows: pa.Table, flag: str | None) -> pa.ChunkedArray:
    told = next((name for name in (IS_GONE, flag) if name in rows.column_names), None)
    if told is None:
        return pa.chunked_array([pa.repeat(pa.scalar(False), rows.num_rows)])
    return pc.fill_null(rows.column(told), False)


def check_deletions(
    deleted: int, known: int, share: float, allowed: int | None, *, dataset: str, where: str, what: str = "known keys"
) -> None:
    """Raises TooManyDeletions when more than `share` (0 to 1) of the known keys vanished, or all of them, unless a
    person has allowed exactly this number. A source that suddenly has no row looks like everybody's death."""
    if deleted in (0, allowed) or (deleted <= known * share and deleted < known):
        return
    may = f"{share:.4%}".rstrip("0%").rstrip(".") + f" % of them, {int(known * share)}"
    asked = f" (the form allows {allowed}, which is another number)" if allowed is not None else ""
    raise TooManyDeletions(
        f"{deleted} of {known} {what} of {dataset} have vanished, the contract allows {may}{asked}",
        where=where,
        remedy=f"ask the owner whether it is right; if it is, trigger again with allow_deletions: {dataset}={deleted}. "
        "Where the number moves on before it can be allowed, have the job that deletes paused, or ask again, by a dry "
        "run, in hours in which it rests",
    )
