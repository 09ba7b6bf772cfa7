"""Who hears of a failure, who hears that it is over, and what are they told?

The callback of the DAG sends, because it alone always fires: a killed task, a run out of time and a task marked failed
have no callback of their own. It carries no exception; so the callback of the task leaves the error for it, as an XCom.
While a use case fails, the Airflow variable `failing.<use case>` says since when: the next whole success ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from include.errors import DataPlatformError, FormError
from include.steps.request import COHORTS
from orchestration.delivery import deliver
from orchestration.scrubbed import scrubbed

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)
FAILURE = "failure"
SILENT = "left no error behind: it was killed, stopped, or marked failed by a person"
TOO_LONG = "took longer than a run may take: what had not ended was stopped, and is shown as skipped"
_PARTS = ("dry_run", "only", *COHORTS)
"""The fields of the form that make a run less than the whole."""
MOST = 10
"""As many failed tasks are told in full; of the others their number."""


def leave_error(context: Context) -> None:
    """The task's callback: leave what went wrong, without any value of a row, for the DAG's callback."""
    error = context.get("exception")
    if not isinstance(error, BaseException):  # called for a dead task, by a process that can leave nothing
        return
    context["ti"].xcom_push(key=FAILURE, value={"type": type(error).__name__, "text": scrubbed(error)})


class Told(Protocol):
    """Whose runs people are told of: a use case, or a job that is run by hand."""

    @property
    def name(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def tier(self) -> int: ...


def alert_for(use_case: Told, doc: str, *, lasts: bool = True) -> Callable[[Context], None]:
    """The DAG's callback: one message to `alerts_tier_<n>` for one failed run. lasts: it is failing until a run
    succeeds; not so where each run is a matter of its own.

    A run whose form was refused is not told (docs/decisions/0017). Raises Unavailable when the message was not
    delivered (Airflow logs and counts that).
    """

    def alert(context: Context) -> None:
        failures = _failures(context)
        if _is_mistyped(context, failures):
            log.info("not told: a person's form was refused, and they see it")
            return
        # noted before the message: if that is lost, people still hear of the end
        since = _note_failing(use_case, context) if lasts else _began(context)
        body = _body(use_case, doc, context, failures, since)
        deliver(_connection(use_case), _title(use_case, context), body, is_failure=True)

    return alert


def all_clear_for(use_case: Told) -> Callable[[Context], None]:
    """The DAG's callback for a success: one message when the use case was failing and is whole again.

    A dry run, a bite (`only`) or some customers prove nothing of the whole, so they end nothing; nor does a run whose
    publishing a person holds. Raises as `alert_for` does.
    """

    def all_clear(context: Context) -> None:
        from airflow.sdk import Variable

        conf = getattr(context.get("dag_run"), "conf", None) or {}
        since = Variable.get(_failing(use_case), default=None)
        if since is None or any(conf.get(name) for name in _PARTS) or _is_held(context):
            return
        lines = [*_head(use_case, context), f"It failed since {since}", "", *_links(use_case, context, [])]
        title, text = f"{use_case.name} is healthy again", "\n".join(lines)
        deliver(_connection(use_case), title, text, is_failure=False, heard=lambda: Variable.delete(_failing(use_case)))

    return all_clear


def tell_quarantined(use_case: Told, dataset: str, summary: Mapping[str, Any], context: Context) -> None:
    """One message to `alerts_tier_<n>`: some rows were kept aside, and the run goes on. One that is not delivered stops
    nothing: the number stands in the task's summary."""
    number, place = summary["quarantined"], f"quarantine.{dataset.replace('/', '_')}"
    rows = "1 row" if number == 1 else f"{number} rows"
    lines = [
        *_head(use_case, context),
        f"{summary['mapping']}: {rows} of {dataset} cannot be merged; all others are.",
        f"What is kept aside lies in {place} with the rule that it broke, and comes back by itself once the source or "
        "the mapping is mended.",
    ]
    title = f"{use_case.name}: {rows} kept aside, tier {use_case.tier}"
    _tell(use_case, title, lines)


def tell_late(use_case: Told, entity: str, waited: str, context: Context) -> None:
    """One message to `alerts_tier_<n>`: events came late, and the run goes on. One that is not delivered stops nothing.
    waited: how many changes, for how long."""
    lines = [
        *_head(use_case, context),
        f"{waited}. They are sent now. See why no run before this one has sent them.",
    ]
    _tell(use_case, f"{use_case.name}: events of {entity} are late, tier {use_case.tier}", lines)


def _tell(use_case: Told, title: str, lines: list[str]) -> None:
    try:
        deliver(_connection(use_case), title, "\n".join(lines), is_failure=True)
    except DataPlatformError as error:
        log.warning("nobody was told (%s): %s", title, scrubbed(error))


def _connection(use_case: Told) -> str:
    return f"alerts_tier_{use_case.tier}"


def _failing(use_case: Told) -> str:
    return f"failing.{use_case.name}"


