"""Is there a browser in which tests can look at the UI? (Chromium or Chrome; it is only needed by `make test`)"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from include.local.bootstrap.journal import Journal
from include.local.bootstrap.missing import Missing, apt_install

_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_APPLICATIONS = (  # of macOS
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_DEBIAN = ("chromium", "fonts-dejavu-core")  # without any font a screenshot shows boxes


def find_browser() -> Path | None:
    """The first that is there."""
    found = [path for path in map(shutil.which, _COMMANDS) if path]
    found += [path for path in _APPLICATIONS if os.access(path, os.X_OK)]
    return Path(found[0]) if found else None


def missing_browser(journal: Journal, find: Callable[[], Path | None] = find_browser) -> list[Missing]:
    """Installed where we may: a distribution's browser, because playwright's own comes from a server of its own."""
    if find() or (apt_install(journal, _DEBIAN) and find()):
        return []
    return [Missing("a browser (Chromium or Chrome)", "tests look at Airflow's UI in it", _how_to_get_one())]


def _how_to_get_one() -> str:
    if platform.system() == "Darwin":
        return "install Google Chrome or Chromium to /Applications"
    if shutil.which("apt-get"):
        return (
            f"sudo apt-get install -y --no-install-recommends {' '.join(_DEBIAN)} "
            "(on Ubuntu, whose chromium is a snap, Google Chrome)"
        )
    if shutil.which("dnf"):
        return "sudo dnf install -y chromium"
    return "install the package of your distribution that holds Chromium"
