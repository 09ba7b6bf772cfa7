"""How soon is a task tried again? (after seconds that the test names; the DAG's own ten would be most of its time)"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any


def soon(module: Any) -> None:
    """orchestration.use_case_dag"""
    shipped = module.use_case_dag

    def use_case_dag(use_case: Any, doc: Any) -> Any:
        dag = shipped(use_case, doc)
        for task in dag.tasks:
            task.retry_delay = timedelta(seconds=float(os.environ["KILL_POINTS_TRIED_AGAIN_AFTER_S"]))
        return dag

    module.use_case_dag = use_case_dag
