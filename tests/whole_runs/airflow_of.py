"""The platform's Airflow, working in one world, and where its tasks shall be killed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.local.demo_run import DagRun
from include.local.lifecycle import bring_down
from include.local.platform import Platform
from include.local.servers.airflow import NAMES
from tests.conftest import World
from tests.whole_runs.points import Point
from tests.whole_runs.server_kills import servers_killed

_run_numbers = itertools.count(1)


@dataclass
class AirflowOf:
    """The platform's Airflow, working in one world. Kill points are files in `kills` (see kill_points/)."""

    platform: Platform
    world: World
    kills: Path

    def end(self) -> None:
        """Airflow alone: the platform's other servers are at work for others."""
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(lambda name: bring_down(self.platform.laptop, name, lambda text: None), NAMES))

    def run(
        self, conf: Mapping[str, Any] | None = None, *, kills: Sequence[Point] = (), patience: float = 600
    ) -> DagRun:
        """One run, to its end, with a kill at each of the points; its state is `self.state(run)`."""
        run = DagRun(self.platform, "customer_base", f"test-{next(_run_numbers)}-{self.world.name}")
        for point in kills:
            (self.kills / f"{point.name}.wanted").write_text(point.task, encoding="utf-8")
        with servers_killed(self.platform, self.kills, kills):
            run.trigger(conf)
            run.wait(patience=patience)
        return run

    def state(self, run: DagRun) -> str:
        return str(self.platform.airflow().get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}")["state"])

    def succeed(self, conf: Mapping[str, Any] | None = None, *, kills: Sequence[Point] = ()) -> DagRun:
        run = self.run(conf, kills=kills)
        self.assert_success(run)
        return run

    def assert_success(self, run: DagRun) -> None:
        """Fails with the end of the log of each task that failed."""
        failed = [task["task_id"] for task in run.tasks() if task["state"] in ("failed", "up_for_retry")]
        told = "\n\n".join(f"{task_id}:\n{run.log(task_id)[-3000:]}" for task_id in failed)
        assert self.state(run) == "success", told

    def reached(self, point: Point) -> dict[str, Any]:
        """What was going on when the point was reached; fails when it was not."""
        file = self.kills / f"{point.name}.reached"
        assert file.exists(), f"the point {point.name} was not reached by {point.task}"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def killed(self, point: Point) -> list[int]:
        """The processes of the point's server that were killed."""
        found: list[int] = json.loads((self.kills / f"{point.name}.dead").read_text(encoding="utf-8"))
        return found
