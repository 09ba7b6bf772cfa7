"""Two worlds read the same sources: in one nothing is killed, in the other a task and its supervisor in each verb.

The killed one is Airflow's; in the calm one the steps run straight, one after the other. Both eat the sources in the
same bites (`only`), so that even the change numbers must agree. The story is told once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from include.connections import EnvironmentConnections
from include.local.business_day import business_day, next_day
from include.local.demo_run import DagRun
from tests.conftest import SEED, World
from tests.whole_runs.airflow_of import AirflowOf
from tests.whole_runs.straight import run_straight

BITES = (
    ["sse/customer", "sse/account"],
    ["mis/gentrack_customer", "mis/gentrack_account"],
    ["platform/customer", "platform/account"],
)
KILLED = {
    "extract": "sse/customer",
    "merge_lost": "from_sse_account",
    "merge_going_on": "from_mis_gentrack_customer",
    "publish": "customer",
}


@dataclass
class Story:
    """What was run, and what was seen on the way."""

    calm: World
    killed: World
    airflow: AirflowOf
    first: list[DagRun]
    unchanged: DagRun
    after_the_day: list[DagRun]
    kills: dict[str, dict[str, Any]]
    tries: dict[str, int]


def tell(
    estates: EnvironmentConnections, new_world: Callable[[str], World], airflow_of: Callable[[World], AirflowOf]
) -> Story:
    """Both worlds before and after a day of business. Airflow is left running."""
    calm, killed = new_world("calm"), new_world("killed")
    for bite in BITES:
        run_straight(calm, bite)
    airflow = airflow_of(killed)
    first, kills, tries = _with_kills(airflow)
    unchanged = airflow.succeed()
    business_day(estates, seed=SEED, day=next_day(estates), report=lambda text: None)
    for bite in BITES:
        run_straight(calm, bite)
    after = [airflow.succeed({"only": bite}) for bite in BITES]
    return Story(calm, killed, airflow, first, unchanged, after, kills, tries)


def _with_kills(
    airflow: AirflowOf,
) -> tuple[list[DagRun], dict[str, dict[str, Any]], dict[str, int]]:
    """The bites with a kill in each verb; Airflow notices each death and tries again by itself."""
    for point, whom in KILLED.items():
        airflow.kill_at(point, whom)
    runs = [airflow.succeed({"only": bite}) for bite in BITES]
    tries: dict[str, int] = {}
    for task in (task for run in runs for task in run.tasks()):
        tries[task["task_id"]] = max(task["try_number"], tries.get(task["task_id"], 0))
    return runs, {point: airflow.reached(point) for point in KILLED}, tries
