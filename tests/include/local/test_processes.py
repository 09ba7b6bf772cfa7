"""Ours are known by birth and token, never by id alone; strangers live on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.local.processes import SERVER, TOKEN, Started, birth, end, family, plain_environment, start
from tests.waiting import wait_until

TOKEN_OF_TEST, TOKEN_OF_ANOTHER = uuid.uuid4().hex, uuid.uuid4().hex


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


def test_a_started_process_is_alive_until_it_is_ended(tmp_path: Path) -> None:
    started = _start(tmp_path, "sleep", "60")
    assert started.is_alive()
    assert end(started, TOKEN_OF_TEST, "one", patience=5) == 0
    assert not started.is_alive()


def test_a_process_is_alive_from_the_moment_of_its_start(tmp_path: Path) -> None:
    assert all(_start(tmp_path, "sleep", "60").is_alive() for _ in range(20))


def test_a_killed_process_whose_memory_is_still_being_freed_is_not_alive(tmp_path: Path) -> None:
    code = "import sys, time; much = b'x' * (600 << 20); open(sys.argv[1], 'w').close(); time.sleep(60)"
    started = _start(tmp_path, sys.executable, "-c", code, str(tmp_path / "grown"))
    wait_until((tmp_path / "grown").exists, "a process with much memory")
    os.kill(started.pid, signal.SIGKILL)
    while family(TOKEN_OF_TEST):
        pass  # its environment goes with its memory; the process is not yet buried
    assert not started.is_alive()


def test_a_stranger_with_the_id_of_a_process_of_ours_is_neither_taken_for_it_nor_ended(
    stranger: subprocess.Popen[bytes],
) -> None:
    ours_once = Started(stranger.pid, "born at another time", "f", time.time())
    assert not ours_once.is_alive()
    end(ours_once, TOKEN_OF_TEST, "one", patience=1)
    assert stranger.poll() is None


def test_a_process_with_another_token_is_not_ended(tmp_path: Path) -> None:
    environ = {**plain_environment(), TOKEN: TOKEN_OF_ANOTHER, SERVER: "one"}
    other = start(["sleep", "60"], environ, fingerprint="f", log=tmp_path / "a.log", folder=tmp_path)
    end(None, TOKEN_OF_TEST, None, patience=0)
    assert other.is_alive()
    end(other, TOKEN_OF_ANOTHER, None, patience=2)


def test_grandchildren_in_sessions_of_their_own_are_ended_too(tmp_path: Path) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    started = _start(tmp_path, sys.executable, "-c", script)
    wait_until(lambda: len(family(TOKEN_OF_TEST)) == 2, "parent and child")
    end(started, TOKEN_OF_TEST, "one", patience=5)
    assert family(TOKEN_OF_TEST) == []


def test_orphans_of_a_killed_process_are_ended(tmp_path: Path) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    started = _start(tmp_path, sys.executable, "-c", script)
    wait_until(lambda: len(family(TOKEN_OF_TEST)) == 2, "parent and child")
    os.kill(started.pid, signal.SIGKILL)
    wait_until(lambda: not started.is_alive(), "the end of the killed process")
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
    wait_until(lambda: "deaf" in (tmp_path / "a.log").read_text().splitlines(), "a process that ignores SIGTERM")
    assert end(started, TOKEN_OF_TEST, "one", patience=0.2) == 1
    assert not started.is_alive()


def test_a_process_that_ended_but_was_not_waited_for_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    wait_until(lambda: birth(process.pid) is None, "the end of `true`")
    process.wait()


@pytest.mark.parametrize("gone", [FileNotFoundError, ProcessLookupError])
def test_a_process_that_ends_while_it_is_looked_at_is_not_alive(
    stranger: subprocess.Popen[bytes], gone: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*arguments: object, **options: object) -> str:
        raise gone

    assert birth(stranger.pid) is not None
    monkeypatch.setattr(Path, "read_text", vanish)  # of /proc/<pid>/stat, between psutil's look and ours
    monkeypatch.setattr("psutil.Process.create_time", vanish)
    assert birth(stranger.pid) is None


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
