"""Which changes are sent next? (windows of the change log by number, each read while the one before it is sent)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

WINDOW = 25_000
"""Change numbers per query of the change log."""


@dataclass(frozen=True)
class Waiting:
    """The changes (start, end] of a publication that its positions do not have. published: up to which change each of
    the 64 slots is."""

    p: Publication
    published: list[int]
    start: int
    end: int

    @property
    def by_slot(self) -> bool:
        """Whether some of them are published already, or are another publisher's."""
        return set(self.published) != {self.start}

    def params(self, low: int, high: int) -> dict[str, Value]:
        return {"low": low, "high": high, **({"published": self.published} if self.by_slot else {})}


@dataclass(frozen=True)
class Facts:
    """Per window, how many of its changes wait for an event; how many in all have none; and when the last of all was
    made."""

    events: Sequence[int]
    without_event: int
    changed_at: datetime


def look_ahead(waiting: Waiting) -> Facts:
    """Of changes of which there are some. Raises IntegrityError when a number is missing, or is there twice, or when a
    change has no key."""
    p, start, end = waiting.p, waiting.start, waiting.end
    sql = statement(p, "change_log_facts.sql", by_slot=waiting.by_slot, width=WINDOW)
    found = p.servers.big_query.query(sql, waiting.params(start, end), where=p.change_log)
    for name in ("changes", "numbers"):
        if sum(row[name] for row in found) != end - start:
            raise _not_whole(p, f"does not have exactly the changes {start + 1} to {end}")
    if without_key := sum(row["without_key"] for row in found):
        raise _not_whole(p, f"has {without_key} changes without a {p.encoder.key_column} after {start}")
    without_event = sum(row["without_event"] for row in found)
    return Facts([row["events"] for row in found], without_event, found[-1]["changed_at"])


def windows(waiting: Waiting, facts: Facts) -> Iterator[pa.Table]:
    """Those that wait for an event, by windows, in order. Raises IntegrityError, instead of giving a window, unless it
    has as many events as were counted."""
    p, start, end = waiting.p, waiting.start, waiting.end
    sql = statement(p, "change_log_window.sql", columns=event_columns(p), by_slot=waiting.by_slot)
    edges = [(low, min(low + WINDOW, end)) for low in range(start, end, WINDOW)]
    read = one_ahead(lambda edge: read_rows(p, sql, waiting.params(*edge), *edge), edges)
    for (low, high), rows, events in zip(edges, read, facts.events, strict=True):
        if rows.num_rows != events:
            raise _not_whole(p, f"gave {rows.num_rows} of {events} events of {low + 1} to {high}")
        yield rows


def pieces(rows: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    """At most `size` rows each, in order. (Copied piece by piece: a whole window twice in memory is more than it
    needs.)"""
    for begin in range(0, rows.num_rows, size):
        piece = rows.slice(begin, size)
        columns = [column.combine_chunks() for column in piece.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=piece.schema)


def last_of(rows: pa.RecordBatch) -> tuple[int, datetime]:
    """Number and time of the last change of some."""
    last = rows.select(["change_number", "changed_at"]).slice(rows.num_rows - 1).to_pylist()[0]
    return last["change_number"], last["changed_at"]


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


def event_columns(p: Publication) -> list[str]:
    """The columns of the change log that the encoder takes."""
    return ["change_number", "changed_at", "operation", *published_columns(p.encoder.schema)]


def read_rows(p: Publication, sql: str, params: Mapping[str, Value], low: int, high: int) -> pa.Table:
    """The changes of a window (low, high], in the order of their numbers. Raises IntegrityError when they are not."""
    batches = list(p.servers.storage_read.ordered(sql, params, where=p.change_log))
    rows = pa.Table.from_batches(batches) if batches else pa.table({})
    if batches and not _is_rising(rows.column("change_number").combine_chunks(), low, high):
        raise _not_whole(p, f"gave the changes {low + 1} to {high} not in order")
    return rows


def _is_rising(numbers: pa.Array, low: int, high: int) -> bool:
    values = numbers.to_numpy()
    return bool(low < values[0] and values[-1] <= high and (values[1:] > values[:-1]).all())


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
