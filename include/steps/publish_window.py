"""Which changes are sent next? (windows of the change log by number, each read while the one before it is sent)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from include.clients.big_query import Value
from include.errors import IntegrityError
from include.publish.events import published_columns
from include.rendering import render
from include.steps.publication import Publication

WINDOW = 50_000
"""Change numbers per query of the change log."""


@dataclass(frozen=True)
class Window:
    """The changes (low, high]: `rows` are those that wait for an event, in order. `changed_at`: of the last change."""

    high: int
    changed_at: datetime
    rows: pa.Table
    without_event: int

    def parts(self, size: int) -> Iterator[tuple[pa.RecordBatch, int, datetime]]:
        """Pieces of at most `size` rows, each with the change up to which all is sent with it; at least one."""
        for begin in range(0, max(1, self.rows.num_rows), size):
            rows = _as_one(self.rows.slice(begin, size))
            if begin + size >= self.rows.num_rows:
                yield rows, self.high, self.changed_at
            else:
                last = rows.select(["change_number", "changed_at"]).slice(size - 1).to_pylist()[0]
                yield rows, last["change_number"], last["changed_at"]


def _as_one(rows: pa.Table) -> pa.RecordBatch:
    """(Copied piece by piece: a whole window twice in memory is more than it needs.)"""
    columns = [column.combine_chunks() for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def windows(p: Publication, published: list[int], start: int, end: int) -> Iterator[Window]:
    """The changes (start, end] by windows. published: up to which change each of the 64 slots is.

    Raises IntegrityError when a number is missing, or not all that was counted has come.
    """
    edges = ((low, min(low + WINDOW, end)) for low in range(start, end, WINDOW))
    return _one_ahead(lambda edge: _read(p, published, *edge), edges)


def _one_ahead[Item, Result](work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results in order, the next one in the making while one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for item in items:
            done, coming = coming, pool.submit(work, item)
            if done is not None:
                yield done.result()
        if coming is not None:
            yield coming.result()


def _read(p: Publication, published: list[int], low: int, high: int) -> Window:
    params: dict[str, Value] = {"low": low, "high": high, "published": published}
    (facts,) = p.servers.big_query.query(_sql(p, "change_log_facts.sql"), params, where=p.change_log)
    if not facts["changes"] == facts["numbers"] == high - low:
        raise _not_whole(p, f"does not have exactly the changes {low + 1} to {high}")
    columns = ["change_number", "changed_at", "operation", *published_columns(p.encoder.schema)]
    sql = _sql(p, "change_log_window.sql", columns=columns)
    batches = list(p.servers.storage_read.ordered(sql, params, where=p.change_log)) if facts["events"] else []
    rows = pa.Table.from_batches(batches) if batches else pa.table({})
    numbers = rows.column("change_number").combine_chunks() if batches else pa.array([], pa.int64())
    if len(numbers) != facts["events"] or not _is_rising(numbers, low, high):
        raise _not_whole(p, f"gave {len(numbers)} of {facts['events']} events of {low + 1} to {high}, or not in order")
    return Window(high, facts["changed_at"], rows, facts["without_event"])


def _is_rising(numbers: pa.Array, low: int, high: int) -> bool:
    values = numbers.to_numpy()
    return not len(values) or bool(low < values[0] and values[-1] <= high and (values[1:] > values[:-1]).all())


def _sql(p: Publication, statement: str, **more: Any) -> str:
    key = p.encoder.key_column
    return render(p.catalogue.sql / "statements", statement, change_log=p.change_log, key=key, **more)


def _not_whole(p: Publication, problem: str) -> IntegrityError:
    return IntegrityError(
        f"the change log {problem}",
        where=p.change_log,
        remedy="nothing of this window was sent; find out who changed or restored the change log",
    )
