"""`up` makes it so, whatever happened before; `down` ends what is ours and nothing else."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.cli import main
from include.errors import DeclarationError, RequestError, Unavailable
from include.local import lifecycle
from include.local.laptop import ROOT
from include.local.one_run import one_run
from include.local.platform import SERVERS, Platform
from include.local.processes import family
from include.local.servers.server import request
from tests.waiting import wait_until

SMALL = ["cloud_storage", "alerts"]
New = Callable[..., Platform]


@pytest.fixture
def small(new_platform: New, said: list[str]) -> Platform:
    platform = new_platform()
    platform.up(SMALL, said.append)
    return platform


def _pids(platform: Platform) -> dict[str, int]:
    return {found.name: found.pid for found in platform.status() if found.pid}


def _states(platform: Platform) -> dict[str, str]:
    return {found.name: found.state for found in platform.status() if found.name in SMALL}


def _count_of_alerts(platform: Platform) -> int:
    return int(request(platform.laptop.url("alerts"))["alerts"])


def test_up_when_all_is_up_changes_and_says_nothing(small: Platform) -> None:
    before, said = _pids(small), []
    small.up(SMALL, said.append)
    assert (_pids(small), said) == (before, [])


def test_ports_and_data_are_the_same_after_down_and_up(small: Platform, said: list[str]) -> None:
    ports = small.laptop.ports
    request(small.laptop.url("alerts"), method="POST", body={"title": "one"})
    small.down(said.append)
    small.up(SMALL, said.append)
    assert small.laptop.ports == ports
    assert _count_of_alerts(small) == 1


def test_erase_deletes_the_data_and_keeps_ports_and_passwords(small: Platform, said: list[str]) -> None:
    before = small.laptop
    request(before.url("alerts"), method="POST", body={"title": "one"})
    small.erase(said.append)
    small.up(SMALL, said.append)
    assert (small.laptop.ports, small.laptop.secrets) == (before.ports, before.secrets)
    assert _count_of_alerts(small) == 0


def test_down_says_that_data_stays_only_while_there_is_some(
    small: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Platform, "of_checkout", lambda: small)
    for words, says in (
        ("local down", f"its data stays in {small.state}"),
        ("local down --erase", "all data is deleted"),
        ("local down", "it has no data"),
    ):
        assert main(words.split()) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"the laptop platform is down; {says}"


def test_a_run_with_the_platform_down_is_refused_before_it_is_named(new_platform: New, said: list[str]) -> None:
    for dag in ("customer_base", "move_cohort"):
        with pytest.raises(Unavailable, match="the laptop platform is down") as refused:
            one_run(new_platform(), dag, said.append, {})
        assert (said, refused.value.remedy) == ([], "`make up` starts it")
    with pytest.raises(DeclarationError, match="no use case is called move_cohorts"):
        one_run(new_platform(), "move_cohorts", said.append, {})


def test_down_leaves_no_process(small: Platform, said: list[str]) -> None:
    small.down(said.append)
    assert family(small.laptop.token) == []
    assert _states(small) == {"cloud_storage": "down", "alerts": "down"}


def test_down_of_what_was_never_up_does_nothing(new_platform: New, said: list[str]) -> None:
    new_platform().down(said.append)
    assert said == []


def test_servers_live_on_when_the_process_that_started_them_has_ended(new_platform: New) -> None:
    platform = new_platform()
    script = (
        "import sys; from pathlib import Path; from include.local.platform import Platform\n"
        f"Platform(Path({str(platform.state)!r}), Path({str(platform.install)!r})).up(['alerts'])"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    assert _states(platform)["alerts"] == "up"


@pytest.mark.parametrize(
    ("what", "is_there"),
    [
        ("the lock of `up`", lambda platform: (platform.state / "lock").exists()),
        ("a server's process", lambda platform: family(platform.laptop.token)),
        ("a server's record", lambda platform: list((platform.state / "run").glob("*.json"))),
    ],
)
def test_an_up_that_was_killed_is_repaired_by_the_next(
    new_platform: New, said: list[str], what: str, is_there: Callable[[Platform], object]
) -> None:
    platform = new_platform()
    script = (
        "import sys; from pathlib import Path; from include.local.platform import Platform\n"
        f"Platform(Path({str(platform.state)!r}), Path({str(platform.install)!r})).up({SMALL!r})"
    )
    up = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_until(lambda: is_there(platform), what)
    up.kill()
    up.wait()
    platform.up(SMALL, said.append)
    assert _states(platform) == {"cloud_storage": "up", "alerts": "up"}
    assert len(family(platform.laptop.token)) == 2


def test_an_up_that_is_interrupted_ends_soon_and_says_what_stays_up(new_platform: New) -> None:
    """Ctrl-C reaches the whole group; no server answers here, so that an `up` would wait for a minute and a half."""
    platform = new_platform()
    script = (
        "import signal, sys; from pathlib import Path\n"
        "from include.cli import main; from include.local import lifecycle\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where a script began the tests with &
        "from include.local.platform import Platform; lifecycle._is_ready = lambda *_: False\n"
        f"checkout = Platform(Path({str(platform.state)!r}), Path({str(platform.install)!r}))\n"
        f"Platform.of_checkout = classmethod(lambda _: checkout); sys.exit(main(['local', 'up', *{SMALL!r}]))"
    )
    command = [sys.executable, "-c", script]
    up = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_until(lambda: len(list((platform.state / "run").glob("*.json"))) == len(SMALL), "the servers' records")
    os.killpg(up.pid, signal.SIGINT)
    said = up.communicate(timeout=10)[0]
    assert up.returncode == 130
    assert said.splitlines()[-1] == "interrupted: cloud_storage, alerts stay up (`make down` ends them)"


def test_a_server_started_by_an_up_that_was_killed_before_it_could_note_it_is_replaced(
    small: Platform, said: list[str]
) -> None:
    unknown = _pids(small)["alerts"]
    (small.state / "run" / "alerts.json").unlink()
    small.up(SMALL, said.append)
    assert unknown not in _pids(small).values()
    assert len(family(small.laptop.token, "alerts")) == 1


def test_a_server_that_no_longer_answers_is_replaced(
    small: Platform, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_SECONDS_TO_ANSWER", 0.5)
    monkeypatch.setattr(lifecycle, "_SECONDS_TO_END", 0.2)
    _grow_old(small, "alerts")
    os.kill(_pids(small)["alerts"], signal.SIGSTOP)
    small.up(SMALL, said.append)
    assert "  alerts: does not answer, restarting" in said
    assert _states(small)["alerts"] == "up"


def _grow_old(platform: Platform, name: str) -> None:
    """As if the server had been started long ago: a young one is given time to get ready."""
    path = platform.state / "run" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "began": 0.0}))


def test_a_server_with_other_settings_than_wanted_is_restarted(small: Platform, said: list[str]) -> None:
    before = _pids(small)
    path = small.state / "run" / "alerts.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "of yesterday"}))
    small.up(SMALL, said.append)
    after = _pids(small)
    assert after["alerts"] != before["alerts"]
    assert after["cloud_storage"] == before["cloud_storage"]


def test_a_stranger_with_the_noted_id_is_neither_taken_for_the_server_nor_ended(
    small: Platform, said: list[str]
) -> None:
    os.kill(_pids(small)["alerts"], signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"])
    path = small.state / "run" / "alerts.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": stranger.pid}))
    small.up(SMALL, said.append)
    small.down(said.append)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_two_platforms_side_by_side_do_not_meet(new_platform: New, said: list[str]) -> None:
    one, other = new_platform(), new_platform()
    one.up(SMALL, said.append)
    other.up(SMALL, said.append)
    request(one.laptop.url("alerts"), method="POST", body={"title": "of one"})
    assert (_count_of_alerts(one), _count_of_alerts(other)) == (1, 0)
    one.down(said.append)
    assert _states(other) == {"cloud_storage": "up", "alerts": "up"}


def test_a_server_that_does_not_come_up_names_its_log_and_the_others_come_up(
    new_platform: New, said: list[str]
) -> None:
    platform = new_platform()
    (platform.state / "cloud_storage").write_text("a file where a folder must be")
    with pytest.raises(Unavailable, match=r"cloud_storage ended at once\n  where: .*/logs/cloud_storage.log"):
        platform.up(SMALL, said.append)
    assert _states(platform)["alerts"] == "up"


def test_an_unknown_server_is_refused(new_platform: New) -> None:
    with pytest.raises(RequestError, match=r"there is no server 'oracle'(.|\n)*kafka"):
        new_platform().up(["oracle"])


def test_the_file_for_a_shell_gives_the_connections_and_none_of_airflows_settings(small: Platform) -> None:
    assert stat.S_IMODE(small.shell_file.stat().st_mode) == 0o600
    dump = "import json, os; print(json.dumps(dict(os.environ)))"
    command = ["sh", "-c", f'. {small.shell_file} && exec {sys.executable} -c "$0"', dump]
    given = json.loads(subprocess.run(command, capture_output=True, check=True, text=True, env={}).stdout)
    wanted = small.environment()
    named = [key for key in wanted if key.startswith("AIRFLOW_CONN_")]
    assert {key: given[key] for key in named} == {key: wanted[key] for key in named}
    assert given["BIGQUERY_EMULATOR_HOST"] == wanted["BIGQUERY_EMULATOR_HOST"]
    assert not any(key.startswith("AIRFLOW__") or key == "AIRFLOW_HOME" for key in given)


def test_the_password_of_sql_server_is_in_no_command_line(new_platform: New, said: list[str]) -> None:
    platform = new_platform()
    platform.up(["sql_server"], said.append)
    (server,) = family(platform.laptop.token)
    assert platform.laptop.secrets.sql_server_password not in " ".join(server.cmdline())


def test_servers_are_named_in_the_order_of_the_status() -> None:
    assert SERVERS[:6] == ("sql_server", "cloud_storage", "big_query", "kafka", "schema_registry", "alerts")


def test_a_server_that_writes_of_its_own_accord_writes_below_the_state(small: Platform) -> None:
    for server in family(small.laptop.token):
        assert Path(server.environ()["HOME"]).is_relative_to(small.state)
        assert Path(server.environ()["TMPDIR"]).is_relative_to(small.state)


def test_two_ups_at_once_start_each_server_once(new_platform: New, said: list[str]) -> None:
    platform = new_platform()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: platform.up(SMALL, said.append), range(2)))
    assert len(family(platform.laptop.token)) == len(SMALL)
    assert "another `up` or `down` of this platform is at work: waiting for it …" in said
