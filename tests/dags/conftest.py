"""Airflow is imported with a home of its own; and where alerts go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.airflow_home  # noqa: F401
from tests.whole_runs.receiver import Receiver


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """What is told to tier 1."""
    running = Receiver().start()
    monkeypatch.setenv("AIRFLOW_CONN_ALERTS_TIER_1", running.connection)
    yield running
    running.stop()
