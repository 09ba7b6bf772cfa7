"""Where can an extract be cut off? (before, between and after what it writes; while it reads)"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import dying

ROWS_AT_A_TIME = 500
"""Rows of one Arrow batch and of one part: the small estates of a test are read and written in several, too."""
UNANSWERED_S = 0.5
"""How long a stopped server leaves an upload without answer before it is killed."""


def small_parts(module: Any) -> None:
    """include.stage.parquet"""
    module.PartWriter.__init__.__defaults__ = (ROWS_AT_A_TIME,)


def between_parts(module: Any) -> None:
    """include.stage.parquet"""
    shipped = module.PartWriter._write_one

    def write_one(self: Any, batches: Any, schema: Any, name: str) -> Any:
        if name.endswith("-0001") and dying.wanted("between_parts"):
            start = f"{self.dataset}/parts/{self.batch:08}-{self.token}-"
            dying.die("between_parts", parts=list(self.store.names(start)), first=f"{start}{name[:-4]}0000.parquet")
        return shipped(self, batches, schema, name)

    module.PartWriter._write_one = write_one


def around_the_log_entry(module: Any) -> None:
    """include.stage.log"""
    shipped = module.DatasetLog.commit

    def commit(self: Any, batch: Any) -> None:
        named = [part.path for part in batch.parts]
        seen = {"number": batch.number, "parts": [path for path in named if self._store.read(path) is not None]}
        if dying.wanted("before_log_entry"):
            dying.die("before_log_entry", **seen)
        shipped(self, batch)
        if dying.wanted("after_log_entry"):
            dying.die("after_log_entry", **seen)

    module.DatasetLog.commit = commit


def during_a_read(module: Any) -> None:
    """include.clients.sql_server"""
    module.Session.batches.__kwdefaults__["rows"] = ROWS_AT_A_TIME
    shipped = module.Session.batches

    def batches(self: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        rows = shipped(self, *arguments, **options)
        for batch in itertools.islice(rows, 1):
            yield batch
            if dying.wanted("sql_server_during_a_read"):
                dying.server_dies("sql_server_during_a_read", rows=batch.num_rows)
        yield from rows

    module.Session.batches = batches


def during_an_upload(module: Any) -> None:
    """include.clients.cloud_storage: the server is stopped, so that it cannot have answered when it is killed."""
    shipped, point = module.Bucket.create, "cloud_storage_during_an_upload"

    def create(self: Any, path: str, *arguments: Any) -> Any:
        if "/parts/" not in path or not dying.wanted(point):
            return shipped(self, path, *arguments)
        dying.pause(point)
        timer = threading.Timer(UNANSWERED_S, dying.server_dies, [point], {"part": path})
        timer.start()
        try:
            return shipped(self, path, *arguments)
        finally:
            timer.join()

    module.Bucket.create = create
