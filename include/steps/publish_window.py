"""Which changes are sent next? (windows of the change log by number, each read while the one before it is sent, some by
one query, which is run while the windows of the one before it are read)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from include.clients.big_query import Value
from include.clients.storage_read import Result
from include.errors import IntegrityError
from include.publish.events import published_columns
from include.rendering import render
from include.steps.publication import Publication

WINDOW = 10_000
"""Change numbers that are counted, and read and checked before the first of them is sent."""
PER_QUERY = 10
"""Windows."""


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
class Window:
    """The changes (low, high], of which so many are to be read."""

    low: int
    high: int
    events: int


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
    """Those that wait for an event, by windows, in order. Raises as `read_windows` does."""
    p, start, end = waiting.p, waiting.start, waiting.end
    edges = [(low, min(low + WINDOW, end)) for low in range(start, end, WINDOW)]
    counted = [Window(*edge, events) for edge, events in zip(edges, facts.events, strict=True)]
    sql = statement(p, "change_log_window.sql", columns=event_columns(p), by_slot=waiting.by_slot)
    return read_windows(
        p, sql, waiting.params, (counted[at : at + PER_QUERY] for at in range(0, len(counted), PER_QUERY))
    )


def read_windows(
    p: Publication, sql: str, params: Callable[[int, int], Mapping[str, Value]], queries: Iterable[Sequence[Window]]
) -> Iterator[pa.Table]:
    """The changes of windows, in the order of their numbers; empty ones are left out.

    sql, params: what gives the changes (low, high]. queries: the windows that one query gives, in order.
    Raises IntegrityError, instead of giving a window, unless it has as many changes as were counted, in order.
    """
    return ahead(_read(p, ahead(_asked(p, sql, params, queries))))


def _asked(
    p: Publication, sql: str, params: Callable[[int, int], Mapping[str, Value]], queries: Iterable[Sequence[Window]]
) -> Iterator[tuple[Sequence[Window], Result]]:
    for asked in queries:
        low, high, events = asked[0].low, asked[-1].high, sum(window.events for window in asked)
        result = p.servers.storage_read.query(sql, params(low, high), where=p.change_log)
        if result.count != events:
            raise _not_whole(p, f"gave {result.count} of {events} events of {low + 1} to {high}")
        yield [window for window in asked if window.events], result


def _read(p: Publication, results: Iterable[tuple[Sequence[Window], Result]]) -> Iterator[pa.Table]:
    for asked, result in results:
        rows = _Rows(p.servers.storage_read.rows(result, where=p.change_log))
        for window in asked:
            yield _checked(p, window, rows.take(window.events, to_the_end=window is asked[-1]))


def _checked(p: Publication, window: Window, rows: pa.Table) -> pa.Table:
    numbers = rows.column("change_number").to_numpy()
    is_rising = window.low < numbers[0] and numbers[-1] <= window.high and (numbers[1:] > numbers[:-1]).all()
    if not is_rising or len(numbers) != window.events:
        raise _not_whole(p, f"gave the changes {window.low + 1} to {window.high} not in order, or others")
    return rows


class _Rows:
    """Batches, from which rows are taken in order. (They are let go as they are taken.)"""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches, self._kept = batches, list[pa.RecordBatch]()

    def take(self, count: int, *, to_the_end: bool) -> pa.Table:
        """So many; or, at the end, all that are left: whoever gives them raises then unless they are all."""
        while to_the_end or sum(batch.num_rows for batch in self._kept) < count:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._kept.append(batch)
        table, self._kept = pa.Table.from_batches(self._kept), []
        if to_the_end:
            return table
        self._kept = table.slice(count).to_batches()
        return table.slice(0, count)


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


def ahead[Item](items: Iterator[Item]) -> Iterator[Item]:
    """The same, in order, the next one in the making while one is used. None of them may be None."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def event_columns(p: Publication) -> list[str]:
    """The columns of the change log that the encoder takes."""
    return ["change_number", "changed_at", "operation", *published_columns(p.encoder.schema)]


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
