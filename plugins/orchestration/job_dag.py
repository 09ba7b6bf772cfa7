"""How does a job that is run by hand become a DAG? (its tasks and its form; no server is asked)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from airflow.sdk import DAG, Param, TaskGroup

from include.catalogue import CUSTOMER, Catalogue
from orchestration import job_tasks
from orchestration.alerts import alert_for
from orchestration.approval import ApproveMoves
from orchestration.assets import entity_asset, topic_asset
from orchestration.job_params import move_form, replay_form, roll_back_form
from orchestration.use_case_dag import named_task, run_settings

_AT_ONCE = 16
"""Runs: one that waits for a person holds up no other. Two that move the same customers meet in the transaction."""
_LONGEST = timedelta(days=4)
"""A run, with the days that it may wait for somebody's approval."""


@dataclass(frozen=True)
class Job:
    """Something that a person starts: for whom, how important, who is told when it fails."""

    name: str
    purpose: str
    owner: str
    priority: int
    tier: int


def move_cohort_dag(job: Job, doc: str | None) -> DAG:
    """Customers go to another system."""
    catalogue = Catalogue()
    spaces = [name.source for name in catalogue.mapping_names(CUSTOMER)]
    systems = list(dict.fromkeys(space.system for space in spaces))
    form = move_form(systems, [str(space) for space in spaces], catalogue.cohort_names())
    return _dag(job, doc or "", form, partial(_wire_move, catalogue, job, job_tasks.check_move, job_tasks.move))


def roll_back_move_dag(job: Job, doc: str | None) -> DAG:
    """A move is taken back."""
    wire = partial(_wire_move, Catalogue(), job, job_tasks.check_roll_back, job_tasks.roll_back)
    return _dag(job, doc or "", roll_back_form(), wire)


def replay_events_dag(job: Job, doc: str | None) -> DAG:
    """Events are sent once more."""
    catalogue = Catalogue()
    spaces = [str(name.source) for name in catalogue.mapping_names(CUSTOMER)]
    form = replay_form(catalogue.published_entities(), spaces, catalogue.cohort_names())
    return _dag(job, doc or "", form, partial(_wire_replay, job))


def _dag(job: Job, doc: str, form: Mapping[str, Param], wire: Callable[[], None]) -> DAG:
    dag = DAG(
        dag_id=job.name,
        description=job.purpose,
        doc_md=doc,
        schedule=None,
        catchup=False,
        tags=["job", f"tier {job.tier}", job.owner],
        params=dict(form),
        **_settings(job, doc),
    )
    with dag:
        wire()
    return dag


def _settings(job: Job, doc: str) -> dict[str, Any]:
    """As of a use case's runs; but each run is a matter of its own, and may wait for days."""
    return run_settings(job, doc) | {
        "max_active_runs": _AT_ONCE,
        "dagrun_timeout": _LONGEST,
        "on_failure_callback": alert_for(job, doc, lasts=False),
        "on_success_callback": None,
    }


def _wire_move(
    catalogue: Catalogue, job: Job, check: Callable[[str], Any], make: Callable[[str, Any, str], Any]
) -> None:
    """check, approve, move, publish: one task each, with all that follows the customers."""
    with TaskGroup("check"):
        report = named_task(check, job.name)(job.name)
    with TaskGroup("approve"):
        approved = ApproveMoves(task_id=job.name, report_of=f"check.{job.name}")
    with TaskGroup("move"):
        entities = [name for name in catalogue.entity_names() if catalogue.entity(name).mastered == "by_customer"]
        outlets = [entity_asset(entity) for entity in entities]
        moved = named_task(make, job.name, pool="merge_customer", outlets=outlets)(
            job.name, report, f"approve.{job.name}"
        )
    with TaskGroup("publish"):
        topics = [topic_asset(entity) for entity in entities if catalogue.entity(entity).event]
        named_task(job_tasks.publish, job.name, pool="publish", outlets=topics)(job.name, moved)
    report >> approved >> moved


def _wire_replay(job: Job) -> None:
    """check, publish."""
    with TaskGroup("check"):
        report = named_task(job_tasks.check_replay, job.name)(job.name)
    with TaskGroup("publish"):
        named_task(job_tasks.replay, job.name, pool="publish")(job.name, report)
