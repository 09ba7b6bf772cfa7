"""Where can a task be cut off that has done its work? (its step has returned, and Airflow does not know)"""

from __future__ import annotations

import os
from typing import Any

import dying

SERVERS = ("airflow_api_server", "airflow_scheduler", "airflow_dag_processor", "airflow_triggerer")


def after_a_step(module: Any) -> None:
    """orchestration.tasks"""
    shipped = module._guarded

    def guarded(use_case: str, step: Any) -> Any:
        summary = shipped(use_case, step)
        verb = os.environ["AIRFLOW_CTX_TASK_ID"].partition(".")[0]
        if dying.wanted(f"between_verbs_{verb}"):
            dying.die(f"between_verbs_{verb}", summary=summary)
        for server in SERVERS:
            if dying.wanted(server):
                dying.server_dies(server, summary=summary)
        return summary

    module._guarded = guarded
