"""How does one server come up, go down, and how is it now?"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import psutil

from include.errors import DataPlatformError, Unavailable
from include.local.laptop import ROOT, RUNNING, Laptop, is_free
from include.local.processes import SERVER, TOKEN, Started, end, family, plain_environment, start
from include.local.servers.server import Server

Report = Callable[[str], None]
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
_SECONDS_TO_ANSWER = 10  # of a server that has been up for long
_SECONDS_TO_END = 20
_SECONDS_TO_FREE_A_PORT = 10
_SECONDS_TO_END_OF = {
    "airflow_scheduler": 4,
    "airflow_triggerer": 2,
}  # they wait for tasks, which may be killed at any moment


@dataclass(frozen=True)
class Status:
    """One server: `state` is "up", "down" or "does not answer"."""

    name: str
    state: str
    pid: int | None
    addresses: tuple[str, ...]
    log: Path


def bring_up(laptop: Laptop, server: Server, report: Report, stop: Event) -> DataPlatformError | None:
    """Leaves the server running with the wanted settings and ready, or gives the reason why it is not.

    Once `stop` is set no process is started and none is waited for.
    """
    began = time.monotonic()
    try:
        if not _runs_as_wanted(laptop, server, report, stop):
            _start(laptop, server, stop)
            report(f"  {server.name}: up, {time.monotonic() - began:.1f} s")
        server.furnish()
    except DataPlatformError as error:
        return error
    except _NO_ANSWER as error:
        return _not_up(laptop, server, f"failed right after its start: {type(error).__name__}: {error}")
    return None


def bring_down(laptop: Laptop, name: str, report: Report) -> None:
    """Ends the server's processes, all of them, and waits until they are gone."""
    record = _record(laptop, name)
    if family(laptop.token, name):
        killed = _end(laptop, name, record)
        report(
            f"  {name}: down" + (f" ({killed} processes did not end by themselves and were killed)" if killed else "")
        )
    _file(laptop, name).unlink(missing_ok=True)


def end_strays(laptop: Laptop) -> None:
    """Whatever else has the platform's token: children that changed their server's mark, servers of older versions."""
    end(None, laptop.token, None, patience=2)


def is_running(laptop: Laptop, name: str) -> bool:
    """Whether it was started, and has not ended."""
    record = _record(laptop, name)
    return record is not None and record.is_alive()


def look_at(laptop: Laptop, server: Server) -> Status:
    record = _record(laptop, server.name)
    alive = record is not None and record.is_alive()
    state = "down" if not alive else "up" if record and _is_ready(server, record.began) else "does not answer"
    addresses = tuple(laptop.address(port) for port in server.ports)
    return Status(server.name, state, record.pid if record and alive else None, addresses, laptop.log(server.name))


def leave_taken_ports(laptop: Laptop, servers: Sequence[Server], report: Report) -> Laptop:
    """Another port for each that a stranger holds; those who speak to that server get new settings, and restart."""
    taken = [port for server in servers if not _is_alive(laptop, server) for port in server.ports]
    taken = [port for port in taken if not _is_freed(laptop.ports[port])]
    if not taken:
        return laptop
    moved = laptop.with_other_ports(taken)
    for port in taken:
        report(
            f"  port {laptop.ports[port]} of {port} is taken by another program: from now on {moved.ports[port]} "
            "(shells that have read the settings read them again)"
        )
    return moved


def _is_freed(port: int) -> bool:
    """A server that was killed this moment may hold its port until its last thread is gone."""
    until = time.monotonic() + _SECONDS_TO_FREE_A_PORT
    while not is_free(port) and time.monotonic() < until:
        time.sleep(0.05)
    return is_free(port)


def _is_alive(laptop: Laptop, server: Server) -> bool:
    """Ends on the way what is left of a server that died or whose start was cut off: it would hold the port."""
    record = _record(laptop, server.name)
    if record and record.is_alive():
        return True
    _end(laptop, server.name, None)
    return False


