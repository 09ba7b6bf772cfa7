"""What a held topic makes of a run, by Airflow's own scheduling and task runner: nothing red within a day, no topic
that is said to be updated, and red after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk.api.datamodels._generated import TaskInstance as TaskOfRunner
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.supervisor import run_task_in_process
from airflow.sdk.observability import stats
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState

from include.catalogue import ROOT, Catalogue
from include.errors import HeldTooLong
from include.publish.hold import Hold, refuse
from include.steps import publish_entity as step
from orchestration import job_tasks, tasks
from tests.dags.dag_files import load
from tests.dags.database import deployed, new_run

CASE = Catalogue().use_case("customer_base")
LONG, SHORT = timedelta(hours=25), timedelta(hours=1)


@pytest.fixture(scope="module")
def dag() -> Iterator[DAG]:
    """Two publish accounts, one customers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "shards", lambda self, entity: {"account": 2}.get(entity, 1))
        found: DAG = load(ROOT / "dags" / "customer_base.py").dag
    with deployed([found]):
        yield found


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, timedelta]:
    """Which entities a person holds, for how long already; the others are published."""
    holds: dict[str, timedelta] = {}

    def publish(catalogue: object, servers: object, entity: str, *more: object) -> dict[str, Any]:
        if entity in holds:
            refuse(entity, Hold(datetime.now(UTC) - holds[entity], "letters are wrong"), "topic positions")
        return {"entity": entity, "changes_waiting": 7, "oldest_waiting_s": 60}

    work = SimpleNamespace(catalogue=None, servers=None, request=None, use_case=CASE)
    monkeypatch.setattr(tasks, "_work", lambda use_case: work)
    monkeypatch.setattr(job_tasks, "_work", lambda job: work)
    monkeypatch.setattr(step, "publish_entity", publish)
    monkeypatch.setattr(step, "claim_entity", publish)
    return holds


def _run(dag: DAG, run_id: str) -> tuple[str, dict[str, str], set[str]]:
    """Everything is merged, what publishes is run. The state of the run, those of its publishing, and what is said to
    be updated."""
    with create_session() as session:
        run = new_run(dag, session, run_id)
        session.commit()
        while run.state == DagRunState.RUNNING:
            ready, _ = run.update_state(session=session, execute_callbacks=False)
            for instance in ready:
                _end(dag, instance, session)
            session.commit()
            session.expire_all()
        states = {f"{one.task_id}.{one.map_index}": str(one.state) for one in run.get_task_instances(session=session)}
        events = session.query(AssetModel.name).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        updated = {name for (name,) in events.filter(AssetEvent.source_run_id == run_id)}
        return str(run.state), {n: s for n, s in states.items() if n.startswith(("claim", "publish"))}, updated


def _end(dag: DAG, instance: TaskInstance, session: Any) -> None:
    publishes = instance.task_id.startswith(("claim.", "publish."))
    instance.try_number, instance.state = 1, TaskInstanceState.QUEUED if publishes else TaskInstanceState.SUCCESS
    session.commit()
    if publishes:
        names = ("id", "task_id", "dag_id", "run_id", "try_number", "map_index", "dag_version_id")
        one = TaskOfRunner(**{name: getattr(instance, name) for name in names})
        run_task_in_process(ti=one, task=dag.get_task(instance.task_id))


def test_a_held_topic_of_several_publishers_is_left_out_and_the_others_are_published(
    dag: DAG, held: dict[str, timedelta]
) -> None:
    held["account"] = SHORT
    state, publishing, updated = _run(dag, "accounts_are_held")
    assert state == "success"
    assert publishing.pop("publish.customer.-1") == "success"
    assert set(publishing) == {"claim.account.-1", "publish.account.0", "publish.account.1"}
    assert set(publishing.values()) == {"skipped"}
    assert updated == {"events.customer"}


def test_a_topic_held_for_more_than_a_day_is_red_at_the_first_try(dag: DAG, held: dict[str, timedelta]) -> None:
    held["customer"] = LONG
    state, publishing, updated = _run(dag, "customers_are_forgotten")
    assert (state, publishing["publish.customer.-1"]) == ("failed", "failed")
    assert updated == {"events.account"}


def test_how_far_behind_a_topic_was_stands_among_the_metrics_of_the_task(dag: DAG, held: dict[str, timedelta]) -> None:
    """Where Airflow's task runner itself counts."""
    gauges: list[tuple[str, float, dict[str, str]]] = []
    counted: list[str] = []

    class Kept(NoStatsLogger):
        def gauge(self, stat: str, value: float, **more: Any) -> None:  # type: ignore[override]
            gauges.append((stat, value, more["tags"]))

        def incr(self, stat: str, **more: Any) -> None:  # type: ignore[override]
            counted.append(stat)

    stats.initialize(factory=Kept, export_legacy_names=False)
    held["account"] = SHORT
    _run(dag, "measured")
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)
    assert "ti.start" in counted
    tags = {"entity": "customer"}
    assert gauges == [("publish.lag.changes", 7, tags), ("publish.lag.oldest_seconds", 60, tags)]


@pytest.mark.parametrize(("lasts", "error"), [(SHORT, AirflowSkipException), (LONG, HeldTooLong)])
def test_a_job_publishes_what_is_not_held_before_it_says_what_is(
    held: dict[str, timedelta], monkeypatch: pytest.MonkeyPatch, lasts: timedelta, error: type[Exception]
) -> None:
    held["account"] = lasts
    done: list[str] = []
    monkeypatch.setattr(job_tasks, "measured", lambda summary: done.append(summary["entity"]))
    with pytest.raises(error, match="letters are wrong") as ended:
        job_tasks.publish("move_cohort", {"publishes": ["account", "customer"]})
    assert "hold publish account --let-go" in str(ended.value)
    assert done == ["customer"]
