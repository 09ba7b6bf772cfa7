"""Where does a peer run? (an environment of its own below .local, made from its lock when it is missing)"""

from __future__ import annotations

import sys
from pathlib import Path

from include.local.bootstrap.journal import Journal
from include.local.bootstrap.layout import Layout
from include.local.bootstrap.package_installer import use_uv
from include.local.bootstrap.parts import Part

PEERS = ("pandas", "dlt", "airflow")
_OURS = {"airflow": "requirements.txt"}  # the versions that our image has


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment. Raises Refused when it cannot be made."""
    layout = Layout.of_this_checkout()
    folder = layout.installed("peers") / peer
    python, lock = folder / "bin" / "python", layout.root / _OURS.get(peer, f"benchmarks/peers/{peer}/requirements.txt")
    uv = use_uv(layout.installed("uv"), layout.local, Journal(layout.log.with_name("peers.log")))

    def make() -> None:
        uv.make_environment(Path(sys.executable), folder)
        uv.install_locked("--python", str(python), locks=[lock])

    part = Part(f"packages of {peer}", folder, (lock,), python, 0, make)
    if not part.is_ready:
        with uv.journal.step(part.name):
            part.set_up()
    return python
