"""Which processes are ours, how do they begin, and how do they end?

A process is known by its id together with the moment of its birth, because ids are used again; and by the platform's
token in its environment, which its children inherit, so that none is left behind whoever started it. Never by a name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from include.local.laptop import write_private

TOKEN = "LAPTOP_PLATFORM"  # noqa: S105  a variable's name
SERVER = "LAPTOP_PLATFORM_SERVER"
_INHERITED = ("PATH", "LANG", "LC_ALL", "USER", "LOGNAME", "SHELL", "SSL_CERT_FILE")
_LARGEST_LOG = 10 << 20
_children: dict[int, subprocess.Popen[bytes]] = {}  # our own, which must be waited for when they have ended


@dataclass(frozen=True)
class Started:
    """A process that we started. `fingerprint` is of its command and environment."""

    pid: int
    birth: str
    fingerprint: str
    began: float

    def is_alive(self) -> bool:
        """Not while it is ending: a killed process that a busy machine has not yet buried will answer nobody."""
        return birth(self.pid) == self.birth and not _is_ending(self.pid)

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Started | None:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def birth(pid: int) -> str | None:
    """When a process began, in a form that no other process of that id can have; None when it has ended."""
    child = _children.get(pid)
    if child and child.poll() is not None:
        del _children[pid]
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else _birth(process)
    except (psutil.Error, OSError):  # it ended while we looked
        return None


def _is_ending(pid: int) -> bool:
    """Its memory goes first; its ports and its last threads may be there for a while."""
    with suppress(psutil.Error, OSError):
        return bool(psutil.Process(pid).memory_info().vms == 0)
    return True


def _birth(process: psutil.Process) -> str:
    """On Linux in ticks since the boot: psutil's time of day moves when the clock is set."""
    if not sys.platform.startswith("linux"):
        return str(process.create_time())
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{boot}:{fields[19]}"


def start(command: Sequence[str], environ: Mapping[str, str], *, fingerprint: str, log: Path, folder: Path) -> Started:
    """Starts a process that outlives us: a session of its own, output to its log, nothing from the keyboard."""
    _keep_small(log)
    began = time.time()
    with log.open("ab") as output:
        output.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n".encode())
        output.flush()
        child = subprocess.Popen(
            list(command),
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    return Started(child.pid, birth(child.pid) or "", fingerprint, began)


def run_to_end(command: Sequence[str], environ: Mapping[str, str], *, log: Path, folder: Path) -> int:
    """Runs a tool that prepares a server; gives its exit code. The token marks it, too: it may outlive an `up`."""
    with log.open("ab") as output:
        done = subprocess.run(
            list(command),
            env={**plain_environment(), **environ},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode


def _keep_small(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        os.replace(log, log.with_suffix(".log.1"))


def plain_environment() -> dict[str, str]:
    """What our processes get of the user's environment: nothing that would change what they do, no credentials."""
    return {key: os.environ[key] for key in _INHERITED if key in os.environ}


def family(token: str, server: str | None = None) -> list[psutil.Process]:
    """All living processes of the platform, or of one of its servers."""
    return [process for process in psutil.process_iter() if _belongs(process, token, server)]


def _belongs(process: psutil.Process, token: str, server: str | None) -> bool:
    try:
        environ = process.environ()
        known = environ.get(TOKEN) == token and server in (None, environ.get(SERVER))
        return known and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def end(main: Started | None, token: str, server: str | None, *, patience: float) -> int:
    """Asks the main process to end, then the rest, and kills what is still there; gives how many were killed."""
    if main and main.is_alive():
        with suppress(psutil.Error):
            _ask([psutil.Process(main.pid)], patience)
    rest = family(token, server)
    _ask(rest, 2)
    left = family(token, server)
    for process in left:
        with suppress(psutil.Error):  # psutil compares the birth before it sends a signal
            process.kill()
    _wait(left, 10)
    return len(left)


def _ask(processes: Iterable[psutil.Process], patience: float) -> None:
    processes = list(processes)
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _wait(processes, patience)


def _wait(processes: Sequence[psutil.Process], patience: float) -> None:
    until = time.monotonic() + patience
    while any(_is_running(process) for process in processes) and time.monotonic() < until:
        time.sleep(0.05)


def _is_running(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and birth(process.pid) is not None
    return False
