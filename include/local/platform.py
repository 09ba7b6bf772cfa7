"""What runs on the laptop, and is it up?

`up` makes it so that every server runs with the settings that are wanted now; whatever happened before (a kill -9 of
any of them, an `up` that was killed, changed code or ports) is repaired by it. `down` ends exactly what `up` started.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from include.connections import read_settings
from include.errors import DataPlatformError, RequestError, Unavailable
from include.local import environment, pools
from include.local.airflow_api import AirflowApi
from include.local.laptop import KEPT, ROOT, Laptop
from include.local.lifecycle import (
    Report,
    Status,
    bring_down,
    bring_up,
    end_strays,
    is_running,
    leave_taken_ports,
    look_at,
)
from include.local.servers.airflow import NAMES as AIRFLOW
from include.local.servers.airflow import WITH_TASKS, airflow, settings
from include.local.servers.alerts import alerts
from include.local.servers.big_query import big_query
from include.local.servers.cloud_storage import cloud_storage
from include.local.servers.kafka import kafka
from include.local.servers.schema_registry import schema_registry
from include.local.servers.server import Server
from include.local.servers.sql_server import sql_server

_MAKERS = (sql_server, cloud_storage, big_query, kafka, schema_registry, alerts)
SERVERS = (*(maker.__name__ for maker in _MAKERS), *AIRFLOW)
_GROUPS = {"airflow": AIRFLOW}


@dataclass(frozen=True)
class Platform:
    """The servers whose world is `state`, run from what bootstrap put below `install`.

    `extra_environment` goes to Airflow's components and their tasks, and wins over our own settings.
    `env_file` is where `up` writes the connections for a shell: `<state>/env` unless told otherwise.
    """

    state: Path
    install: Path
    extra_environment: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)
    env_file: Path | None = field(default=None, kw_only=True)

    @classmethod
    def of_checkout(cls) -> Platform:
        """The checkout's own; what `.local/own.env` says wins over our settings, so that a real server can be used."""
        local = ROOT / ".local"
        own = read_settings(local / "own.env")
        return cls(local / "platform", local / "install", extra_environment=own, env_file=local / "env")

    @property
    def laptop(self) -> Laptop:
        """Folders, ports and secrets; chosen at the first call."""
        return Laptop.open(self.state, self.install, self.extra_environment)

    @property
    def shell_file(self) -> Path:
        return self.env_file or self.state / "env"

    def environment(self) -> dict[str, str]:
        """What Airflow and the command line need to work with this platform."""
        return settings(self.laptop)

    def airflow(self) -> AirflowApi:
        return AirflowApi(self.laptop)

    def up(self, only: Sequence[str] | None = None, report: Report = print) -> None:
        """Starts what does not run, restarts what runs with other settings; raises Unavailable naming the logs."""
        names = _expand(only)
        with self._alone(report):
            laptop = leave_taken_ports(self.laptop, _servers(self.laptop, names), report)
            environment.write_shell_file(laptop, self.shell_file)
            _raise_all(_bring_up_all(laptop, _servers(laptop, names), report))
            if "airflow_api_server" in names:
                _import_pools(laptop)

    def down(self, report: Report = print) -> None:
        """Ends every process of this platform and waits until it is gone."""
        with self._alone(report):
            self._end_all(report)

    def erase(self, report: Report = print) -> None:
        """`down`, and all data is gone: runs, objects, tables, topics. Ports and passwords stay."""
        with self._alone(report):
            self._end_all(report)
            for path in self._data():
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def has_data(self) -> bool:
        """Whether there is anything that `erase` would delete, beside the empty folders of an `up`."""
        return any(path.is_file() or any(path.iterdir()) for path in self._data())

    def _data(self) -> list[Path]:
        """All but the ports and passwords."""
        return [path for path in self.laptop.state.iterdir() if path.name not in KEPT]

    def _end_all(self, report: Report) -> None:
        """Airflow's tasks end first, because they use the others and would wait for them."""
        laptop = self.laptop
        for names in (WITH_TASKS, tuple(name for name in SERVERS if name not in WITH_TASKS)):
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(lambda name: bring_down(laptop, name, report), names))
        end_strays(laptop)
        shutil.rmtree(laptop.state / "tmp", ignore_errors=True)

    def running(self) -> list[str]:
        """The servers that were started and have not ended, whether they answer or not."""
        laptop = self.laptop
        return [name for name in SERVERS if is_running(laptop, name)]

    def require_running(self) -> None:
        """Raises Unavailable when a server is down: a run would wait for it for minutes."""
        down = sorted(set(SERVERS) - set(self.running()), key=SERVERS.index)
        if down:
            raise Unavailable(
                f"the laptop platform is {'down' if len(down) == len(SERVERS) else 'not whole'}",
                where=", ".join(down),
                remedy="`make up` starts it",
            )

    def what_stays_up(self) -> str:
        """For who interrupts us: the servers outlive the command that started them."""
        running = self.running()
        return f"{', '.join(running)} stay up (`make down` ends them)" if running else "no server is up"

    def status(self) -> list[Status]:
        laptop = self.laptop
        with ThreadPoolExecutor(len(SERVERS)) as pool:
            return list(pool.map(lambda server: look_at(laptop, server), _servers(laptop, SERVERS)))

    @contextmanager
    def _alone(self, report: Report) -> Iterator[None]:
        """One `up` or `down` at a time; the lock is gone with the process that holds it."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("another `up` or `down` of this platform is at work: waiting for it …")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _expand(only: Sequence[str] | None) -> tuple[str, ...]:
    """Names of servers, in order; raises RequestError at one that is not."""
    wanted = [name for given in (SERVERS if only is None else only) for name in _GROUPS.get(given, (given,))]
    unknown = sorted(set(wanted) - set(SERVERS))
    if unknown:
        raise RequestError(
            f"there is no server '{unknown[0]}'",
            where="the laptop platform",
            remedy=f"choose of {', '.join((*SERVERS, *_GROUPS))}",
        )
    return tuple(name for name in SERVERS if name in wanted)


def _servers(laptop: Laptop, names: Sequence[str]) -> list[Server]:
    return [server for server in _all_servers(laptop, names) if server.name in names]


def _all_servers(laptop: Laptop, names: Sequence[str]) -> list[Server]:
    """Only what is asked for is described, because a description needs what bootstrap installed for it."""
    made = [maker(laptop) for maker in _MAKERS if maker.__name__ in names]
    return made + airflow(laptop)


def _import_pools(laptop: Laptop) -> None:
    pools.import_pools(AirflowApi(laptop), pools.wanted_pools(laptop))


def _bring_up_all(laptop: Laptop, servers: Sequence[Server], report: Report) -> list[DataPlatformError]:
    """All at once; why those that are not up are not. Ctrl-C ends it: nothing more is started or waited for."""
    stop = Event()
    with ThreadPoolExecutor(len(servers)) as pool:
        try:
            failures = list(pool.map(lambda server: bring_up(laptop, server, report, stop), servers))
        except KeyboardInterrupt:
            stop.set()
            raise
    return [failure for failure in failures if failure]


def _raise_all(failures: Sequence[DataPlatformError]) -> None:
    """One error that names all servers that are not up."""
    if failures:
        raise Unavailable(
            "; ".join(failure.problem for failure in failures),
            where=", ".join(failure.where for failure in failures),
            remedy=failures[0].remedy,
        )
