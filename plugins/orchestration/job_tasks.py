"""What does each task of a job that is run by hand do? (it calls one step of `include`, as a use case's tasks do)

Everything heavy is imported inside the functions: every start of a task parses the DAG's file again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.bases.xcom import BaseXCom

from orchestration.lag import measured
from orchestration.tasks import Summary, guarded

if TYPE_CHECKING:
    from include.catalogue import Catalogue
    from include.run import Run
    from include.steps.move_request import MoveRequest, RollBackRequest
    from include.steps.replay_request import ReplayRequest
    from include.steps.servers import Servers


@dataclass(frozen=True)
class _Work:
    catalogue: Catalogue
    servers: Servers
    run: Run
    form: dict[str, Any]
    asked_by: str | None


def check_move(job: str) -> Summary:
    """Everything is checked, and reported: who would move, and what it would change. Nothing is written but the frozen
    list of those who will."""

    def step() -> Summary:
        from include.steps.environment import check_environment
        from include.steps.move_check import check_move

        work = _work(job)
        check_environment(work.servers)
        return check_move(work.catalogue, work.servers, work.run, _move(work), _keep)

    return guarded(step)


def check_roll_back(job: str) -> Summary:
    """Whether the move can be taken back, and what that would change. Nothing is written but the frozen list."""

    def step() -> Summary:
        from include.steps.environment import check_environment
        from include.steps.move_back import check_roll_back

        work = _work(job)
        check_environment(work.servers)
        return check_roll_back(work.catalogue, work.servers, work.run, _roll_back(work), _keep)

    return guarded(step)


def move(job: str, report: Summary, approval: str) -> Summary:
    """One transaction for all of them, or nothing; what the report says is counted once more in it. approval: the task
    that has asked for one."""
    return guarded(lambda: _make(_work(job), _move, report, approval))


def roll_back(job: str, report: Summary, approval: str) -> Summary:
    """One transaction for all of them, or nothing; what the report says is counted once more in it. approval: the task
    that has asked for one."""
    return guarded(lambda: _make(_work(job), _roll_back, report, approval))


def publish(job: str, moved: Summary) -> Summary:
    """Send the new changes of each entity that has events of the move to its topic; skipped at the end when a person
    holds one of them."""

    def step() -> Summary:
        from include.steps.publish_entity import publish_entity
        from include.steps.publish_hold import publish_all
        from include.steps.request import Request

        work = _work(job)

        def publish_one(entity: str) -> Summary:
            return measured(publish_entity(work.catalogue, work.servers, entity, Request()))

        return publish_all(moved["publishes"], publish_one)

    return guarded(step)


def check_replay(job: str) -> Summary:
    """What would be sent once more, counted. Nothing is written but the frozen list of the customers that are meant."""

    def step() -> Summary:
        from include.steps.environment import check_environment
        from include.steps.replay_check import check_replay

        work = _work(job)
        check_environment(work.servers)
        return check_replay(work.catalogue, work.servers, work.run, _replay(work))

    return guarded(step)


def replay(job: str, report: Summary) -> Summary:
    """Send once more what the report says, and what is new after it."""

    def step() -> Summary:
        from include.steps.replay_make import make_replay

        work = _work(job)
        return measured(make_replay(work.catalogue, work.servers, _replay(work), report))

    return guarded(step)


def _make(
    work: _Work, request: Callable[[_Work], MoveRequest | RollBackRequest], report: Summary, approval: str
) -> Summary:
    from include.steps.move_make import move_customers

    given = get_current_context()["ti"].xcom_pull(task_ids=approval)
    return move_customers(work.catalogue, work.servers, work.run, request(work), report, given, work.asked_by)


def _keep(report: Summary) -> None:
    """As this task's summary, though it fails."""
    get_current_context()["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=report)


def _move(work: _Work) -> MoveRequest:
    from include.catalogue import CUSTOMER
    from include.steps.cohort_asked import spaces
    from include.steps.move_request import parse_move

    return parse_move(work.form, work.catalogue.systems_of(CUSTOMER), list(spaces(work.catalogue)))


def _roll_back(work: _Work) -> RollBackRequest:
    from include.steps.move_request import parse_roll_back

    return parse_roll_back(work.form)


def _replay(work: _Work) -> ReplayRequest:
    from include.steps.cohort_asked import spaces
    from include.steps.replay_request import parse_replay

    return parse_replay(work.form, work.catalogue.published_entities(), list(spaces(work.catalogue)))


def _work(job: str) -> _Work:
    from include.catalogue import Catalogue
    from include.run import Run
    from include.steps.servers import Servers
    from orchestration.connections import AirflowConnections

    context = get_current_context()
    dag_run = context["dag_run"]
    return _Work(
        Catalogue(),
        Servers(AirflowConnections()),
        Run.begin(job, dag_run.run_id, context["ti"].try_number),
        {**dict(context["params"]), **(dag_run.conf or {})},
        getattr(dag_run, "triggering_user_name", None),
    )
