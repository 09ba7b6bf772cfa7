"""How do we get uv, and with which settings does it run?

uv installs everything else. It comes from the package index itself, locked by hash, by whatever way the machine
allows; pip's index is passed on to it, because uv does not read pip's configuration.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from include.local.bootstrap.journal import Journal, last_words
from include.local.bootstrap.missing import Lacking, Missing, apt_install

_FROM_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
# would send a tool to another environment, or forbid the bytecode without which Airflow starts in 8 s instead of 2
_CONFUSING = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "__PYVENV_LAUNCHER__",
)


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key not in _CONFUSING}


@dataclass(frozen=True)
class Uv:
    """uv with the settings that all our calls of it share."""

    path: Path
    journal: Journal
    environ: Mapping[str, str] = field(repr=False)

    def run(self, *arguments: str) -> None:
        """Raises Refused when uv fails."""
        self.journal.run([str(self.path), *arguments], self.environ)

    def attempt(self, *arguments: str) -> tuple[int, str]:
        return self.journal.attempt([str(self.path), *arguments], self.environ)

    def make_environment(self, python: Path, folder: Path) -> None:
        self.run("venv", "--quiet", "--allow-existing", "--python", str(python), str(folder))

    def install_locked(self, *arguments: str, locks: Sequence[Path]) -> None:
        """Installs what the locks name, every file checked against its hash, nothing built from source."""
        files = [part for lock in locks for part in ("-r", str(lock))]
        self.run("pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", *arguments, *files)


def use_uv(folder: Path, local: Path, journal: Journal) -> Uv:
    """The uv of `folder`, which keeps what it downloads below `local`."""
    own = {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(local / "cache" / "uv")),
        "UV_PYTHON_INSTALL_DIR": str(local / "python"),
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "manual",
    }
    environ = clean(os.environ)
    from_pip = {key: value for key, value in _pip_settings(folder, journal).items() if key not in environ}
    return Uv(folder / "bin" / "uv", journal, {**environ, **from_pip, **own})


def _pip_settings(folder: Path, journal: Journal) -> dict[str, str]:
    """pip's index and certificates as uv's variables: of its files and of PIP_…, which come last and win."""
    own = folder / "bin" / "python"
    command = [str(own if own.exists() else sys.executable), "-m", "pip", "config", "list"]
    code, said = journal.attempt(
        command, clean(os.environ), may_be_kept=False
    )  # an index's address may hold a password
    return pip_settings(said) if code == 0 else {}


def pip_settings(listed: str) -> dict[str, str]:
    """The settings in what `pip config list` prints (`global.index-url='…'`, `:env:.cert='…'`), under uv's names."""
    found: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = _FROM_PIP.get(key.rpartition(".")[2].strip())
        if name and value.startswith(("'", '"')):
            found[name] = " ".join(str(ast.literal_eval(value)).split())
    return found


class _IndexOutOfReach(Exception):
    """pip is there and could not install: another way to pip would not help."""


def fetch_uv(folder: Path, lock: Path, journal: Journal) -> None:
    """Installs uv to `folder`; raises Lacking with what is missing to do so."""
    reasons = []
    for way in (_by_venv, _by_pip, _by_virtualenv, _by_venv_of_debian):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            reasons += [way(folder, lock, journal)]
        except _IndexOutOfReach as error:
            raise Lacking([_no_index(str(error), journal)]) from None
        if (folder / "bin" / "uv").exists():
            return
    raise Lacking([_no_way("; ".join(reason for reason in reasons if reason))])


def _no_way(reasons: str) -> Missing:
    return Missing(
        "a way to install Python packages",
        reasons,
        "sudo apt-get install -y python3-venv (Debian, Ubuntu), or run ./bootstrap with another Python 3",
    )


def _no_index(said: str, journal: Journal) -> Missing:
    return Missing(
        "the Python package index",
        f"pip could not install uv: {said} (log: {journal.log})",
        "check the network, or name your mirror: pip config set global.index-url <address>, or PIP_INDEX_URL",
    )


_OPTIONS = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")


def _pip(python: str, lock: Path, journal: Journal, *where: str) -> str:
    command = [python, "-m", "pip", "install", *_OPTIONS, *where, "-r", str(lock)]
    code, said = journal.attempt(command, clean(os.environ))
    if code:
        raise _IndexOutOfReach(last_words(said))
    return ""


def _by_venv(folder: Path, lock: Path, journal: Journal) -> str:
    if not importlib.util.find_spec("ensurepip"):
        return "this Python has no venv (ensurepip)"
    code, said = journal.attempt([sys.executable, "-m", "venv", str(folder)], clean(os.environ))
    return f"venv failed: {last_words(said)}" if code else _pip(str(folder / "bin" / "python"), lock, journal)


def _by_pip(folder: Path, lock: Path, journal: Journal) -> str:
    """A folder of its own is allowed even where the system's Python is marked as managed by the distribution."""
    if not importlib.util.find_spec("pip"):
        return "no pip"
    return _pip(sys.executable, lock, journal, "--target", str(folder))


def _by_virtualenv(folder: Path, lock: Path, journal: Journal) -> str:
    if not importlib.util.find_spec("virtualenv"):
        return "no virtualenv"
    code, said = journal.attempt([sys.executable, "-m", "virtualenv", str(folder)], clean(os.environ))
    return f"virtualenv failed: {last_words(said)}" if code else _pip(str(folder / "bin" / "python"), lock, journal)


def _by_venv_of_debian(folder: Path, lock: Path, journal: Journal) -> str:
    if not apt_install(journal, ["python3-venv"]):
        return "apt-get may not install python3-venv"
    importlib.invalidate_caches()
    return _by_venv(folder, lock, journal)
