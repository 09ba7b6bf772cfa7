"""The guard of the tests' servers: they end with who started them, even by SIGKILL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from include.catalogue import ROOT
from include.local.laptop import Laptop
from include.local.processes import family
from tests.guard import INSTALL
from tests.waiting import wait_until

_TEST_RUN = """
import sys, time
from pathlib import Path
from tests.guard import guarded
with guarded(Path(sys.argv[1])) as platform:
    platform.up(["alerts"], lambda text: None)
    print("up", flush=True)
    time.sleep(600)
"""


def test_a_killed_test_run_leaves_neither_server_nor_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    run = subprocess.Popen([sys.executable, "-c", _TEST_RUN, str(state)], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.stdout
    assert run.stdout.readline() == b"up\n"
    token = Laptop.open(state, INSTALL, {}).token
    assert family(token)
    run.kill()
    run.wait()
    run.stdout.close()
    wait_until(lambda: not family(token), "the end of the servers")
    wait_until(lambda: not state.exists(), "the end of their folder")
