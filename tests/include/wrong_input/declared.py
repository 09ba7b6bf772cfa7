"""What do those who look at declarations say to a mistake? (the command, the first task, Airflow)"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tests.airflow_home  # noqa: F401  before Airflow is imported
from include.cli import main
from include.errors import DataPlatformError, DeclarationError
from orchestration import tasks

CUSTOMER_BASE = "dags/customer_base.py"


@dataclass(frozen=True)
class Declared:
    """Declarations of a test's own below `root`; every Catalogue of this process reads them.

    No connection is there: who asked a server before the declarations would be refused for that.
    """

    root: Path

    def write(self, file: str, right: str, wrong: str) -> int:
        """Make a mistake; the line of the file that it is in."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert right in text
        path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
        return text[: text.index(right)].count("\n") + 1

    def said_by_all(self) -> DeclarationError:
        """The mistake: told by `python -m include check`, which fails, and refused by the task `check` in its words."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            assert main(["check"]) == 1
        error = self.refused_by_the_task({})
        assert isinstance(error, DeclarationError)
        assert f"DeclarationError: {error}\n" in said.getvalue()
        return error

    def refused_by_the_task(self, form: dict[str, Any]) -> DataPlatformError:
        """What the task `check` says in a run with these values of the form."""
        return _refusal(lambda: tasks.check("customer_base"), form)

    def import_error(self) -> DeclarationError | None:
        """What Airflow shows when it reads the file; None when it makes a DAG of it."""
        path = self.root / CUSTOMER_BASE
        code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
        try:
            exec(code, {"__file__": str(path), "__name__": "customer_base"})
        except DeclarationError as error:
            return error
        return None


def _refusal(task: Callable[[], object], form: dict[str, Any]) -> DataPlatformError:
    context = {
        "params": {"dry_run": False, "full_refresh": False, "only": [], "allow_deletions": []},
        "dag_run": SimpleNamespace(run_id="wrong", conf=form),
        "ti": SimpleNamespace(try_number=1),
        "task": SimpleNamespace(outlets=[]),
    }
    shipped = tasks.get_current_context
    tasks.get_current_context = lambda: context  # type: ignore[assignment,return-value]
    try:
        task()
    except DataPlatformError as error:
        return error
    finally:
        tasks.get_current_context = shipped
    raise AssertionError("the task has accepted it")
