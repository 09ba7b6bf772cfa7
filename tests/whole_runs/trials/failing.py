"""A trial fails, so that it can be seen who hears of it.

**At 3 a.m.** Sleep on: it was meant to fail. What it fails of quotes a row, and no part of that row may be seen here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, TaskGroup, get_current_context, task

from include.errors import DriftError, NotNow, SourceRefused, Unavailable
from include.use_case import UseCase
from orchestration import tasks
from orchestration.use_case_dag import run_settings
from tests.whole_runs.marked import FAILING, FOR_EVER, row_at_hand_when_time_is_over


def _is_well() -> bool:
    return bool((get_current_context()["dag_run"].conf or {}).get("well"))


def trial(name: str, *, tier: int = 1, retries: int = 0, schedule: str | None = None, **settings: Any) -> DAG:
    """A DAG with the settings of every use case, but for those that a trial must change."""
    case = UseCase(
        name=name,
        purpose=f"Shows {name.replace('_', ' ')}.",
        owner="trial-owners",
        priority=1,
        tier=tier,
        schedule=None,
        freshness="6h",
        claims={},
        merges=[],
        publishes=[],
    )
    shared = run_settings(case, __doc__ or "")
    tried = {**shared["default_args"], "retries": retries, "retry_delay": timedelta(seconds=1)}
    return DAG(name, schedule=schedule, catchup=False, **{**shared, "default_args": tried, **settings})


# ---- fails, and is healthy again when the form says so
with trial("refused"):

    @task
    def look() -> None:
        def step(work: Any) -> dict[str, Any]:
            raise DriftError("the column Shoe is missing", where="CRM.dbo.Customer.Shoe", remedy="ask its owner")

        if not _is_well():
            tasks._guarded("customer_base", step)

    look()

with trial("unheard", tier=3):

    @task
    def unheard() -> None:
        if not _is_well():
            raise ValueError("nobody answers when this is told")

    unheard()


# ---- every way to fail
with trial("heals", retries=1):

    @task
    def heals() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise Unavailable("not now", where="here", remedy="tried again by itself")

    heals()

with trial("quiet"):

    @task
    def quiet() -> None:
        until = get_current_context()["dag_run"].start_date + timedelta(seconds=20)

        def step(work: Any) -> dict[str, Any]:
            if datetime.now(UTC) < until:
                raise NotNow("its hours have not begun", where="here", remedy="waits", until=until)
            return {}

        tasks._guarded("customer_base", step)

    quiet()

with trial("killed"):

    @task
    def killed() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    killed()

with trial("timed_out", tier=2, dagrun_timeout=timedelta(seconds=4)):

    @task
    def too_slow() -> None:
        time.sleep(FOR_EVER)

    too_slow()

with trial("marked_failed", tier=2):

    @task
    def waits() -> None:
        time.sleep(FOR_EVER)

    waits()

with trial("stopped", fail_fast=True):

    @task
    def waits_beside() -> None:
        time.sleep(FOR_EVER)

    @task
    def fails_beside() -> None:
        while not _has_begun("waits_beside"):
            time.sleep(0.2)
        raise SourceRefused("the login was changed", where="CRM", remedy="correct the connection")

    waits_beside()
    fails_beside()

with trial("mapped"):

    @task
    def odd_ones_fail(number: int) -> None:
        if number % 2:
            raise SourceRefused(f"range {number} is refused", where="CRM", remedy="ask its owner")

    odd_ones_fail.expand(number=[1, 2, 3, 4, 5])

with trial("mistyped", schedule="0 4 * * *"), TaskGroup("check"):

    @task(task_id="mistyped")
    def checks() -> dict[str, Any]:
        return tasks.check("customer_base")

    checks()


def _has_begun(task_id: str) -> bool:
    ti, context = get_current_context()["ti"], get_current_context()
    states = ti.get_task_states(dag_id=context["dag"].dag_id, run_ids=[context["run_id"]])
    return states[context["run_id"]].get(task_id) == "running"


# ---- errors that quote a row
def quoting(step: Callable[[Any], dict[str, Any]]) -> None:
    seconds = 15 if step is row_at_hand_when_time_is_over else FOR_EVER

    @task(task_id=step.__name__, execution_timeout=timedelta(seconds=seconds))
    def quotes() -> None:
        tasks._guarded("customer_base", step)

    quotes()


with trial("quoting"):
    for step in (*FAILING, row_at_hand_when_time_is_over):
        quoting(step)
