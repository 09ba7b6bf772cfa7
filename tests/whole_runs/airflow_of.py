"""The platform's Airflow, working in one world, and where its tasks shall be killed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.local.demo_run import DagRun
from include.local.platform import Platform
from tests.conftest import World

_run_numbers = itertools.count(1)


@dataclass
class AirflowOf:
    """The platform's Airflow, working in one world. Kill points are files in `kills` (see kill_points/)."""

    platform: Platform
    world: World
    kills: Path

    def run(self, conf: Mapping[str, Any] | None = None, *, patience: float = 600) -> DagRun:
        """One run, to its end; its state is `self.state(run)`."""
        run = DagRun(self.platform, "customer_base", f"test-{next(_run_numbers)}-{self.world.name}")
        run.trigger(conf)
        run.wait(patience=patience)
        return run

    def state(self, run: DagRun) -> str:
        return str(self.platform.airflow().get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}")["state"])

    def succeed(self, conf: Mapping[str, Any] | None = None) -> DagRun:
        run = self.run(conf)
        self.assert_success(run)
        return run

    def assert_success(self, run: DagRun) -> None:
        """Fails with the end of the log of each task that failed."""
        failed = [task["task_id"] for task in run.tasks() if task["state"] in ("failed", "up_for_retry")]
        told = "\n\n".join(f"{task_id}:\n{run.log(task_id)[-3000:]}" for task_id in failed)
        assert self.state(run) == "success", told

    def kill_at(self, point: str, whom: str) -> None:
        (self.kills / f"{point}.wanted").write_text(whom, encoding="utf-8")

    def reached(self, point: str) -> dict[str, Any]:
        """What was going on when the point was reached; fails when it was not."""
        file = self.kills / f"{point}.reached"
        assert file.exists(), f"the point {point} was not reached"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
