"""What a merge keeps aside is told by its task: once, to the use case's tier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.steps.request import Request
from orchestration import tasks
from tests.conftest import World
from tests.include.steps.way import PLATFORM, USE_CASE, Way, new_way
from tests.whole_runs.receiver import Receiver

MAPPING = "customer/from_platform_customer"


@pytest.fixture
def way(new_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """One of a hundred rows may be kept aside."""
    found = new_way(new_world, "aside", tmp_path)
    found.new_landing_table()
    contract = found.catalogue.dataset_path(PLATFORM)
    contract.write_text(f"quarantine_at_most: 1%\n{contract.read_text(encoding='utf-8')}", encoding="utf-8")
    found.catalogue = Catalogue(tmp_path)
    monkeypatch.setattr(
        tasks, "get_current_context", lambda: {"run_id": "nightly", "task": SimpleNamespace(outlets=[])}
    )
    return found


def _run(way: Way, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Extract, and the task that merges."""
    run = way.begin()
    way.extract(PLATFORM, run=run)
    work = tasks._Work(way.catalogue, way.world.servers, run, way.catalogue.use_case(USE_CASE), Request())
    monkeypatch.setattr(tasks, "_work", lambda use_case: work)
    return dict(tasks.merge(USE_CASE, MAPPING))


def _aside(way: Way) -> list[dict[str, Any]]:
    table = way.world.servers.cloud.table("quarantine", PLATFORM.flat)
    return way.world.servers.big_query.query(f"SELECT source_key, rule FROM `{table}` ORDER BY kafka_offset")


def test_a_landed_record_that_cannot_be_merged_is_kept_aside_and_told_once(
    way: Way, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.land(0, *range(100))
    way.land(0, 100, key=None, customer_id="x")
    done = _run(way, monkeypatch)
    assert (done["inserted"], done["quarantined"]) == (100, 1)
    (message,) = receiver.messages
    assert message["title"] == f"{USE_CASE}: 1 row kept aside, tier 1"
    assert "quarantine.platform_customer" in message["message"]
    assert _aside(way) == [{"source_key": None, "rule": "no key"}]

    way.land(0, 101)  # the next window looks at the same record once more
    assert _run(way, monkeypatch)["quarantined"] == 0
    assert (len(receiver.messages), len(_aside(way))) == (1, 1)
