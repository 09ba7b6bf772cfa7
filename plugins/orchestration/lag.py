"""Is a topic late? (told by Airflow's metrics, by the log, and to the use case's tier; the run goes on)"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.alerts import tell_late

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.use_case import UseCase

log = logging.getLogger(__name__)


def measured(summary: dict[str, Any]) -> dict[str, Any]:
    """What a publisher says, as it is; how far behind the topic was when it began goes to Airflow's metrics."""
    from airflow.sdk.observability.stats import (
        Stats,
    )  # of the task's process; `airflow.stats` is another's, set up by none

    if _is_lag_known(summary):
        tags = {"entity": summary["entity"]}
        Stats.gauge("publish.lag.changes", summary["changes_waiting"], tags=tags)
        Stats.gauge("publish.lag.oldest_seconds", summary["oldest_waiting_s"] or 0, tags=tags)
    return summary


def judged(use_case: UseCase, summary: dict[str, Any], is_first: bool, context: Context) -> dict[str, Any]:
    """The summary, and whether a change waited for longer than the use case's `freshness`: that is told. is_first:
    one of several publishers tells it."""
    if not _is_lag_known(summary):
        return summary
    age = timedelta(seconds=summary["oldest_waiting_s"] or 0)
    is_late = age > use_case.fresh_for
    if is_late:
        waited = f"{summary['changes_waiting']} changes of {summary['entity']} waited, the oldest for {age}"
        log.warning("%s: that is more than the freshness of %s, %s", waited, use_case.name, use_case.freshness)
        if is_first:
            tell_late(use_case, summary["entity"], waited, context)
    return {**summary, "older_than_freshness": is_late}


def _is_lag_known(summary: dict[str, Any]) -> bool:
    """Not where another publisher has done the work; and a dry run tells nobody but who asked for it."""
    return "changes_waiting" in summary and not summary.get("dry_run")
