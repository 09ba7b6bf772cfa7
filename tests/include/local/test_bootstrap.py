"""What a fresh machine is told: one message of all that is missing, before anything is made."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.local.bootstrap import browser
from include.local.bootstrap import missing as missing_module
from include.local.bootstrap.__main__ import _one_at_a_time
from include.local.bootstrap.interpreters import find_python
from include.local.bootstrap.journal import Journal
from include.local.bootstrap.missing import (
    Library,
    Machine,
    Missing,
    missing_libraries,
    one_message,
    too_little_disk,
    unsupported,
)
from include.local.bootstrap.package_installer import pip_settings
from include.local.laptop import ROOT
from tests.waiting import LONG, wait_until

LOCKS = ROOT / "include" / "local" / "locks"


# ---- what is missing


def test_all_that_is_missing_is_in_one_message_each_with_what_to_do() -> None:
    said = one_message([Missing("coffee", "the tin is empty", "buy some"), Missing("milk", "it is sour", "find a cow")])
    assert "2 things are missing" in said
    for words in ("1. coffee", "the tin is empty", "to do: buy some", "2. milk", "it is sour", "to do: find a cow"):
        assert words in said


@pytest.mark.parametrize(
    ("machine", "lack"),
    [
        (Machine("Linux", "x86_64", ("glibc", "2.36"), ""), None),
        (Machine("Linux", "aarch64", ("glibc", "2.34"), ""), None),
        (Machine("Darwin", "arm64", ("", ""), "15.1"), None),
        (Machine("Linux", "x86_64", ("glibc", "2.31"), ""), "glibc 2.34 or later"),
        (Machine("Linux", "x86_64", ("", ""), ""), "glibc 2.34 or later"),
        (Machine("Linux", "riscv64", ("glibc", "2.39"), ""), "a supported machine"),
        (Machine("Darwin", "arm64", ("", ""), "14.7"), "macOS 15 or later"),
        (Machine("Darwin", "x86_64", ("", ""), "15.1"), "a supported machine"),
        (Machine("Windows", "AMD64", ("", ""), ""), "a supported machine"),
    ],
)
def test_machines_without_wheels_are_named_before_anything_is_downloaded(machine: Machine, lack: str | None) -> None:
    assert [found.what for found in unsupported(machine)] == ([lack] if lack else [])


def test_too_little_disk_says_how_much_is_wanting(tmp_path: Path) -> None:
    assert too_little_disk(tmp_path, 100, lambda path: 100 << 20) == []
    (lack,) = too_little_disk(tmp_path, 4000, lambda path: 1000 << 20)
    assert lack.what == "3000 MB of disk space"


def test_a_library_that_may_not_be_installed_is_said_with_the_command_to_type(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(missing_module, "_as_root", lambda journal: None)
    monkeypatch.setattr(missing_module.shutil, "which", lambda name: name == "apt-get")
    library = Library("libnowhere.so.1", "libnowhere1", "nowhere")
    (lack,) = missing_libraries(journal, [library], loads=lambda soname: False)
    assert "libnowhere.so.1" in lack.what
    assert lack.remedy == "sudo apt-get install -y --no-install-recommends libnowhere1"


def test_a_library_that_is_there_is_not_missing(journal: Journal) -> None:
    assert missing_libraries(journal, [Library("libc.so.6", "libc6", "glibc")]) == []


def test_a_browser_that_may_not_be_installed_is_said_with_the_command_to_type(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_module, "_as_root", lambda journal: None)
    monkeypatch.setattr(browser.platform, "system", lambda: "Linux")
    monkeypatch.setattr(browser.shutil, "which", lambda name: name == "apt-get")
    (lack,) = browser.missing_browser(journal, find=lambda: None)
    assert lack.remedy.startswith("sudo apt-get install -y --no-install-recommends chromium")


def test_a_browser_is_found_on_the_path_and_is_not_missing_then(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_APPLICATIONS", ())
    assert browser.find_browser() is None
    _interpreter(tmp_path / "google-chrome", "exit 0")
    assert browser.find_browser() == tmp_path / "google-chrome"
    assert browser.missing_browser(journal) == []


@pytest.mark.parametrize(("target", "wants"), [("test", True), ("demo", False), ("check", False), ("up", False)])
def test_only_the_tests_want_a_browser(target: str, wants: bool) -> None:
    said = subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ("./bootstrap --tests" in said.stdout) is wants


# ---- a fresh machine, as far as one can be had here


def _checkout(folder: Path) -> Path:
    """What bootstrap needs of the repository, and no .venv or .local."""
    for name in ("bootstrap", "requirements.txt", "requirements-dev.txt"):
        shutil.copy2(ROOT / name, folder / name)
    for name in ("include/__init__.py", "include/errors.py", "include/local/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for name in ("bootstrap", "locks"):
        shutil.copytree(ROOT / "include" / "local" / name, folder / "include" / "local" / name)
    return folder


def _poor_machine(folder: Path) -> dict[str, str]:
    """A PATH with one Python, which does not answer to python3.13, and an index that nobody serves."""
    tools = folder / "bin"
    tools.mkdir()
    python = tools / "python3"
    python.write_text(f'#!/bin/sh\nexec {Path(sys.base_prefix) / "bin" / "python3"} "$@"\n')
    python.chmod(0o755)
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    nobody = "http://127.0.0.1:9/"
    return {
        "PATH": str(tools),
        "HOME": str(folder),
        "PIP_INDEX_URL": nobody,
        "PIP_RETRIES": "0",
        "PYENV_ROOT": str(folder),
    }


def test_a_machine_without_index_and_python_gets_one_message_and_no_download(tmp_path: Path) -> None:
    checkout, environ = _checkout(tmp_path), _poor_machine(tmp_path)
    done = subprocess.run([str(checkout / "bootstrap")], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("bootstrap cannot go on") == 1
    for words in (
        "3 things are missing",
        "the Python package index",
        "Python 3.13",
        "the Maven repository",
        "PIP_INDEX_URL",
    ):
        assert words in done.stderr
    assert not (checkout / ".venv").exists()
    assert str(checkout / ".local" / "logs" / "bootstrap.log") in done.stderr


def test_a_machine_without_a_python_is_told_so(tmp_path: Path) -> None:
    script = (ROOT / "bootstrap").read_text().replace("/usr/bin/python3 /usr/local/bin/python3", "")
    (tmp_path / "bootstrap").write_text(script)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dirname").symlink_to(str(shutil.which("dirname")))
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    command = [str(shutil.which("sh")), str(tmp_path / "bootstrap")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no Python 3.9 or later runs here" in done.stderr


def test_the_second_run_makes_nothing_and_calls_no_tool() -> None:
    done = subprocess.run([str(ROOT / "bootstrap")], check=True, capture_output=True, text=True)
    assert re.fullmatch(r"bootstrap: all is there \([\d.]+ s\)\n", done.stdout)
    assert (ROOT / ".local" / "logs" / "bootstrap.log").read_text() == ""


def test_bootstrap_is_written_for_python_3_9() -> None:
    files = [*(ROOT / "include" / "local" / "bootstrap").glob("*.py"), ROOT / "include" / "errors.py"]
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 9))


def test_two_bootstraps_of_one_checkout_work_one_after_the_other(tmp_path: Path, journal: Journal) -> None:
    code = (
        "from pathlib import Path; from include.local.bootstrap.__main__ import _one_at_a_time\n"
        "from include.local.bootstrap.journal import Journal\n"
        f"with _one_at_a_time(Path({str(tmp_path / 'lock')!r}), Journal(Path('x'))): print('mine')"
    )
    with _one_at_a_time(tmp_path / "lock", journal):
        other = subprocess.Popen([sys.executable, "-uc", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout
        assert "waiting" in other.stdout.readline()
        assert other.poll() is None
    assert other.communicate(timeout=LONG)[0].strip() == "mine"


def test_a_bootstrap_waits_for_the_tool_of_one_that_was_killed(tmp_path: Path, journal: Journal) -> None:
    code = (
        "import os; from pathlib import Path; from include.local.bootstrap.__main__ import _one_at_a_time\n"
        "from include.local.bootstrap.journal import Journal\n"
        f"journal = Journal(Path({str(tmp_path / 'log')!r}))\n"
        f"with _one_at_a_time(Path({str(tmp_path / 'lock')!r}), journal):\n"
        f"    journal.attempt(['sh', '-c', 'cd {tmp_path}; touch begun; sleep 2; touch ended'], os.environ)"
    )
    killed = subprocess.Popen([sys.executable, "-uc", code], cwd=ROOT)
    wait_until((tmp_path / "begun").exists, "the tool's begin")
    killed.kill()
    killed.wait()
    assert not (tmp_path / "ended").exists()
    with _one_at_a_time(tmp_path / "lock", journal):
        assert (tmp_path / "ended").exists()


# ---- which Python


def _interpreter(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_dead_shim_on_the_path_is_passed_over_for_pyenvs_newest(tmp_path: Path) -> None:
    _interpreter(tmp_path / "shims" / "python3.13", "exit 127")
    for version in ("3.13.2", "3.13.10"):
        _interpreter(tmp_path / "versions" / version / "bin" / "python3.13", f"echo /real/{version}")
    environ = {"PATH": str(tmp_path / "shims"), "PYENV_ROOT": str(tmp_path)}
    assert find_python(tmp_path / "none", environ) == Path("/real/3.13.10")


def test_a_python_downloaded_before_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _interpreter(tmp_path / "downloads" / "cpython-3.13.1-linux" / "bin" / "python3.13", "echo /downloaded")
    assert find_python(tmp_path / "downloads", {"PATH": ""}) == Path("/downloaded")


def test_without_any_the_answer_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_python(tmp_path / "none", {"PATH": str(tmp_path)}) is None


# ---- pip's settings reach uv


def test_pips_index_and_certificates_are_passed_on_and_the_environments_win() -> None:
    listed = "\n".join(
        [
            ":env:.disable-pip-version-check='1'",
            "global.index-url='http://of-the-file/simple'",
            "global.extra-index-url='http://one/simple\\nhttp://two/simple'",
            "global.index-url='http://of-the-environment/simple'",
            "install.cert='/etc/ssl/own.pem'",
        ]
    )
    assert pip_settings(listed) == {
        "UV_DEFAULT_INDEX": "http://of-the-environment/simple",
        "UV_INDEX": "http://one/simple http://two/simple",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
    }
