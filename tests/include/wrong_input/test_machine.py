"""A machine that lacks something: the message says what, on which machine, and what to type."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from include.catalogue import ROOT
from include.errors import SourceRefused
from include.local import lifecycle
from include.local.bootstrap.missing import LIBRARIES, Library
from include.local.servers.server import request
from tests.guard import guarded
from tests.include.wrong_input.witness import check_said

EXTRACT = """
import pickle, sys
from include.clients.sql_server import connect
from include.connections import SqlServerSettings
try:
    with connect(SqlServerSettings("sse", "127.0.0.1", 1, "reader", "hunter2"), "CRM"):
        pass
except Exception as error:
    sys.stdout.buffer.write(pickle.dumps(error))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the wheel of Microsoft's driver needs no system library")
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.debian)
def test_a_system_library_of_the_driver_is_missing(tmp_path: Path, library: Library) -> None:
    _driver_without(library.soname, tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-c", EXTRACT]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    words = ("a system library is missing on this machine", socket.gethostname(), "CRM on connection sse (127.0.0.1:1)")
    check_said(pickle.loads(done.stdout), SourceRefused, *words, f" {library.debian}", library.fedora, "Dockerfile")
    assert f" {library.debian}" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _driver_without(soname: str, folder: Path) -> None:
    """A copy of Microsoft's ODBC driver that asks for a library that no machine has, in place of `soname`."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, folder / "mssql_python_odbc")
    name, missing = soname.encode(), soname.replace("lib", "lix", 1).encode()
    users = [path for path in folder.rglob("*.so.*") if name in path.read_bytes()]
    assert users
    for path in users:
        path.write_bytes(path.read_bytes().replace(name, missing))


def test_a_port_of_the_laptop_platform_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_SECONDS_TO_FREE_A_PORT", 0.2)  # this stranger does not end
    servers, said = ["cloud_storage", "alerts"], list[str]()
    with guarded(tmp_path) as platform:
        old = platform.laptop.ports["cloud_storage"]
        with socket.create_server(("127.0.0.1", old)):
            platform.up(servers, said.append)
            new = platform.laptop.ports["cloud_storage"]
            assert new != old
            (line,) = [line for line in said if "taken" in line]
            assert f"port {old} of cloud_storage is taken by another program: from now on {new}" in line
            assert "read the settings read them again" in line
            assert platform.environment()["STORAGE_EMULATOR_HOST"] == f"http://127.0.0.1:{new}"
            assert f":{new}" in platform.shell_file.read_text()
            assert request(platform.laptop.url("alerts"))["alerts"] == 0