def _runs_as_wanted(laptop: Laptop, server: Server, report: Report, stop: Event) -> bool:
    record = _record(laptop, server.name)
    if not record or not record.is_alive():
        return False
    if record.fingerprint != _fingerprint(laptop, server):
        report(f"  {server.name}: runs with other settings than wanted, restarting")
    elif _wait_until_ready(server, record, max(_SECONDS_TO_ANSWER, record.began + server.patience - time.time()), stop):
        return True
    elif stop.is_set():
        raise _interrupted(laptop, server)
    else:
        report(f"  {server.name}: does not answer, restarting")
    _end(laptop, server.name, record)
    return False


def _start(laptop: Laptop, server: Server, stop: Event) -> None:
    if not stop.is_set():
        server.prepare()
    if stop.is_set():
        raise _interrupted(laptop, server)
    record = start(
        server.command,
        _environ(laptop, server),
        fingerprint=_fingerprint(laptop, server),
        log=laptop.log(server.name),
        folder=ROOT,
    )
    record.save(_file(laptop, server.name))
    if not _wait_until_ready(server, record, server.patience, stop):
        how = f"did not answer within {server.patience:.0f} s" if record.is_alive() else "ended at once"
        raise _not_up(laptop, server, how)
    _refuse_strangers(laptop, server)


def _end(laptop: Laptop, name: str, record: Started | None) -> int:
    return end(record, laptop.token, name, patience=_SECONDS_TO_END_OF.get(name, _SECONDS_TO_END))


def _environ(laptop: Laptop, server: Server) -> dict[str, str]:
    return {**plain_environment(), **laptop.home(), **server.environ, TOKEN: laptop.token, SERVER: server.name}


def _fingerprint(laptop: Laptop, server: Server) -> str:
    """Another one means: what runs is not what is wanted. Counts the versions that bootstrap installed, too."""
    stamps = [*sorted(laptop.install.glob("*/.bootstrap-stamp")), Path(sys.prefix) / ".bootstrap-stamp"]
    versions = [stamp.read_text(encoding="utf-8") for stamp in stamps if stamp.exists()]
    return hashlib.sha256(json.dumps([server.command, sorted(server.environ.items()), versions]).encode()).hexdigest()


def _wait_until_ready(server: Server, record: Started, patience: float, stop: Event) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until and record.is_alive() and not stop.is_set():
        if _is_ready(server, record.began):
            return True
        time.sleep(0.1)
    return False


def _is_ready(server: Server, began: float) -> bool:
    with suppress(*_NO_ANSWER):
        return server.is_ready(began)
    return False


def _refuse_strangers(laptop: Laptop, server: Server) -> None:
    """What answers must be ours: a stranger may have taken the port since we looked."""
    ours = {port for process in family(laptop.token, server.name) for port in _listens_on(process)}
    for port in server.ports:
        if laptop.ports[port] not in ours:
            raise _not_up(laptop, server, f"does not listen on {laptop.address(port)}, where another program answers")


def _listens_on(process: psutil.Process) -> list[int]:
    with suppress(psutil.Error):
        found = process.net_connections("tcp")
        return [at.laddr.port for at in found if at.status == psutil.CONN_LISTEN]
    return []


def _interrupted(laptop: Laptop, server: Server) -> Unavailable:
    return _not_up(laptop, server, "was not waited for: its start was interrupted")


def _not_up(laptop: Laptop, server: Server, how: str) -> Unavailable:
    return Unavailable(
        f"{server.name} {how}",
        where=str(laptop.log(server.name)),
        remedy="read the log, then `python -m include local up` again",
    )


def _file(laptop: Laptop, name: str) -> Path:
    return laptop.folder(RUNNING) / f"{name}.json"


def _record(laptop: Laptop, name: str) -> Started | None:
    return Started.load(_file(laptop, name))
