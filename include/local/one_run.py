"""`local run <DAG>`: what does a run of it do? (by the laptop's Airflow, as a trigger in its UI would)"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from include.catalogue import Catalogue
from include.local.demo_report import print_runs
from include.local.demo_run import DagRun, RunFailed
from include.local.platform import Platform


def one_run(platform: Platform, name: str, report: Callable[[str], None], form: Mapping[str, Any]) -> None:
    """Trigger a use case, or a job of `dags/jobs`, with these fields of the form, tell each task when it ends, and at
    the end what was read, changed and sent (of a job: what each task returned).

    Raises DeclarationError when no file declares it, Unavailable when a server is down, RunFailed with each failed
    task's error (of a job: what the tasks returned is told before, a refused report among it).
    """
    catalogue = Catalogue()
    is_job = (catalogue.dags / "jobs" / f"{name}.py").exists()
    if not is_job:
        catalogue.use_case(name)  # a typing mistake is told at once: Airflow would be waited for
    platform.require_running()
    run = DagRun(platform, name, f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    report(f"{name}, run {run.run_id} at {platform.airflow().url}")
    if is_job:
        _run_job(run, report, form)
    else:
        run.run(report, form)
        print_runs([run])


def _run_job(run: DagRun, report: Callable[[str], None], form: Mapping[str, Any]) -> None:
    run.trigger(form)
    try:
        run.finish(report)
    except RunFailed:
        _print_summaries(run)
        raise
    _print_summaries(run)


def _print_summaries(run: DagRun) -> None:
    for task in run.tasks():
        if summary := run.summary(task["task_id"]):
            text = summary.pop("report", None)
            print(f"\n{task['task_id']}\n{json.dumps(summary, indent=2, ensure_ascii=False)}")
            if text:  # for reading: in JSON it would be one line
                print(f"\n{text}\n")
