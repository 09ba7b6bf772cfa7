"""Airflow on the laptop: real scheduler, real tasks, and it comes back after a kill -9."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.errors import Unavailable
from include.local import demo_run
from include.local.airflow_api import ApiRefused
from include.local.demo_run import DagRun, RunFailed
from include.local.laptop import Laptop
from include.local.platform import Platform
from include.local.pools import import_pools
from include.local.processes import family
from include.local.servers import airflow
from include.local.servers.airflow import NAMES

DAG = """
import os
from airflow.sdk import Connection, dag, task

@dag(schedule=None)
def probe():
    @task
    def look():
        sse = Connection.get("sse")
        return {"word": os.environ["PROBE_WORD"], "port": sse.port, "home": os.environ["HOME"]}
    look()

probe()

@dag(schedule=None)
def fails():
    @task
    def look():
        raise ValueError("what went wrong")

    @task
    def behind(found):
        return found
    behind(look())

fails()

@dag(schedule=None)
def leaves_out():
    @task
    def look():
        import logging
        from airflow.sdk.exceptions import AirflowSkipException
        logging.getLogger(__name__).info("skipped: a person holds it")
        raise AirflowSkipException("held")
    look()

leaves_out()

@dag(schedule=None)
def sleeps():
    @task
    def wait_a_while():
        import time
        time.sleep(20)
    wait_a_while()

sleeps()
"""
BROKEN = "from airflow.sdk import no_such_thing  # a dag\n"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def platform(new_platform: Callable[..., Platform], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    dags = tmp_path_factory.mktemp("d")
    (dags / "probe.py").write_text(DAG)
    (dags / "broken.py").write_text(BROKEN)
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags),
        "PROBE_WORD": "first",
    }
    made = new_platform(extra_environment=environment)
    made.up(["airflow"], lambda line: None)
    return made


def _run(platform: Platform) -> Any:
    """What the probe's task returned in a fresh run."""
    run = DagRun(platform, "probe", f"probe-{next(_numbers)}")
    run.run(print)
    return run.summary("look")


def _of_each(platform: Platform, ask: Callable[[psutil.Process], Any]) -> list[Any]:
    """What `ask` gives of each living process; Airflow's children come and go while they are looked at."""
    found = []
    for process in family(platform.laptop.token):
        with suppress(psutil.NoSuchProcess):
            found.append(ask(process))
    return found


def test_a_task_sees_the_connections_and_the_extra_environment_and_not_the_users_home(platform: Platform) -> None:
    found = _run(platform)
    assert found["word"] == "first"
    assert found["port"] == platform.laptop.ports["sql_server"]
    assert found["home"] == str(platform.state / "home")


def test_airflow_listens_on_this_machine_alone(platform: Platform) -> None:
    found = _of_each(platform, lambda process: process.net_connections())
    listening = {at.laddr.ip for connections in found for at in connections if at.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_pools_are_made_changed_and_left_alone(platform: Platform) -> None:
    api = platform.airflow()
    import_pools(api, {"urgent": {"slots": 2, "description": "first"}, "late": {"slots": 1}})
    import_pools(api, {"urgent": {"slots": 3, "description": "second"}})
    pools = {pool["name"]: (pool["slots"], pool["description"]) for pool in api.get("/pools")["pools"]}
    assert (pools["urgent"], pools["late"]) == ((3, "second"), (1, ""))


def test_what_airflow_refuses_is_said_in_its_words(platform: Platform) -> None:
    with pytest.raises(ApiRefused, match="nowhere") as refused:
        platform.airflow().get("/dags/nowhere")
    assert refused.value.status == 404


def test_a_run_that_failed_names_each_error_its_log_and_how_many_did_not_run(platform: Platform) -> None:
    told: list[str] = []
    with pytest.raises(RunFailed) as failed:
        DagRun(platform, "fails", "it-fails").run(told.append)
    assert "1 tasks behind it did not run\nlook: ValueError: what went wrong" in failed.value.problem
    assert Path(failed.value.where).is_file()
    assert [line.split()[:2] for line in told] == [["look", "failed"]]


def test_of_a_task_that_left_itself_out_it_is_said_why(platform: Platform) -> None:
    told: list[str] = []
    DagRun(platform, "leaves_out", "it-is-left-out").run(told.append)
    assert [line.split()[:2] for line in told] == [["look", "skipped"]]
    assert told[0].endswith("\nskipped: a person holds it")


def test_a_dag_whose_file_is_broken_is_named_with_airflows_own_words(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "_PARSED_AGAIN", 0.0)
    with pytest.raises(RunFailed, match=r"knows no DAG broken: ImportError: cannot import name 'no_such_thing'"):
        DagRun(platform, "broken", "never").trigger()


def test_what_is_waited_for_is_said(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_run, "_SILENCE", 1.0)
    told: list[str] = []
    first, second = (DagRun(platform, "sleeps", name) for name in ("first", "second"))
    first.trigger()
    assert first.wait(told.append) == "success"
    assert "… waiting: wait_a_while is running" in told
    platform.airflow().call("PATCH", "/dags/sleeps", {"is_paused": True})
    second.trigger()
    with pytest.raises(Unavailable, match="no task of the run has ended in 5 s"):
        second.wait(told.append, patience=5)
    assert "… waiting: the DAG sleeps is paused: switch it on in the UI" in told


def test_all_are_healthy_again_after_a_kill_9_and_tasks_see_the_new_environment(platform: Platform) -> None:
    assert len(_of_each(platform, lambda process: process.kill())) >= len(NAMES)
    other = replace(platform, extra_environment={**platform.extra_environment, "PROBE_WORD": "second"})
    other.up(["airflow"], lambda line: None)
    assert {found.state for found in other.status() if found.name in NAMES} == {"up"}
    assert _run(other)["word"] == "second"


def test_settings_hold_no_password_that_others_could_read(platform: Platform) -> None:
    found = _of_each(platform, lambda process: process.cmdline())
    assert len(found) >= len(NAMES)
    command_lines, secrets = " ".join(" ".join(line) for line in found), platform.laptop.secrets
    assert not any(word in command_lines for word in (secrets.sql_server_password, secrets.jwt, secrets.fernet_key))


def test_the_model_of_new_databases_is_empty_and_an_upgraded_one_never_becomes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = Laptop.open(tmp_path / "state", tmp_path / "install", {})
    home = laptop.folder("airflow")
    (tmp_path / "install").mkdir()
    monkeypatch.setattr(airflow, "_run_migration", lambda laptop: _note(home / "airflow.db", "made"))
    (home / "airflow.migrated").write_text("an older version", encoding="utf-8")
    _note(home / "airflow.db", "somebody's run")
    airflow._migrate(laptop, home / "airflow.db")
    assert list((tmp_path / "install").glob("airflow-*.db")) == []
    (home / "airflow.migrated").unlink()
    airflow._migrate(laptop, home / "airflow.db")
    (model,) = (tmp_path / "install").glob("airflow-*.db")
    assert [_notes(model), _notes(home / "airflow.db")] == [["made"], ["made"]]


def _note(database: Path, text: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text)")
        connection.execute("INSERT INTO note VALUES (?)", (text,))
        connection.commit()


def _notes(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM note")]
