"""With one slot for all, Airflow's own scheduler takes the use case of priority 1 before that of 5, and within one a
parent's merge before its child's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

from include.catalogue import ROOT, Catalogue
from include.names import MappingName
from tests.dags.dag_files import load
from tests.dags.database import deployed, new_run


def _dag(name: str) -> DAG:
    found = load(ROOT / "dags" / f"{name}.py").dag
    assert isinstance(found, DAG)
    return found


@pytest.fixture(scope="module")
def taken() -> Iterator[list[TaskInstance]]:
    """All merges of all use cases wait, the last use case asked first; those that the scheduler takes, one by one."""
    last_first = sorted(Catalogue().use_cases.values(), key=lambda case: -case.priority)
    dags = [_dag(case.name) for case in last_first]
    for dag in dags:
        for task in dag.tasks:
            task.pool = "the_only"
    with deployed(dags):
        for dag in dags:
            _run(dag)
        yield list(_by_the_scheduler())


def _run(dag: DAG) -> None:
    """A run whose merges are ready, all at once."""
    with create_session() as session:
        session.merge(Pool(id=9, pool="the_only", slots=1, include_deferred=False))
        for task in new_run(dag, session).get_task_instances(session=session):
            if task.task_id.startswith("merge."):
                task.state = TaskInstanceState.SCHEDULED


def _by_the_scheduler() -> Iterator[TaskInstance]:
    """What its critical section takes: each ends at once, and leaves the slot to the next."""
    scheduler = SchedulerJobRunner(job=Job(), executors=[BaseExecutor(parallelism=32)])
    while True:
        with create_session() as session:
            tasks = scheduler._executable_task_instances_to_queued(32, session=session)
            for task in tasks:
                task.state = TaskInstanceState.SUCCESS
                session.merge(task)
        if not tasks:
            return
        assert len(tasks) == 1
        yield from tasks


def test_one_goes_before_five(taken: list[TaskInstance]) -> None:
    cases = Catalogue().use_cases
    by_priority = sorted(cases, key=lambda name: cases[name].priority)
    assert [name for name, _ in groupby(task.dag_id for task in taken)] == by_priority
    assert len(taken) == sum(len(case.merges) for case in cases.values())


def test_a_parent_goes_before_its_children(taken: list[TaskInstance]) -> None:
    """But for a parent's mapping that takes customers over: the next test."""
    catalogue, seen = Catalogue(), 0
    for case in catalogue.use_cases.values():
        mappings = [m for m in case.mappings if not catalogue.takes_over(m)]
        entities = [m.entity for m in sorted(mappings, key=lambda m: _place(taken, case.name, m))]
        for child in entities:
            for parent in set(catalogue.entity(child).references.values()) & set(entities):
                seen += 1
                last_parent = max(place for place, entity in enumerate(entities) if entity == parent)
                assert last_parent < entities.index(child), f"{case.name}: {child} before {parent}"
    assert seen > 5


def test_who_takes_customers_over_goes_after_what_follows_them_from_the_same_system(taken: list[TaskInstance]) -> None:
    last = _place(taken, "customer_base", MappingName.parse("customer/from_platform_customer", ""))
    assert _place(taken, "customer_base", MappingName.parse("account/from_platform_account", "")) < last


def _place(taken: list[TaskInstance], use_case: str, mapping: MappingName) -> int:
    return [(task.dag_id, task.task_id) for task in taken].index((use_case, f"merge.{mapping.task}"))
