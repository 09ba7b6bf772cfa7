"""How does a run of a DAG go? (triggered and watched over Airflow's REST API)"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from include.errors import Unavailable
from include.local.airflow_api import ApiRefused
from include.local.platform import Platform

_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
_PATIENCE = 600.0


class DagRun:
    """One run of one DAG on the laptop's Airflow."""

    def __init__(self, platform: Platform, dag_id: str, run_id: str) -> None:
        self._platform, self._api = platform, platform.airflow()
        self.dag_id, self.run_id = dag_id, run_id
        self._path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

    def run(self, report: Callable[[str], None], conf: Mapping[str, Any] | None = None) -> None:
        """Trigger, and wait for success; each task is reported when it ends. Raises Unavailable when the run failed."""
        self.trigger(conf)
        state = self.wait(report)
        if state != "success":
            raise self._failure(state)

    def trigger(self, conf: Mapping[str, Any] | None = None) -> None:
        """Begin the run, once the DAG is known: its file is parsed some seconds after the start."""
        deadline = time.monotonic() + 120
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": dict(conf or {})}
        while True:
            try:
                self._api.call("POST", f"/dags/{self.dag_id}/dagRuns", body)
                return
            except ApiRefused as error:
                if error.status != 404 or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def wait(self, report: Callable[[str], None] = lambda text: None, *, patience: float = _PATIENCE) -> str:
        """The state in which the run ended. Raises Unavailable when no task of it ends for `patience` seconds."""
        deadline, told = time.monotonic() + patience, set[str]()
        while time.monotonic() < deadline:
            with suppress(Unavailable):  # a busy server answers late; a dead one has until the deadline to come back
                state = str(self._api.get(self._path)["state"])
                if self._report_ended(report, told):
                    deadline = time.monotonic() + patience
                if state in ("success", "failed"):
                    return state
            time.sleep(0.5)
        raise Unavailable(
            f"no task of the run has ended in {patience:.0f} s",
            where=self._link(),
            remedy="see the task that is running there",
        )

    def _report_ended(self, report: Callable[[str], None], told: set[str]) -> bool:
        """Each task once; whether there was one."""
        ended = [task for task in self.tasks() if task["state"] in _ENDED and task["task_id"] not in told]
        for task in ended:
            told.add(task["task_id"])
            report(f"{task['task_id']:45} {task['state']:10} {task['duration'] or 0:6.1f} s")
        return bool(ended)

    def tasks(self) -> list[dict[str, Any]]:
        """The run's task instances, as the API gives them."""
        found: list[dict[str, Any]] = self._api.get(f"{self._path}/taskInstances?limit=1000")["task_instances"]
        return sorted(found, key=lambda task: (task["end_date"] or "9", task["task_id"]))

    def summary(self, task_id: str) -> dict[str, Any]:
        """What a task returned; empty when it returned nothing."""
        try:
            found = self._api.get(f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value")
        except ApiRefused as error:
            if error.status == 404:
                return {}
            raise
        value: dict[str, Any] = found["value"]
        return value

    def summaries(self, verb: str) -> list[dict[str, Any]]:
        """What all tasks of a verb returned, by task id."""
        names = sorted(task["task_id"] for task in self.tasks() if task["task_id"].startswith(f"{verb}."))
        return [found for found in map(self.summary, names) if found]

    def log(self, task_id: str) -> str:
        """The text of a task's last try."""
        instance = self._api.get(f"{self._path}/taskInstances/{task_id}")
        content = self._api.get(f"{self._path}/taskInstances/{task_id}/logs/{instance['try_number']}?full_content=true")
        return "\n".join(_log_line(line) for line in content["content"] if isinstance(line, dict))

    def _failure(self, state: str) -> Unavailable:
        failed = [task for task in self.tasks() if task["state"] == "failed"]
        logs = self._platform.state / "airflow" / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        names = ", ".join(str(task["task_id"]) for task in failed) or "no task"
        files = ", ".join(str(logs / f"task_id={task['task_id']}") for task in failed) or str(logs)
        return Unavailable(
            f"the run ended as {state}; failed: {names}", where=files, remedy=f"read these logs, or {self._link()}"
        )

    def _link(self) -> str:
        return f"{self._api.url}/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}"


def _log_line(line: dict[str, Any]) -> str:
    """A structured line's text, and the words of the exceptions that it carries."""
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ()]
    return "\n".join([str(line.get("event", line)), *errors])
