"""Airflow itself, pointed at one world after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from include.catalogue import ROOT
from include.clients.sql_server import connect
from include.connections import Connections, EnvironmentConnections
from include.local.estates.seed_sql_server import marker_of
from include.local.estates.seeded import SeededBy
from include.local.platform import Platform
from tests.conftest import TOLD, World
from tests.whole_runs.airflow_of import AirflowOf
from tests.whole_runs.story import Story, tell

KILL_POINTS = Path(__file__).with_name("kill_points")

# How soon Airflow notices what was killed; all in seconds, and all that is set shorter here than where nobody waits.
NOTICED_AFTER_S = 20
"""Without a heartbeat a task is taken for dead; elsewhere 300. Less, and a machine that stalls looks like a death."""
LOOKED_FOR_EVERY_S = 1
"""Between two looks for tasks without a heartbeat; elsewhere 10."""
ORPHANS_EVERY_S = 5
"""Between two looks for tasks that a dead scheduler had queued; elsewhere 300."""
TRIED_AGAIN_AFTER_S = 2
"""Before the second try, twice that before the third; as shipped 10 (see `plugins/orchestration/use_case_dag.py`)."""
APPROVE_MOVES_ABOVE = 2
"""Customers: a larger move waits for somebody; as shipped 1,000."""
_AT_WORK = pytest.StashKey[list[AirflowOf]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """After the last test that looks at the story its Airflow ends: idle, it would take time from all other tests."""
    yield
    if nextitem is not None and nextitem.nodeid.partition("::")[0] not in TOLD:  # at the very end all servers end
        for airflow in item.session.stash.get(_AT_WORK, []):
            airflow.end()
        item.session.stash[_AT_WORK] = []


@pytest.fixture(scope="session")
def airflow_of(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[World], AirflowOf]:
    """A function that starts Airflow anew with a world's connections."""

    def start(world: World) -> AirflowOf:
        kills = tmp_path_factory.mktemp("kills")
        environment = {name: value for name, value in world.environment.items() if name.startswith("AIRFLOW_CONN_")}
        google = json.loads(environment["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])
        google["extra"]["approve_moves_above"] = APPROVE_MOVES_ABOVE
        environment |= {
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(google),
            "PYTHONPATH": f"{KILL_POINTS}:{ROOT}",
            "KILL_POINTS": str(kills),
            "KILL_POINTS_TRIED_AGAIN_AFTER_S": str(TRIED_AGAIN_AFTER_S),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(NOTICED_AFTER_S),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": str(LOOKED_FOR_EVERY_S),
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": str(ORPHANS_EVERY_S),
        }
        running = replace(platform, extra_environment=environment)
        running.up(["airflow"], report=lambda text: None)
        found = AirflowOf(running, world, kills)
        request.session.stash.setdefault(_AT_WORK, []).append(found)
        return found

    return start


@pytest.fixture(scope="session")
def story(
    estates: EnvironmentConnections,
    new_world_by_the_estates: Callable[[str], World],
    airflow_of: Callable[[World], AirflowOf],
) -> Story:
    return tell(estates, new_world_by_the_estates, airflow_of)


@pytest.fixture(scope="module")
def connections(estates: EnvironmentConnections) -> Connections:
    """Of the estates."""
    return estates


@pytest.fixture(scope="module")
def seeded(connections: Connections) -> SeededBy:
    """From what the estates were made."""
    with connect(connections.sql_server("sse"), "CRM") as crm:
        marker = marker_of(crm)
    assert marker
    return marker
