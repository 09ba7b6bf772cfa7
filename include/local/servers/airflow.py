"""How does Airflow run here? (its four components, as in production but with SQLite and the LocalExecutor)

`airflow standalone` is not used: its log servers listen on every address, and SIGTERM leaves its children behind.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import threading
from contextlib import closing
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from include.errors import Unavailable
from include.local.environment import connections
from include.local.laptop import HOST, ROOT, Laptop, write_private
from include.local.processes import SERVER, TOKEN, end, run_to_end
from include.local.servers.server import Server, request

USER = PASSWORD = "admin"  # noqa: S105  of a server that nobody else can reach
_SETTINGS = Path(__file__).with_name("airflow_local_settings.py")
_MIGRATION = "airflow_migration"
_one_migration = threading.Lock()
_COMPONENTS = {  # name: command, where its heartbeat stands in the answer of the health check
    "airflow_api_server": (("api-server",), None),
    "airflow_scheduler": (("scheduler", "--skip-serve-logs"), "scheduler"),
    "airflow_triggerer": (("triggerer", "--skip-serve-logs"), "triggerer"),
    "airflow_dag_processor": (("dag-processor",), "dag_processor"),
}
NAMES = tuple(_COMPONENTS)
WITH_TASKS = tuple(name for name in NAMES if name != "airflow_api_server")


def airflow(laptop: Laptop) -> list[Server]:
    return [_component(laptop, name) for name in NAMES]


def _component(laptop: Laptop, name: str) -> Server:
    arguments, heart = _COMPONENTS[name]
    return Server(
        name=name,
        command=(sys.executable, "-m", "airflow", *arguments),
        environ=settings(laptop),
        ports=() if heart else ("airflow",),
        is_ready=lambda began: _is_healthy(laptop, heart, began),
        prepare=lambda: _prepare(laptop),
        patience=180,
    )


ALLOCATORS = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
"""As in the image: what is freed is given back, or used by other threads."""


def settings(laptop: Laptop) -> dict[str, str]:
    """The environment of all components and of their tasks; the platform's extra environment comes last and wins."""
    home = laptop.state / "airflow"
    own = {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore:This process:DeprecationWarning",  # Python 3.13 warns at every fork of a task
        **ALLOCATORS,
        "SPT_NOENV": "1",  # else the process titles overwrite the environment by which we know our processes
        **{f"AIRFLOW__{key}": value for key, value in {**_CORE, **_of_this(laptop, home)}.items()},
    }
    return {**own, **connections(laptop), **laptop.extra_environment}


_CORE = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "4",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__DAG_DISCOVERY_SAFE_MODE": "False",  # else a file without the words "airflow" and "dag" is skipped in silence
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # right here, wrong in production
    "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    "API__HOST": HOST,
    "API__WORKERS": "1",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # with 5 every second task holds its slot for 5 s after its end
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # else about 1 s between two tasks
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",  # killed tasks are tried again after one minute, not five
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "SCHEDULER__USE_JOB_SCHEDULE": "False",  # runs by hand only: what is tried at 4 a.m. must not meet the nightly run
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
}


def _of_this(laptop: Laptop, home: Path) -> dict[str, str]:
    return {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__FERNET_KEY": laptop.secrets.fernet_key,
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__PORT": str(laptop.ports["airflow"]),
        "API__BASE_URL": laptop.url("airflow"),  # tasks report to it
        "API__SECRET_KEY": laptop.secrets.api_key,
        "API_AUTH__JWT_SECRET": laptop.secrets.jwt,
    }


def _is_healthy(laptop: Laptop, heart: str | None, began: float) -> bool:
    """Whether the component's heart has beaten since it began."""
    health = request(f"{laptop.url('airflow')}/api/v2/monitor/health")
    if heart is None:
        return bool(health["metadatabase"]["status"] == "healthy")
    beat = health[heart][f"latest_{heart}_heartbeat"]
    return bool(health[heart]["status"] == "healthy" and beat and datetime.fromisoformat(beat).timestamp() >= began)


def _prepare(laptop: Laptop) -> None:
    """AIRFLOW_HOME with its database. The components begin at once: the first makes it, the others wait."""
    with _one_migration:
        home = laptop.folder("airflow")
        (home / "config").mkdir(exist_ok=True)
        shutil.copyfile(_SETTINGS, home / "config" / _SETTINGS.name)
        write_private(home / "passwords.json", json.dumps({USER: PASSWORD}))
        (home / "airflow.cfg").touch()  # all settings are in the environment; four components would race to write it
        _migrate(laptop, home / "airflow.db")


def _migrate(laptop: Laptop, database: Path) -> None:
    """A database that was made before for the same version is copied: 1 ms, not 5 s."""
    made_before, stamp = laptop.install / f"airflow-{_version()}.db", database.with_suffix(".migrated")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == _version():
        return
    end(None, laptop.token, _MIGRATION, patience=0)  # of an `up` that was killed
    if stamp.exists():
        _run_migration(laptop)  # of an older version, with its runs: never the model for others
    else:
        for file in database.parent.glob(f"{database.name}*"):  # of one that was killed while it was made
            file.unlink()
        if not made_before.exists():
            _run_migration(laptop)
            _copy(database, made_before)
        shutil.copyfile(made_before, database)
    stamp.write_text(_version(), encoding="utf-8")


def _version() -> str:
    return version("apache-airflow-core")


def _run_migration(laptop: Laptop) -> None:
    environ = {**laptop.home(), **settings(laptop), TOKEN: laptop.token, SERVER: _MIGRATION}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    if run_to_end(command, environ, log=laptop.log(_MIGRATION), folder=laptop.state):
        raise Unavailable(
            "Airflow's database could not be made",
            where=str(laptop.log(_MIGRATION)),
            remedy="read the log; `python -m include local up` tries again",
        )


def _copy(database: Path, to: Path) -> None:
    unfinished = to.with_name(f".{to.name}.{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    os.replace(unfinished, to)
