"""Airflow itself, pointed at one world after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from include.catalogue import ROOT
from include.connections import EnvironmentConnections
from include.local.platform import Platform
from tests.conftest import World
from tests.whole_runs.airflow_of import AirflowOf
from tests.whole_runs.story import Story, tell

KILL_POINTS = Path(__file__).with_name("kill_points")
NOTICED_AFTER_S = 20
"""Seconds without a heartbeat after which Airflow takes a task for dead; 300 where nobody waits for a test."""


@pytest.fixture(scope="session")
def airflow_of(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Callable[[World], AirflowOf]:
    """A function that starts Airflow anew with a world's connections."""

    def start(world: World) -> AirflowOf:
        kills = tmp_path_factory.mktemp("kills")
        environment = {name: value for name, value in world.environment.items() if name.startswith("AIRFLOW_CONN_")}
        environment |= {
            "PYTHONPATH": f"{KILL_POINTS}:{ROOT}",
            "KILL_POINTS": str(kills),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(NOTICED_AFTER_S),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
        }
        running = replace(platform, extra_environment=environment)
        running.up(["airflow"], report=lambda text: None)
        return AirflowOf(running, world, kills)

    return start


@pytest.fixture(scope="session")
def story(
    estates: EnvironmentConnections, new_world: Callable[[str], World], airflow_of: Callable[[World], AirflowOf]
) -> Story:
    return tell(estates, new_world, airflow_of)
