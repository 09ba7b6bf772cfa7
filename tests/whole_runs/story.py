"""Two worlds read the same sources: in one nothing is killed, in the other whatever `points` names.

The killed one is Airflow's; in the calm one the steps run straight, one after the other. Both eat the sources in the
same bites, so that even the change numbers must agree. The story is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from include.connections import EnvironmentConnections
from include.local.business_day import business_day, next_day
from include.local.demo_run import DagRun
from tests.conftest import SEED, World
from tests.whole_runs.airflow_of import AirflowOf
from tests.whole_runs.pictures import Picture, picture
from tests.whole_runs.points import AFTER_THE_DAY, BITES, TASKS, Point
from tests.whole_runs.straight import run_straight


@dataclass
class Story:
    """What was run, and what was seen on the way and at the end. `runs`: by the name of the point that was in it."""

    calm: World
    killed: World
    airflow: AirflowOf
    first: list[DagRun]
    unchanged: DagRun
    after_the_day: list[DagRun]
    runs: dict[str, DagRun]
    ends: tuple[Picture, Picture] = field(repr=False)

    @cached_property
    def differences(self) -> list[str]:
        """The names of what is not the same at both ends."""
        calm, killed = self.ends
        return calm.differences(killed)

    def tries(self, point: Point) -> int:
        """How often the point's task was tried in the run of the point."""
        found = (task for task in self.runs[point.name].tasks() if task["task_id"] == point.task)
        return int(next(found)["try_number"])


def tell(
    estates: EnvironmentConnections, new_world: Callable[[str], World], airflow_of: Callable[[World], AirflowOf]
) -> Story:
    """Both worlds before and after a day of business; then a run without news. Airflow is left running."""
    calm, killed = new_world("calm"), new_world("killed")
    for bite in BITES:
        run_straight(calm, bite)
    airflow = airflow_of(killed)
    first = _with_kills(airflow, TASKS)
    business_day(estates, seed=SEED, day=next_day(estates), report=lambda text: None)
    for bite in BITES:
        run_straight(calm, bite)
    after = _with_kills(airflow, AFTER_THE_DAY)
    runs = {
        point.name: runs[point.bite] for runs, points in ((first, TASKS), (after, AFTER_THE_DAY)) for point in points
    }
    ends = picture(calm), picture(killed)
    unchanged = airflow.succeed()
    return Story(calm, killed, airflow, list(first.values()), unchanged, list(after.values()), runs, ends)


def _with_kills(airflow: AirflowOf, points: Sequence[Point]) -> dict[tuple[str, ...], DagRun]:
    """The bites, with the kills of each; Airflow notices each death and tries again by itself."""
    return {
        bite: airflow.succeed({"only": list(bite)}, kills=[point for point in points if point.bite == bite])
        for bite in BITES
    }
