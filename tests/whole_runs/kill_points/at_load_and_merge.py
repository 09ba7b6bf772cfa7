"""Where can what BigQuery does be cut off? (while a job runs; around a COMMIT)"""

from __future__ import annotations

import time
from typing import Any

import dying

COMMIT = "COMMIT TRANSACTION;"
SLOW = """CREATE TEMP TABLE slow AS
SELECT COUNT(*) AS n
FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS a CROSS JOIN UNNEST(GENERATE_ARRAY(1, 30000)) AS b
WHERE a + b < 0;
"""
LOST = "SELECT ERROR('everything but the COMMIT has run');\n"
INSTEAD = {  # what is put before the COMMIT, and in which state of the job the point is reached
    "before_commit_lost": (LOST, "DONE"),
    "before_commit_going_on": (SLOW, "RUNNING"),
    "big_query_during_a_merge": (SLOW, "RUNNING"),
}


def during_a_load(module: Any) -> None:
    """google.cloud.bigquery: the bucket is stopped, so that the job is still reading it."""
    shipped = module.Client.load_table_from_uri

    def load_table_from_uri(self: Any, *arguments: Any, **options: Any) -> Any:
        point = next(filter(dying.wanted, ("during_load", "big_query_during_a_load")), None)
        if point is None:
            return shipped(self, *arguments, **options)
        dying.pause(point)
        job = shipped(self, *arguments, **options)
        _until(job, "RUNNING")
        leave = dying.die if point == "during_load" else dying.server_dies
        leave(point, job=job.job_id, state=job.state)
        return job

    module.Client.load_table_from_uri = load_table_from_uri


def before_the_commit(module: Any) -> None:
    """include.clients.big_query: lost, as by a server that dies with us; going on, and it commits without us."""
    shipped = module.BigQuery.start

    def start(self: Any, sql: str, *arguments: Any, **options: Any) -> Any:
        if COMMIT in sql and (job_id := dying.left_behind("before_commit_going_on")):
            _until(self._client.get_job(job_id), "DONE")  # so that this try finds what that one has committed
        point = next(filter(dying.wanted, INSTEAD), None) if COMMIT in sql else None
        if point is None:
            return shipped(self, sql, *arguments, **options)
        instead, state = INSTEAD[point]
        job = shipped(self, sql.replace(COMMIT, instead + COMMIT), *arguments, **options)
        _until(job, state)
        leave = dying.server_dies if point.startswith("big_query") else dying.die
        leave(point, job=job.job_id, state=job.state, error=str((job.error_result or {}).get("message", "")))
        return job

    module.BigQuery.start = start


def after_the_commit(module: Any) -> None:
    """include.clients.big_query"""
    shipped = module.BigQuery.finish

    def finish(self: Any, job: Any, **options: Any) -> Any:
        rows = shipped(self, job, **options)
        if COMMIT in (getattr(job, "query", None) or "") and dying.wanted("after_commit"):
            dying.die("after_commit", job=job.job_id, state=job.state)
        return rows

    module.BigQuery.finish = finish


def _until(job: Any, state: str) -> None:
    while job.state not in (state, "DONE"):
        time.sleep(0.05)
        job.reload()
