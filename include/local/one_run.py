"""`local run <use case>`: what does a run of it do? (by the laptop's Airflow, as a trigger in its UI would)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from include.catalogue import Catalogue
from include.local.demo_report import print_runs
from include.local.demo_run import DagRun
from include.local.platform import Platform


def one_run(platform: Platform, use_case: str, report: Callable[[str], None], form: Mapping[str, Any]) -> None:
    """Trigger it with these fields of the form, tell each task when it ends, and at the end what was read, changed and
    sent.

    Raises DeclarationError when no file declares the use case, Unavailable when a server is down, RunFailed with each
    failed task's error.
    """
    Catalogue().use_case(use_case)  # a typing mistake is told at once: Airflow would be waited for
    platform.require_running()
    run = DagRun(platform, use_case, f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    report(f"{use_case}, run {run.run_id} at {platform.airflow().url}")
    run.run(report, form)
    print_runs([run])
