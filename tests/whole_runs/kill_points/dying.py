"""How does a task's process say that it has come to a point, and what happens to it there?

The folder `KILL_POINTS` is how it and the test speak. `<point>.wanted` holds the task that the point is for; when it
comes there, that becomes `<point>.reached`, with what was going on. Each point is reached once.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(os.environ.get("KILL_POINTS", ""))
PATIENCE_S = 200.0
"""How long a point waits for the test to stop or kill a server: others may go first, and each is started again."""


def wanted(point: str) -> bool:
    """Whether this process is the task that the point is for."""
    file = FOLDER / f"{point}.wanted"
    return file.exists() and file.read_text(encoding="utf-8") == _task()


def left_behind(point: str) -> str | None:
    """The job that an earlier try of this task, which died at the point, has left running."""
    file = FOLDER / f"{point}.reached"
    seen: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return seen["job"] if seen.get("task") == _task() else None


def die(point: str, **seen: Any) -> NoReturn:
    """The task's process, and the supervisor that waits for it."""
    _reached(point, seen)
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives this")


def server_dies(point: str, **seen: Any) -> None:
    """Go on as soon as the test has killed the point's server: it is started again while the task is at work."""
    _reached(point, seen)
    _wait_for(f"{point}.dead")


def pause(point: str) -> None:
    """Wait until the test has stopped (not ended) the server that would be too fast to be met at work."""
    (FOLDER / f"{point}.pause").touch()
    _wait_for(f"{point}.paused")


def _task() -> str:
    return os.environ.get("AIRFLOW_CTX_TASK_ID", "")


def _reached(point: str, seen: dict[str, Any]) -> None:
    """Written as a whole, before anything happens. `processes`: the task's own and its supervisor, as `birth` knows."""
    from include.local.processes import birth

    (FOLDER / f"{point}.wanted").unlink()
    seen |= {"task": _task(), "try": os.environ.get("AIRFLOW_CTX_TRY_NUMBER")}
    seen |= {"processes": {pid: birth(pid) for pid in (os.getpid(), os.getppid())}}
    unfinished = FOLDER / f"{point}.unfinished"
    unfinished.write_text(json.dumps(seen, default=str), encoding="utf-8")
    unfinished.rename(FOLDER / f"{point}.reached")


def _wait_for(name: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not (FOLDER / name).exists():
        if time.monotonic() > until:
            raise AssertionError(f"{name} did not come within {PATIENCE_S:.0f} s")
        time.sleep(0.02)