def _note_failing(use_case: Told, context: Context) -> str:
    """Since when the use case fails; a second failure changes nothing."""
    from airflow.sdk import Variable

    now = _began(context)
    try:
        noted = Variable.get(_failing(use_case), default=None)
        if noted is None:
            Variable.set(_failing(use_case), now)
        return str(noted or now)
    except Exception as error:  # noqa: BLE001 - a message without this is better than none
        log.warning("since when it fails cannot be noted, and its end will not be told: %s", scrubbed(error))
        return now


def _began(context: Context) -> str:
    began = getattr(context.get("dag_run"), "start_date", None)
    return f"{began:%Y-%m-%d %H:%M:%S} UTC" if began else "an unknown time"


# ---- what went wrong


def _failures(context: Context) -> dict[tuple[str, int], Mapping[str, str]]:
    """What each failed task instance (task id, map index) has left behind; empty when that cannot be found out."""
    try:
        failed = _failed(context)
        return {instance: _left_by(context, *instance) for instance in failed}
    except Exception as error:  # noqa: BLE001 - a message without this is better than none
        log.warning("what went wrong cannot be found out: %s", scrubbed(error))
        return {}


def _failed(context: Context) -> list[tuple[str, int]]:
    """The failed task instances of the run, in the DAG's order. Airflow calls instance 2 of a mapped task `task_2`."""
    dag = context["dag"]
    found = [_instance(name, dag.task_ids) for name, state in _states(context).items() if state == "failed"]
    order = {task_id: number for number, task_id in enumerate(dag.task_ids)}
    return sorted(found, key=lambda instance: (order.get(instance[0], len(order)), instance[1]))


def _is_held(context: Context) -> bool:
    """Whether some publishing was left out: in a whole run that is only when a person holds it."""
    states = _states(context).items()
    return any(state == "skipped" and name.startswith(("claim.", "publish.")) for name, state in states)


def _states(context: Context) -> dict[str, Any]:
    """The state of each task instance of the run, by Airflow's name of it."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    run_id = str(context["run_id"])
    states: dict[str, Any] = RuntimeTaskInstance.get_task_states(dag_id=context["dag"].dag_id, run_ids=[run_id])
    return dict(states.get(run_id, {}))


def _instance(name: str, task_ids: list[str]) -> tuple[str, int]:
    task_id, _, index = name.rpartition("_")
    return (task_id, int(index)) if name not in task_ids and index.isdigit() else (name, -1)


def _left_by(context: Context, task_id: str, map_index: int) -> Mapping[str, str]:
    from airflow.sdk.execution_time.xcom import XCom

    found: Any = XCom.get_one(
        key=FAILURE,
        dag_id=context["dag"].dag_id,
        run_id=str(context["run_id"]),
        task_id=task_id,
        map_index=map_index,
    )
    return found or {"type": "", "text": SILENT}


def _is_mistyped(context: Context, failures: Mapping[tuple[str, int], Mapping[str, str]]) -> bool:
    """Whether the first task refused what a person has asked for, so that nothing else was begun."""
    by_hand = getattr(context.get("dag_run"), "run_type", "") == "manual"
    return by_hand and [(task_id.partition(".")[0], left["type"]) for (task_id, _), left in failures.items()] == [
        ("check", FormError.__name__)
    ]


# ---- the message


def _title(use_case: Told, context: Context) -> str:
    return f"{use_case.name} failed ({context.get('reason') or 'unknown reason'}), tier {use_case.tier}"


def _body(
    use_case: Told, doc: str, context: Context, failures: Mapping[tuple[str, int], Mapping[str, str]], since: str
) -> str:
    told = list(failures)[:MOST]
    lines = [*_head(use_case, context), f"Since: {since}"]
    if context.get("reason") == "timed_out" or not failures:
        lines.append(f"the run: {TOO_LONG if context.get('reason') == 'timed_out' else SILENT}")
    lines += [f"{_name(*instance)}: {failures[instance]['text']}" for instance in told]
    lines += [f"and {len(failures) - MOST} more"] if len(failures) > MOST else []
    return "\n".join([*lines, "", doc.strip(), "", *_links(use_case, context, told)])


def _head(use_case: Told, context: Context) -> list[str]:
    return [
        f"Use case: {use_case.name}: {use_case.purpose}",
        f"Owner: {use_case.owner}",
        f"Run: {context['run_id']}",
    ]


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _links(use_case: Told, context: Context, failed: list[tuple[str, int]]) -> list[str]:
    """The run's page, and the log of each failed task."""
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    run = f"{base}/dags/{quote(use_case.name)}/runs/{quote(str(context['run_id']), safe='')}"
    logs = [
        f"Log of {_name(task_id, index)}: {run}/tasks/{quote(task_id)}{f'/mapped/{index}' if index >= 0 else ''}"
        for task_id, index in failed
    ]
    return [f"Link: {run}", *logs]
