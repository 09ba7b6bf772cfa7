"""Ours are known by birth and token, never by id alone; strangers live on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.local.processes import SERVER, TOKEN, Started, birth, end, family, plain_environment, start

TOKEN_OF_TEST = "a-token-of-this-test"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    end(None, TOKEN_OF_TEST, None, patience=0)


def _start(tmp_path: Path, *command: str, server: str = "one") -> Started:
    environ = {**plain_environment(), TOKEN: TOKEN_OF_TEST, SERVER: server}
    return start(command, environ, fingerprint="f", log=tmp_path / "a.log", folder=tmp_path)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def _wait_for(condition: object, seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.02)
    assert condition()  # type: ignore[operator]


def test_a_started_process_is_alive_until_it_is_ended(tmp_path: Path) -> None:
    started = _start(tmp_path, "sleep", "60")
    assert started.is_alive()
    assert end(started, TOKEN_OF_TEST, "one", patience=5) == 0
    assert not started.is_alive()


def test_a_stranger_with_the_id_of_a_process_of_ours_is_neither_taken_for_it_nor_ended(
    stranger: subprocess.Popen[bytes],
) -> None:
    ours_once = Started(stranger.pid, "born at another time", "f", time.time())
    assert not ours_once.is_alive()
    end(ours_once, TOKEN_OF_TEST, "one", patience=1)
    assert stranger.poll() is None


def test_a_process_with_another_token_is_not_ended(tmp_path: Path) -> None:
    environ = {**plain_environment(), TOKEN: "of another platform", SERVER: "one"}
    other = start(["sleep", "60"], environ, fingerprint="f", log=tmp_path / "a.log", folder=tmp_path)
    end(None, TOKEN_OF_TEST, None, patience=0)
    assert other.is_alive()
    end(other, "of another platform", None, patience=2)


def test_grandchildren_in_sessions_of_their_own_are_ended_too(tmp_path: Path) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    started = _start(tmp_path, sys.executable, "-c", script)
    _wait_for(lambda: len(family(TOKEN_OF_TEST)) == 2)
    end(started, TOKEN_OF_TEST, "one", patience=5)
    assert family(TOKEN_OF_TEST) == []


def test_orphans_of_a_killed_process_are_ended(tmp_path: Path) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    started = _start(tmp_path, sys.executable, "-c", script)
    _wait_for(lambda: len(family(TOKEN_OF_TEST)) == 2)
    os.kill(started.pid, signal.SIGKILL)
    _wait_for(lambda: not started.is_alive())
    end(started, TOKEN_OF_TEST, "one", patience=5)
    assert family(TOKEN_OF_TEST) == []


def test_only_the_named_server_is_ended(tmp_path: Path) -> None:
    one, other = _start(tmp_path, "sleep", "60"), _start(tmp_path, "sleep", "60", server="other")
    end(one, TOKEN_OF_TEST, "one", patience=5)
    assert not one.is_alive()
    assert other.is_alive()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    started = _start(tmp_path, sys.executable, "-c", script)
    _wait_for(lambda: "deaf" in (tmp_path / "a.log").read_text().splitlines())
    assert end(started, TOKEN_OF_TEST, "one", patience=0.2) == 1
    assert not started.is_alive()


def test_a_process_that_ended_but_was_not_waited_for_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    _wait_for(lambda: birth(process.pid) is None)
    process.wait()


def test_a_record_survives_on_disk_and_a_broken_one_is_none(tmp_path: Path) -> None:
    started = Started(1, "b", "f", 2.0)
    started.save(tmp_path / "one.json")
    assert Started.load(tmp_path / "one.json") == started
    (tmp_path / "two.json").write_text('{"pid": 1')
    assert Started.load(tmp_path / "two.json") is None
    assert Started.load(tmp_path / "three.json") is None


def test_the_users_environment_does_not_reach_our_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "99")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/a/key.json")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert set(plain_environment()) <= {"PATH", "LANG", "LC_ALL", "USER", "LOGNAME", "SHELL", "SSL_CERT_FILE"}


def test_a_large_log_is_put_aside_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.local.processes._LARGEST_LOG", 100)
    (tmp_path / "a.log").write_text("x" * 200)
    end(_start(tmp_path, "true"), TOKEN_OF_TEST, "one", patience=2)
    assert (tmp_path / "a.log.1").read_text() == "x" * 200
