"""How does a publisher live and die? (a process of its own, which notes whether it is within a transaction)"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from benchmarks.kills_publisher import OPEN, READY
from benchmarks.processes import ROOT

LONGEST = 240.0
"""Seconds that a publisher may live which nobody kills."""


class Publisher:
    """One run of `benchmarks.kills_publisher`, which does not begin yet. `notes`: the file of its transactions."""

    def __init__(self, root: Path, notes: Path, environment: Mapping[str, str], shards: int, *shard: int) -> None:
        self._notes, self._is_told, words = notes, False, map(str, (root, notes, shards, *shard))
        command = [sys.executable, "-m", "benchmarks.kills_publisher", *words]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
        )

    def go(self) -> None:
        """It begins, and has imported all that it needs."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        assert self._process.stdout.readline().strip() == READY, self._process.communicate()
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def until_it_sends(self, transaction: int) -> None:
        """Returns when so many transactions have begun, or with its end: it may have fewer to send."""
        while self.is_alive() and self.transactions() < transaction:
            time.sleep(0.002)

    def transactions(self) -> int:
        """How many have begun."""
        return self._noted().count(OPEN)

    def kill(self) -> bool:
        """Whether it was alive."""
        self._process.kill()
        return self._process.wait() == -signal.SIGKILL

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It does nothing meanwhile, if it is alive."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def is_within_a_transaction(self) -> bool:
        """Whether it is, or was when it died."""
        return self._noted().endswith(OPEN)

    def told(self) -> dict[str, Any] | None:
        """What it says at its end; None when it was killed, or has said it before."""
        if self._is_told:
            return None
        said, complained = self._process.communicate(timeout=LONGEST)
        self._is_told = True
        if self._process.returncode == -signal.SIGKILL:
            return None
        assert self._process.returncode == 0, f"a publisher failed:\n{complained}"
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        return told

    def _noted(self) -> bytes:
        return self._notes.read_bytes() if self._notes.exists() else b""
