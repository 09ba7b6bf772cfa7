"""Which parts does no entry of the log name? (those of tries that were killed, or lost)"""

from __future__ import annotations

from include.stage.log import Batch, ObjectStore
from include.stage.parquet import parts_of


def sweep(store: ObjectStore, batch: Batch) -> int:
    """Delete the parts of this batch's number that it does not name; how many there were.

    The batch must be committed: of another number somebody may be about to name them.
    """
    named = {part.path for part in batch.named}
    unnamed = [path for path in store.names(parts_of(batch.dataset, batch.number)) if path not in named]
    for path in unnamed:
        store.delete(path)
    return len(unnamed)
