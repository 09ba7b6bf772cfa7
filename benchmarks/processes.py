"""How is one measurement run in a process of its own? (it prints its cost as its last line)"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from include.local.servers.airflow import ALLOCATORS

ROOT = Path(__file__).resolve().parent.parent
Cost = dict[str, float]


def environ_of_others() -> dict[str, str]:
    """Ours without the allocators: the image sets them for us; nobody else would."""
    return {name: value for name, value in os.environ.items() if name not in ALLOCATORS}


def started(command: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> Cost:
    """What it cost; ends the benchmark with its complaint when it failed."""
    said, complained = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, process.args))} failed:\n{said}{complained}")  # type: ignore[arg-type]
    cost: Cost = json.loads(said.splitlines()[-1])
    return cost
