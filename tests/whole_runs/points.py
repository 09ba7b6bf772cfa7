"""At which points is what killed? (the one list of them: the story, the tests and their names follow from it)

A task's point gives SIGKILL to the task's process and its supervisor. A server's point gives it to every process of
that server, while the task that came to the point goes on; then the server is started again.
What the points do in the task's process is in `kill_points/`.
"""

from __future__ import annotations

from dataclasses import dataclass

SSE, MIS, PLATFORM = BITES = (
    ("sse/customer", "sse/account"),
    ("mis/gentrack_customer", "mis/gentrack_account"),
    ("platform/customer", "platform/account"),
)
"""Both worlds eat the sources in these runs, so that even the change numbers must agree."""


@dataclass(frozen=True)
class Point:
    """`bite`: the run in which it is; `moment`: what is under way then, and is looked at.

    `stops`: the server that stands still meanwhile, so that nothing is too fast to be met. `fails`: the task cannot
    survive it and must be tried again; where it is not said, its client may wait until the server is back.
    """

    name: str
    bite: tuple[str, ...]
    task: str
    moment: str
    server: str | None = None
    stops: str | None = None
    fails: bool = False


TASKS = (
    Point("between_parts", SSE, "extract.sse_account", "one part is in the bucket, the next is not"),
    Point("during_load", SSE, "load.sse_account", "the load job runs, and goes on without us", stops="cloud_storage"),
    Point(
        "before_commit_lost", SSE, "merge.customer_from_sse_customer", "all has run but the COMMIT, which never comes"
    ),
    Point("between_produce_and_commit", SSE, "publish.customer", "all records are written, none can be read"),
    Point("before_log_entry", MIS, "extract.mis_gentrack_account", "all parts are in the bucket, no entry names them"),
    Point("between_verbs_load", MIS, "load.mis_gentrack_account", "the step has returned, Airflow does not know"),
    Point(
        "before_commit_going_on",
        MIS,
        "merge.customer_from_mis_gentrack_customer",
        "the transaction is open, and commits without us",
    ),
    Point("after_publish_commit", MIS, "publish.customer", "one of several transactions is committed"),
    Point("after_log_entry", PLATFORM, "extract.platform_account", "the entry is there, nobody was told"),
    Point(
        "after_commit",
        PLATFORM,
        "merge.customer_from_platform_customer",
        "the transaction is committed, nobody was told",
    ),
    Point("between_verbs_publish", PLATFORM, "publish.customer", "the step has returned, Airflow does not know"),
)
"""In the first runs. What is killed side by side costs its waiting once: the customers' tasks and the accounts'."""

AFTER_THE_DAY = (
    Point("between_verbs_extract", SSE, "extract.sse_account", "the step has returned, Airflow does not know"),
    Point(
        "between_verbs_merge",
        SSE,
        "merge.account_from_sse_account",
        "the step has returned, Airflow does not know",
    ),
    Point(
        "cloud_storage_during_an_upload",
        SSE,
        "extract.sse_customer",
        "a part is sent, no answer has come",
        "cloud_storage",
        stops="cloud_storage",
    ),
    Point(
        "big_query_during_a_load",
        SSE,
        "load.sse_customer",
        "the load job runs",
        "big_query",
        stops="cloud_storage",
        fails=True,
    ),
    Point(
        "kafka_between_produce_and_commit",
        SSE,
        "publish.customer",
        "all records are written, none can be read",
        "kafka",
    ),
    Point(
        "sql_server_during_a_read",
        MIS,
        "extract.mis_gentrack_customer",
        "the first rows of a picture have come",
        "sql_server",
        fails=True,
    ),
    Point(
        "big_query_during_a_merge",
        MIS,
        "merge.account_from_mis_gentrack_account",
        "the transaction is open",
        "big_query",
        fails=True,
    ),
    Point(
        "schema_registry_before_a_publish",
        MIS,
        "publish.customer",
        "the schema is about to be looked up",
        "schema_registry",
    ),
    Point(
        "airflow_dag_processor", PLATFORM, "extract.platform_customer", "the step has returned", "airflow_dag_processor"
    ),
    Point("airflow_triggerer", PLATFORM, "extract.platform_account", "the step has returned", "airflow_triggerer"),
    Point(
        "airflow_scheduler",
        PLATFORM,
        "load.platform_account",
        "the step has returned; the task dies with its scheduler",
        "airflow_scheduler",
        fails=True,
    ),
    Point(
        "airflow_api_server",
        PLATFORM,
        "publish.account",
        "the step has returned, and nobody is there to be told",
        "airflow_api_server",
    ),
)
POINTS = (*TASKS, *AFTER_THE_DAY)
