"""Which keys that were there have vanished?"""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from include.errors import IntegrityError, TooManyDeletions
from include.stage.log import Batch, ObjectStore, Part


def vanished(store: ObjectStore, before: Batch, now: pa.Table, key: Sequence[str]) -> int:
    """How many keys of `before`, a batch that looked at every key, are not in `now`, which holds the columns `key`.

    Memory: both key sets (about 20 bytes a key for numbers, 60 for text).
    """
    return int(keys_of(store, _looked_at(before), key).join(now, keys=list(key), join_type="left anti").num_rows)


def known(before: Batch) -> int:
    """How many keys a batch that looked at every key has seen."""
    return sum(part.rows for part in _looked_at(before))


def _looked_at(batch: Batch) -> Sequence[Part]:
    return batch.keys if batch.keys is not None else batch.parts


def check_deletions(deleted: int, known: int, share: float, allowed: int | None, *, dataset: str, where: str) -> None:
    """Raises TooManyDeletions when more than `share` (0 to 1) of the known keys vanished, unless a person has allowed
    exactly this number. A source that suddenly has no row at all looks like everybody's death."""
    if deleted <= known * share or deleted == allowed:
        return
    may = f"{share:.4%}".rstrip("0%").rstrip(".") + f" % of them, {int(known * share)}"
    asked = f" (the form allows {allowed}, which is another number)" if allowed is not None else ""
    raise TooManyDeletions(
        f"{deleted} of {known} known keys of {dataset} have vanished, the contract allows {may}{asked}",
        where=where,
        remedy=f"ask the owner whether it is right; if it is, trigger again with allow_deletions: {dataset}={deleted}",
    )


def keys_of(store: ObjectStore, parts: Sequence[Part], key: Sequence[str]) -> pa.Table:
    """The keys that parts hold, each once."""
    tables = [_key_table(store, part, key) for part in parts]
    return pa.concat_tables(tables).group_by(list(key)).aggregate([])


def _key_table(store: ObjectStore, part: Part, key: Sequence[str]) -> pa.Table:
    data = store.read(part.path)
    if data is None:
        raise IntegrityError(
            "a part that the log names is gone",
            where=store.uri(part.path),
            remedy="restore it from the bucket's soft delete, or trigger the use case with full_refresh",
        )
    return pq.read_table(io.BytesIO(data), columns=list(key))
