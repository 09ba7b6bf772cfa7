"""A run that a shell has asked for is told to its end; of a job what its tasks returned, a refused report among it."""

from __future__ import annotations

from typing import Any

import pytest

from include.local import one_run
from include.local.demo_run import RunFailed
from include.local.platform import Platform

REPORT = "**Move 0 customers to platform**\n\n**Refused:** nobody is left to be moved"


class _Refused:
    """A run of a job whose first task keeps its report, and fails."""

    run_id = "a-run"

    def __init__(self, *_: Any) -> None:
        self.form: Any = None

    def trigger(self, form: Any) -> None:
        self.form = form

    def finish(self, report: Any) -> None:
        raise RunFailed("the run ended as failed", where="a log", remedy="read it")

    def tasks(self) -> list[dict[str, Any]]:
        return [{"task_id": "check.move_cohort"}, {"task_id": "move.move_cohort"}]

    def summary(self, task_id: str) -> dict[str, Any]:
        return {"customers": 0, "report": REPORT} if task_id.startswith("check.") else {}


class _Platform(Platform):
    def __init__(self) -> None:
        pass

    def require_running(self) -> None:
        pass

    def airflow(self) -> Any:
        return type("Api", (), {"url": "http://here"})


def test_a_refused_dry_run_fails_and_its_report_can_be_read_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(one_run, "DagRun", _Refused)
    with pytest.raises(RunFailed, match="ended as failed"):
        one_run.one_run(_Platform(), "move_cohort", lambda line: None, {})
    said = capsys.readouterr().out
    assert said.startswith('\ncheck.move_cohort\n{\n  "customers": 0\n}\n')
    assert REPORT in said
    assert "move.move_cohort" not in said
