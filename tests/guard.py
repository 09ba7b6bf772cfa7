"""Who ends a platform when the tests that started it are gone? (ended, interrupted or killed: all the same)

python -m tests.guard <state>     waits for the end of its input, which is the end of who holds the other side
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.catalogue import ROOT
from include.local.platform import Platform

INSTALL = ROOT / ".local" / "install"


@contextmanager
def guarded(state: Path, **options: Any) -> Iterator[Platform]:
    """A platform that is down, and its folder gone, soon after this process is gone or the block is left."""
    command = [sys.executable, "-m", "tests.guard", str(state)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)
    try:
        yield Platform(state, INSTALL, **options)
    finally:
        guard.communicate()
        assert guard.returncode == 0, f"the servers of {state} could not be ended"


if __name__ == "__main__":
    sys.stdin.read()
    folder = Path(sys.argv[1])
    Platform(folder, INSTALL).down(report=lambda text: None)
    shutil.rmtree(folder, ignore_errors=True)
