"""How do Arrow batches become Parquet objects in the bucket?"""

from __future__ import annotations

import base64
import errno
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from include.errors import DataPlatformError, Unavailable
from include.names import DatasetName
from include.stage.log import ObjectStore, Part

ROWS_PER_PART = 500_000
_GROUP = 1 << 20  # bytes of Arrow in one row group: three times as much is held while it is encoded
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT)  # the last: no folder takes temporary files at all


@dataclass(frozen=True)
class PartWriter:
    """Writes the parts of one try. Their names hold the try's token, so that no two tries meet."""

    store: ObjectStore
    dataset: DatasetName
    batch: int
    token: str
    rows_per_part: int = ROWS_PER_PART

    def write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: str = "rows") -> tuple[Part, ...]:
        """Write the batches as zstd Parquet, one object for `rows_per_part` rows; one empty object for no row at all.

        `schema` is what the parts hold: each batch is cast to it, and a value that does not fit raises
        pyarrow.ArrowInvalid (never an approximation). Memory: one row group, a batch or `_GROUP` bytes.
        """
        parts: list[Part] = []
        for index, chunk in enumerate(_chunks(batches, self.rows_per_part)):
            parts.append(self._write_one(chunk, schema, f"{kind}-{index:04}"))
        return tuple(parts) or (self._write_one((), schema, f"{kind}-0000"),)

    def _write_one(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, name: str) -> Part:
        path = f"{self._prefix}{name}.parquet"
        with _disk(), tempfile.TemporaryFile() as file:
            rows = 0
            # no dictionaries: they double the size of what hardly repeats, and zstd finds what does
            with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
                for group in _groups(batch.cast(schema) for batch in batches):
                    writer.write_table(group)
                    rows += group.num_rows
            _give_back()
            size, crc = file.tell(), google_crc32c.Checksum()
            file.seek(0)
            for block in iter(lambda: file.read(1 << 20), b""):
                crc.update(block)
            ours = base64.b64encode(crc.digest()).decode()
            theirs = self.store.create(path, file, "application/vnd.apache.parquet")
        if theirs != ours:
            raise Unavailable(
                "the bucket holds other bytes than were written" if theirs else "the part is there already",
                where=self.store.uri(path),
                remedy="tried again by itself, under new names: an upload was cut off, or only its answer was lost",
            )
        return Part(path, rows, size, ours)

    @property
    def _prefix(self) -> str:
        return f"{parts_of(self.dataset, self.batch)}{self.token}-"

    def discard(self) -> None:
        """Delete all that this try has written, as far as that can be done; only where no entry can name it."""
        with suppress(DataPlatformError):  # what went wrong before is what must be told
            for path in list(self.store.names(self._prefix)):
                self.store.delete(path)


def parts_of(dataset: DatasetName | str, batch: int) -> str:
    """How the names of a batch's parts begin, whichever try has written them."""
    return f"{dataset}/parts/{batch:08}-"


@contextmanager
def _disk() -> Iterator[None]:
    """Raises Unavailable when the temporary file finds no room: others may give theirs back."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise Unavailable(
            "there is no room for a temporary file: a part is written to disk before it is uploaded",
            where=f"{_temporary_folder()} on {socket.gethostname()}",
            remedy="tried again by itself; if it lasts, make room there, or set TMPDIR of the workers to a larger disk",
        ) from None


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # Python looks for a folder that takes a byte, and has found none
        return os.environ.get("TMPDIR", "/tmp")  # noqa: S108  only to be named


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches together, so that a wide table, which comes few rows at a time, has no thousand row groups a part."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(one.nbytes for one in gathered) >= _GROUP:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)


def _give_back() -> None:
    """What the allocators keep of a part that is encoded would lie beside what the upload needs."""
    pa.default_memory_pool().release_unused()
    pa.system_memory_pool().release_unused()  # glibc's heap, which driver and zstd use


def _chunks(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """Groups of batches of about `rows` rows each, lazily: a group must be used up before the next is asked for."""
    source = iter(batches)
    for first in source:

        def group(first: pa.RecordBatch = first) -> Iterator[pa.RecordBatch]:
            yield first
            count = first.num_rows
            while count < rows:
                batch = next(source, None)
                if batch is None:
                    return
                yield batch
                count += batch.num_rows

        yield group()
