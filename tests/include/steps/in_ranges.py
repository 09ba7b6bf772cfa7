"""`sse/customer` in key ranges: forty customers, planned, read and ended as the tasks of one run do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.run import Run
from include.stage.log import Batch, DatasetLog
from include.steps.extract_dataset import extract_dataset
from include.steps.extract_in_ranges import plan_ranges, read_range
from include.steps.extract_plan import Work
from include.steps.request import Request
from tests.include.steps import captured
from tests.include.steps.captured import source
from tests.include.steps.way import SSE, Way

WAYS = {
    "rowversion": ("{method: rowversion, column: RowVer}", "key_scan", ""),
    **{name: captured.WAYS[name] for name in ("change_tracking", "cdc")},
}


@pytest.fixture
def declared(way: Way, tracked: Way) -> Iterator[Callable[[str], Way]]:
    """Forty customers in ranges of ten, captured in one of the ways; all that vanish are allowed to."""
    path = way.catalogue.dataset_path(SSE)
    shipped = path.read_text(encoding="utf-8")

    def declare(name: str, more: str = "split_by: CustomerId\nrows_per_range: 10\n") -> Way:
        capture, deletes, enable = WAYS[name]
        text = re.sub(r"capture: .*", f"capture: {capture}", shipped)
        text = re.sub(r"deletes: .*", f"deletes: {deletes}", text)
        text = re.sub(r"deletes_at_most: .*", "deletes_at_most: 99%", text)
        path.write_text(re.sub(r"(split_by|rows_per_range): .*\n", "", text) + more, encoding="utf-8")
        way.catalogue = Catalogue(way.catalogue.sql.parent)
        way.customers(range(1, 41), name)
        if enable:
            way.sql(enable)
        return way

    yield declare
    path.write_text(shipped, encoding="utf-8")


def plan(way: Way) -> list[dict[str, Any]]:
    return [handed_on(share) for share in plan_ranges(_work(way))]


def read_one(way: Way, share: dict[str, Any]) -> dict[str, Any]:
    return handed_on(read_range(_work(way), share))


def finish(way: Way, shares: Sequence[dict[str, Any]], **request: Any) -> dict[str, Any]:
    return extract_dataset(_work(way, **request), shares)


def _work(way: Way, **request: Any) -> Work:
    case = way.catalogue.use_case("customer_base")
    request = {"full_refresh": True, **request}
    run = Run.begin("customer_base", "ranges", 1)  # one run for all: its claim stays from task to task
    return Work(way.catalogue, way.world.servers, run, case, SSE, Request(**request))


def handed_on(share: dict[str, Any]) -> dict[str, Any]:
    """As Airflow hands it on."""
    return dict(json.loads(json.dumps(share)))


def newest(way: Way) -> Batch:
    batch = log_of(way).latest()
    assert batch is not None
    return batch


def log_of(way: Way) -> DatasetLog:
    return DatasetLog(way.world.servers.bucket, SSE)


def parts_of(way: Way, number: int) -> set[str]:
    return set(way.world.servers.bucket.names(f"sse/customer/parts/{number:08}-"))


def is_the_source(way: Way) -> bool:
    way.load()
    way.merge()
    return way.names() == source(way)


def write(way: Way, was: str, now: str) -> None:
    path = way.catalogue.dataset_path(SSE)
    text = path.read_text(encoding="utf-8")
    assert re.search(was, text)
    path.write_text(re.sub(was, now, text, count=1), encoding="utf-8")
    way.catalogue = Catalogue(way.catalogue.sql.parent)


def other_session(way: Way) -> AbstractContextManager[Any]:
    return connect(way.world.connections.sql_server("sse"), way.database)
