"""Which Python 3.13 do we use?

uv does not find pyenv's interpreters when pyenv's chosen version is another one (the shim exits with 127) and would
try to download one, which fails where only the package registries are reached. So we look first, and ask uv last.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

WANTED = "3.13"
_QUESTION = (
    "import sys, sysconfig; fit = sys.version_info[:2] == (3, 13) and sys.implementation.name == 'cpython'"
    " and not sysconfig.get_config_var('Py_GIL_DISABLED'); print(getattr(sys, '_base_executable', sys.executable))"
    " if fit else sys.exit(1)"
)


def find_python(downloads: Path, environ: Mapping[str, str]) -> Path | None:
    """A Python 3.13 that really runs: on the PATH, of pyenv, or one that uv downloaded to `downloads` before."""
    return next((found for path in _candidates(downloads, environ) if (found := _answers(path))), None)


def downloaded_python(downloads: Path) -> Path | None:
    return next(
        (found for path in _newest_first(downloads.glob("*/bin/python3.13")) if (found := _answers(path))), None
    )


def _candidates(downloads: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("python3.13", path=folder or os.curdir)
        if found:
            yield Path(found)
    for root in (environ.get("PYENV_ROOT", ""), str(Path.home() / ".pyenv")):
        if root:
            yield from _newest_first(Path(root).glob("versions/3.13*/bin/python3.13"))
    yield from _newest_first(downloads.glob("*/bin/python3.13"))


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.parent.name)], reverse=True)


def _answers(path: Path) -> Path | None:
    """The interpreter behind `path` if it runs and is the wanted one: neither a dead shim nor a free-threaded build."""
    try:
        said = subprocess.run([str(path), "-c", _QUESTION], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = said.stdout.strip()
    return Path(answer) if said.returncode == 0 and answer else None
