"""How does a run of a DAG go? (triggered and watched over Airflow's REST API)"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from include.errors import Refused, Unavailable
from include.local.airflow_api import ApiRefused
from include.local.form_refused import form_refused
from include.local.platform import Platform

_ENDED = {"success", "failed", "skipped", "removed"}
_PATIENCE = 600.0
_SILENCE = 10.0
"""Seconds without anything to tell, after which it is said what is waited for."""


_PARSED_AGAIN = 40.0
"""Seconds within which Airflow parses a file again: an import error that is older may be of one that was mended."""


class RunFailed(Refused):
    """A run ended, and not well."""


class DagRun:
    """One run of one DAG on the laptop's Airflow."""

    def __init__(self, platform: Platform, dag_id: str, run_id: str) -> None:
        self._platform, self._api = platform, platform.airflow()
        self.dag_id, self.run_id = dag_id, run_id
        self._path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

    def run(self, report: Callable[[str], None], conf: Mapping[str, Any] | None = None) -> None:
        """Trigger, and wait for success; each task is reported when it ends. Raises RunFailed with each failed task's
        error when the run failed."""
        self.trigger(conf)
        self.finish(report)

    def trigger(self, conf: Mapping[str, Any] | None = None) -> None:
        """Begin the run, once the DAG is known: its file is parsed some seconds after the start. Raises FormError for a
        form that Airflow refuses, RunFailed with Airflow's import errors when the DAG does not become known."""
        began = time.monotonic()
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": dict(conf or {})}
        while True:
            try:
                self._api.call("POST", f"/dags/{self.dag_id}/dagRuns", body)
                return
            except ApiRefused as error:
                if error.status != 404:
                    raise (form_refused(self.dag_id, error.said, self._params) or error) from None
                waited = time.monotonic() - began
                if waited > _PATIENCE / 5 or (waited > _PARSED_AGAIN and self._import_errors()):
                    raise self._unknown() from None
                time.sleep(1)

    def finish(self, report: Callable[[str], None]) -> None:
        """Wait for success; as `run`."""
        state = self.wait(report)
        if state != "success":
            raise self._failure(state)

    def _params(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.get(f"/dags/{self.dag_id}/details")["params"]
        return found

    def _import_errors(self) -> list[dict[str, Any]]:
        """Of the file that should hold the DAG."""
        found = self._api.get("/importErrors?limit=1000")["import_errors"]
        return [error for error in found if Path(error["filename"]).stem == self.dag_id]

    def _unknown(self) -> RunFailed:
        errors = "; ".join(error["stack_trace"].strip().splitlines()[-1] for error in self._import_errors())
        return RunFailed(
            f"Airflow knows no DAG {self.dag_id}: {errors or 'no file declares it'}",
            where=f"dags/{self.dag_id}.py",
            remedy="`python -m include check` says what is wrong with the declarations",
        )

    def wait(self, report: Callable[[str], None] = lambda text: None, *, patience: float = _PATIENCE) -> str:
        """The state in which the run ended. Raises Unavailable when no task of it ends for `patience` seconds."""
        last, told, said = time.monotonic(), set[str](), ""
        while time.monotonic() < last + patience:
            try:
                state = str(self._api.get(self._path)["state"])
                if self._report_ended(report, told):
                    last, said = time.monotonic(), ""
                if state in ("success", "failed"):
                    return state
                why = self._waits_for(state) if time.monotonic() > last + _SILENCE else ""
            except Unavailable:  # a busy server answers late; a dead one has until the deadline to come back
                why = f"Airflow does not answer: {self._api.url}"
            if why != said:
                said = why
                report(f"… waiting: {why}")
            time.sleep(0.5)
        raise Unavailable(
            f"no task of the run has ended in {patience:.0f} s",
            where=self._link(),
            remedy="see the task that is running there",
        )

    def _report_ended(self, report: Callable[[str], None], told: set[str]) -> bool:
        """Each task once; whether there was one."""
        ended = [task for task in self.tasks() if task["state"] in _ENDED and _name(task) not in told]
        for task in ended:
            told.add(_name(task))
            report(f"{_name(task):45} {task['state']:10} {task['duration'] or 0:6.1f} s{self._why_left_out(task)}")
        return bool(ended)

    def _why_left_out(self, task: Mapping[str, Any]) -> str:
        """In the words of a task that began, and has left itself out."""
        if task["state"] != "skipped" or not task["try_number"]:
            return ""
        said = (str(line.get("event", "")) for line in self._log_lines(task))
        return next((f"\n{text}" for text in said if text.startswith("skipped: ")), "")

    def _waits_for(self, state: str) -> str:
        """Why nothing ends: the DAG is paused, another run goes first, or some tasks take their time."""
        if self._api.get(f"/dags/{self.dag_id}")["is_paused"]:
            return f"the DAG {self.dag_id} is paused: switch it on in the UI"
        if state == "queued":
            runs = self._api.get(f"/dags/{self.dag_id}/dagRuns?state=running&limit=10")["dag_runs"]
            return f"another run goes first: {', '.join(run['dag_run_id'] for run in runs) or 'none is seen yet'}"
        tasks = [(_name(task), task["state"]) for task in self.tasks() if task["state"] not in (*_ENDED, None)]
        return ", ".join(f"{name} is {what.replace('_', ' ')}" for name, what in tasks) or "no task is ready"

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
        return "\n".join(_log_line(line) for line in self._log_lines(self._api.get(self._path_of(task_id))))

    def _path_of(self, task_id: str) -> str:
        return f"{self._path}/taskInstances/{task_id}"

    def _log_lines(self, task: Mapping[str, Any]) -> list[dict[str, Any]]:
        which = f"{task['try_number']}?full_content=true&map_index={task['map_index']}"
        content = self._api.get(f"{self._path_of(task['task_id'])}/logs/{which}")
        return [line for line in content["content"] if isinstance(line, dict)]

    def _failure(self, state: str) -> RunFailed:
        """Names each failed task, its log and the error at its end."""
        tasks = self.tasks()
        failed = [task for task in tasks if task["state"] == "failed"]
        logs = self._platform.state / "airflow" / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        files = [str(logs / _log_file(task)) for task in failed]
        errors = [f"{_name(task)}: {self._error(task)}" for task in failed]
        left = sum(task["state"] == "upstream_failed" for task in tasks)
        return RunFailed(
            "\n".join([f"the run ended as {state}, and {left} tasks behind it did not run", *errors]),
            where=", ".join(files) or str(logs),
            remedy=f"what the errors above say; with their whole logs: {self._link()}",
        )

    def _error(self, task: Mapping[str, Any]) -> str:
        """The words of the last exception in a task's log."""
        lines = self._log_lines(task)
        errors = [error for line in lines for error in line.get("error_detail") or ()]
        return f"{errors[-1]['exc_type']}: {errors[-1]['exc_value']}" if errors else "left no error behind"

    def _link(self) -> str:
        return f"{self._api.url}/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}"


def _name(task: Mapping[str, Any]) -> str:
    """A task's id; of one of several key ranges with which of them it is."""
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']} {task['rendered_map_index'] or task['map_index']}"


def _log_file(task: Mapping[str, Any]) -> Path:
    mapped = [f"map_index={task['map_index']}"] if task["map_index"] >= 0 else []
    return Path(f"task_id={task['task_id']}", *mapped, f"attempt={task['try_number']}.log")


def _log_line(line: dict[str, Any]) -> str:
    """A structured line's text, and the words of the exceptions that it carries."""
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ()]
    return "\n".join([str(line.get("event", line)), *errors])
