"""What does a reader or a merge cost? (the standard library alone: all that the peers' environments have in common)"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATABASE = "bench"


def tell(read: Callable[[], int]) -> None:
    """Reads, and prints one line of JSON: rows, wall and CPU seconds (user and system, children too) from its first
    import on, and the peak of resident memory (MiB)."""
    began, spent = time.monotonic(), cpu()
    rows = read()
    found = {"rows": rows, "wall": time.monotonic() - began, "cpu": cpu() - spent, "peak_rss_mib": peak_rss_mib()}
    print(json.dumps(found))


def tell_seconds(merge: Callable[[], None]) -> None:
    """Merges, and prints one line of JSON: its wall seconds."""
    began = time.monotonic()
    merge()
    print(json.dumps({"wall": time.monotonic() - began}))


def source() -> dict[str, Any]:
    """The connection `sse` as Airflow has it: host, port, login, password."""
    found: dict[str, Any] = json.loads(os.environ["AIRFLOW_CONN_SSE"])
    return found


def bucket() -> str:
    """The bucket of the connection `google_cloud_default`."""
    return str(json.loads(os.environ["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])["extra"]["bucket"])


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_rss_mib() -> float:
    """Of this program alone: `ru_maxrss` begins with what the process had that began it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
