"""What each kind of person may do, asked of Airflow with the auth manager of the image and the roles that we print."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from include.catalogue import ROOT, Catalogue
from include.local.processes import plain_environment
from include.steps.deploy import pools
from include.steps.grants.airflow import ROLES, VIEWER
from tests.dags.airflow_with_people import DEEDS

SEES = {deed for deed in DEEDS if deed.startswith("see ")} | {"read a log", "read a summary"}
RUNS = {"trigger", "clear", "mark"}
MAY = {
    VIEWER: SEES,
    "data_holder": SEES | {"pause"},
    "data_approver": SEES | {"pause", "approve"},
    "data_operator": SEES | {"pause"} | RUNS,
    "data_on_call": SEES | {"pause", "approve", "change a pool"} | RUNS,
}


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("airflow")
    environ = {**plain_environment(), "HOME": str(home), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.dags.airflow_with_people", str(home)]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_this_and_nothing_else(told: Any, role: str) -> None:
    answers = told["answers"][role]
    assert set(answers) == set(DEEDS)
    assert not [status for status in answers.values() if status == 401 or status >= 500]
    assert {deed for deed, status in answers.items() if status != 403} == MAY[role]


def test_the_pools_are_there_after_they_were_imported_twice(told: Any) -> None:
    wanted = {name: pool["slots"] for name, pool in pools(Catalogue()).items()}
    assert {name: slots for name, slots in told["pools"].items() if name != "default_pool"} == wanted


def test_every_role_is_explained_and_no_other() -> None:
    text = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(data_\w+)`", text)) == set(ROLES) == set(MAY)
