"""Who hears of a failure, who hears that it is over, and what are they told?

The callback of the DAG sends, because it alone always fires: a killed task, a run out of time and a task marked failed
have no callback of their own. It carries no exception; so the callback of the task leaves the error for it, as an XCom.
While a use case fails, the Airflow variable `failing.<use case>` says since when: the next whole success ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.errors import DataPlatformError, Unavailable
from include.use_case import UseCase

if TYPE_CHECKING:
    from airflow.sdk import Context

FAILURE = "failure"
SILENT = "left no error behind: it was killed, timed out, or was marked failed by a person"


def leave_error(context: Context) -> None:
    """The task's callback: leave what went wrong, without any value of a row, for the DAG's callback."""
    error = context.get("exception")
    text = str(error) if isinstance(error, DataPlatformError) else f"{type(error).__name__} (see the task's log)"
    context["ti"].xcom_push(key=FAILURE, value=text)


def alert_for(use_case: UseCase, doc: str) -> Callable[[Context], None]:
    """The DAG's callback: one message to `alerts_tier_<n>` for one failed run.

    Raises Unavailable when the message was not delivered (Airflow logs and counts that).
    """

    def alert(context: Context) -> None:
        _note_failing(use_case, context)  # before the message: if that is lost, people still hear of the end
        _send(use_case, _title(use_case, context), _body(use_case, doc, context), is_failure=True)

    return alert


def all_clear_for(use_case: UseCase) -> Callable[[Context], None]:
    """The DAG's callback for a success: one message when the use case was failing and is whole again.

    A dry run or a bite (`only`) proves nothing of the whole, so it ends nothing. Raises as `alert_for` does.
    """

    def all_clear(context: Context) -> None:
        from airflow.sdk import Variable

        conf = getattr(context.get("dag_run"), "conf", None) or {}
        since = Variable.get(_failing(use_case), default=None)
        if since is None or conf.get("dry_run") or conf.get("only"):
            return
        lines = [
            f"Use case: {use_case.name}: {use_case.purpose}",
            f"Owner: {use_case.owner}",
            f"It failed since {since}",
        ]
        lines += [f"Run: {context['run_id']}", "", f"Link: {_link(use_case.name, str(context['run_id']))}"]
        _send(use_case, f"{use_case.name} is healthy again", "\n".join(lines), is_failure=False)
        Variable.delete(_failing(use_case))

    return all_clear


def _note_failing(use_case: UseCase, context: Context) -> None:
    """Since when the use case fails; a second failure changes nothing."""
    from airflow.sdk import Variable

    if Variable.get(_failing(use_case), default=None) is None:
        Variable.set(_failing(use_case), _since(context) or "an unknown time")


def _failing(use_case: UseCase) -> str:
    return f"failing.{use_case.name}"


def _since(context: Context) -> str | None:
    dag_run = context.get("dag_run")
    if dag_run is None or dag_run.start_date is None:
        return None
    return f"{dag_run.start_date:%Y-%m-%d %H:%M:%S} UTC"


def _title(use_case: UseCase, context: Context) -> str:
    return f"{use_case.name} failed ({context.get('reason') or 'unknown reason'}), tier {use_case.tier}"


def _body(use_case: UseCase, doc: str, context: Context) -> str:
    run_id = str(context["run_id"])
    failures = _errors(context, run_id) or {"the run": SILENT}
    lines = [f"Use case: {use_case.name}: {use_case.purpose}", f"Owner: {use_case.owner}", f"Run: {run_id}"]
    lines += [f"Since: {since}"] if (since := _since(context)) else []
    lines += [f"{task}: {text}" for task, text in failures.items()]
    lines += ["", doc.strip(), "", f"Link: {_link(use_case.name, run_id)}"]
    return "\n".join(lines)


def _errors(context: Context, run_id: str) -> dict[str, str]:
    """Task id to what its callback has left."""
    from airflow.sdk.execution_time.xcom import XCom

    dag = context["dag"]
    found: dict[str, Any] = {
        task_id: XCom.get_one(key=FAILURE, dag_id=dag.dag_id, task_id=task_id, run_id=run_id)
        for task_id in dag.task_ids
    }
    return {task_id: text for task_id, text in found.items() if text}


def _link(dag_id: str, run_id: str) -> str:
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"


def _send(use_case: UseCase, title: str, body: str, *, is_failure: bool) -> None:
    """By Apprise, which speaks to chat, pager, mail and webhooks: the connection's extra `config` names the services.

    The provider's own `notify` drops Apprise's answer; whether the message arrived must be known here.
    """
    import apprise
    from airflow.providers.apprise.hooks.apprise import AppriseHook

    connection = f"alerts_tier_{use_case.tier}"
    kind = apprise.NotifyType.FAILURE if is_failure else apprise.NotifyType.SUCCESS
    services = apprise.Apprise()
    hook = AppriseHook(apprise_conn_id=connection)
    hook.set_config_from_conn(hook.get_connection(connection), services)
    if not services.notify(title=title, body=body, notify_type=kind):
        raise Unavailable(
            "the alert was not delivered", where=f"connection {connection}", remedy="see that service's status"
        )
