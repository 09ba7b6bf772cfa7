"""Does a person say yes to what the report says? (Airflow's own operator: the answer is given in the UI or its API)"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException

from include.errors import Refused

if TYPE_CHECKING:
    from airflow.sdk import Context

PATIENCE = timedelta(days=3)
"""So long a run waits for an answer: later nobody would trust its report."""
_ASKED = "report_hash"


class ApproveMoves(ApprovalOperator):
    """Waits for a person where the report of the task `report_of` says that one is needed. *Reject* skips what comes
    after it, and so does a dry run, which ends with its report.

    The answer names the report that it is about: the next task takes no other.
    """

    def __init__(self, *, report_of: str, **settings: Any) -> None:
        super().__init__(
            subject="Shall these customers move?",
            body="The report is shown when the run comes here.",
            response_timeout=PATIENCE,
            execution_timeout=None,
            **settings,
        )
        self.report_of = report_of

    def execute(self, context: Context) -> Any:
        report = context["ti"].xcom_pull(task_ids=self.report_of)
        if report["dry_run"]:
            raise AirflowSkipException("a dry run ends with its report")
        if not report["needs_approval"]:
            self.log.info("nobody is asked: so small a move needs no approval")
            return {"chosen_options": [], "asked": False}
        self.subject, self.body = report["what"], report["report"]
        context["ti"].xcom_push(key=_ASKED, value=report["report_hash"])
        return super().execute(context)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        if event["error_type"] == "timeout":  # asked anew, it would wait as long again
            raise Refused(
                f"nobody has answered within {PATIENCE.days} days",
                where=f"the task {self.task_id}",
                remedy="nothing was changed: trigger it again, and have somebody answer under *Required actions*",
            )
        super().process_trigger_event_error(event)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        asked = context["ti"].xcom_pull(task_ids=self.task_id, key=_ASKED)
        return {**super().execute_complete(context, event), _ASKED: asked}
