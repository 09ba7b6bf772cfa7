"""Which changes are sent next? (windows of the change log by number, each read while the one before it is sent)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
        left = self.rows.num_rows
        for rows in pieces(self.rows, size):
            left -= rows.num_rows
            yield (rows, *_last(rows)) if left else (rows, self.high, self.changed_at)


def pieces(rows: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    """At most `size` rows each, in order; at least one piece. (Copied piece by piece: a whole window twice in memory is
    more than it needs.)"""
    for begin in range(0, max(1, rows.num_rows), size):
        piece = rows.slice(begin, size)
        columns = [column.combine_chunks() for column in piece.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=piece.schema)


def _last(rows: pa.RecordBatch) -> tuple[int, datetime]:
    """Number and time of the last change of some."""
    last = rows.select(["change_number", "changed_at"]).slice(rows.num_rows - 1).to_pylist()[0]
    return last["change_number"], last["changed_at"]


def windows(p: Publication, published: list[int], start: int, end: int) -> Iterator[Window]:
    """The changes (start, end] by windows. published: up to which change each of the 64 slots is.

    Raises IntegrityError when a number is missing, or not all that was counted has come.
    """
    edges = ((low, min(low + WINDOW, end)) for low in range(start, end, WINDOW))
    return one_ahead(lambda edge: _read(p, published, *edge), edges)


def one_ahead[Item, Result](work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
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
    (facts,) = p.servers.big_query.query(statement(p, "change_log_facts.sql"), params, where=p.change_log)
    if not facts["changes"] == facts["numbers"] == high - low:
        raise _not_whole(p, f"does not have exactly the changes {low + 1} to {high}")
    sql = statement(p, "change_log_window.sql", columns=event_columns(p))
    rows = read_rows(p, sql, params, low, high, facts["events"])
    return Window(high, facts["changed_at"], rows, facts["without_event"])


def event_columns(p: Publication) -> list[str]:
    """The columns of the change log that the encoder takes."""
    return ["change_number", "changed_at", "operation", *published_columns(p.encoder.schema)]


def read_rows(p: Publication, sql: str, params: Mapping[str, Value], low: int, high: int, count: int) -> pa.Table:
    """The changes of a window (low, high], in the order of their numbers; nothing is asked for when none are counted.
    Raises IntegrityError unless they are as many as were counted."""
    batches = list(p.servers.storage_read.ordered(sql, params, where=p.change_log)) if count else []
    rows = pa.Table.from_batches(batches) if batches else pa.table({})
    numbers = rows.column("change_number").combine_chunks() if batches else pa.array([], pa.int64())
    if len(numbers) != count or not _is_rising(numbers, low, high):
        raise _not_whole(p, f"gave {len(numbers)} of {count} events of {low + 1} to {high}, or not in order")
    return rows


def _is_rising(numbers: pa.Array, low: int, high: int) -> bool:
    values = numbers.to_numpy()
    return not len(values) or bool(low < values[0] and values[-1] <= high and (values[1:] > values[:-1]).all())


def statement(p: Publication, file: str, **more: Any) -> str:
    """One of `sql/statements`, about the entity's change log."""
    key = p.encoder.key_column
    return render(p.catalogue.sql / "statements", file, change_log=p.change_log, key=key, **more)


def _not_whole(p: Publication, problem: str) -> IntegrityError:
    return IntegrityError(
        f"the change log {problem}",
        where=p.change_log,
        remedy="nothing of this window was sent; find out who changed or restored the change log",
    )
