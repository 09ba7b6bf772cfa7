"""Kills a task's whole process tree at a named point; found by Python at the start because this folder is on its path.

`KILL_POINTS` names a folder. A file there `<point>.wanted` holds whom to kill (a dataset, a mapping's file, an entity);
when the point is reached it becomes `<point>.reached`, with what was going on, and the task and its supervisor get
SIGKILL. Each point kills once. The code under test knows nothing of this.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import wrapt

FOLDER = os.environ.get("KILL_POINTS", "")
COMMIT = "COMMIT TRANSACTION;"
SLOW = """CREATE TEMP TABLE slow AS
SELECT COUNT(*) AS n
FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS a CROSS JOIN UNNEST(GENERATE_ARRAY(1, 60000)) AS b
WHERE a + b < 0;
"""
LOST = "SELECT ERROR('everything but the COMMIT has run');\n"


def wanted(point: str, who: str) -> bool:
    file = Path(FOLDER) / f"{point}.wanted"
    return file.exists() and file.read_text(encoding="utf-8") == who


def die(point: str, **seen: Any) -> None:
    """The task's process, and the supervisor that waits for it."""
    file = Path(FOLDER) / f"{point}.wanted"
    seen |= {"pid": os.getpid(), "supervisor": os.getppid()}
    (Path(FOLDER) / f"{point}.unfinished").write_text(json.dumps(seen), encoding="utf-8")
    file.unlink()
    (Path(FOLDER) / f"{point}.unfinished").rename(Path(FOLDER) / f"{point}.reached")
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _before_the_log_entry(module: Any) -> None:
    shipped = module.DatasetLog.commit

    def commit(self: Any, batch: Any) -> None:
        if wanted("extract", batch.dataset):
            die("extract", parts=[part.path for part in batch.parts], number=batch.number)
        shipped(self, batch)

    module.DatasetLog.commit = commit


def _before_the_merges_commit(module: Any) -> None:
    """Once the transaction is rolled back, as by a server that dies with us; once it goes on and commits without us."""
    shipped = module.BigQuery.start

    def start(self: Any, sql: str, params: Any = None, *, job_id: Any = None, where: str = "") -> Any:
        stem = (params or {}).get("mapping", "")
        for point, instead in (("merge_lost", LOST), ("merge_going_on", SLOW)):
            if COMMIT in sql and wanted(point, stem):
                job = shipped(self, sql.replace(COMMIT, instead + COMMIT), params, job_id=job_id, where=where)
                while job.state not in ("DONE", None if instead is LOST else "RUNNING"):
                    time.sleep(0.1)
                    job.reload()
                die(point, job=job.job_id, state=job.state, error=str((job.error_result or {}).get("message", "")))
        return shipped(self, sql, params, job_id=job_id, where=where)

    module.BigQuery.start = start


def _between_produce_and_commit(module: Any) -> None:
    shipped = module.TransactionalProducer.transaction

    @contextlib.contextmanager
    def transaction(self: Any) -> Any:
        with shipped(self):
            yield
            for entity in ("customer", "account"):
                if self.sent_to == entity and wanted("publish", entity):
                    left = self._producer.flush(30)
                    die("publish", undelivered=left, records=self.sent)

    shipped_send = module.TransactionalProducer.send

    def send(self: Any, topic: str, *arguments: Any, **options: Any) -> None:
        if ".changes." in topic:
            self.sent_to = topic.partition(".changes.")[0].rpartition(".")[2]
            self.sent = getattr(self, "sent", 0) + 1
        shipped_send(self, topic, *arguments, **options)

    module.TransactionalProducer.sent_to = ""
    module.TransactionalProducer.transaction = transaction
    module.TransactionalProducer.send = send


if FOLDER:
    wrapt.register_post_import_hook(_before_the_log_entry, "include.stage.log")
    wrapt.register_post_import_hook(_before_the_merges_commit, "include.clients.big_query")
    wrapt.register_post_import_hook(_between_produce_and_commit, "include.clients.kafka")
