"""Airflow imports every file below plugins/ by its bare name, unless it is told not to."""

from __future__ import annotations

import subprocess
import sys

from include.catalogue import ROOT

STEMS = {path.stem for path in (ROOT / "plugins" / "orchestration").glob("*.py")} - {"__init__"}


def test_no_module_of_ours_is_loaded_under_a_bare_name() -> None:
    script = (
        "import sys\n"
        "from airflow import plugins_manager\n"
        "plugins_manager._get_plugins()\n"
        f"print(sorted(name for name in sys.modules if name in {sorted(STEMS)}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_plugins_folder_says_so() -> None:
    assert (ROOT / "plugins" / ".airflowignore").read_text(encoding="utf-8").splitlines()[0] == "*"
    assert {"alerts", "assets", "connections", "params", "tasks", "use_case_dag"} <= STEMS
