"""On which servers is something measured? (a laptop platform of its own, which is gone afterwards)"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import ROOT
from include.catalogue import Catalogue
from include.connections import EnvironmentConnections
from include.local.platform import Platform
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from include.steps.servers import Servers


@contextmanager
def world(names: Sequence[str]) -> Iterator[tuple[Platform, Servers, Path]]:
    """The platform with these servers, whose connections are in the environment; their clients; and a folder."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder) / "platform", ROOT / ".local" / "install")
        try:
            platform.up(names, report=silent)
            os.environ.update(platform.environment())
            yield platform, Servers(EnvironmentConnections(os.environ)), Path(folder)
        finally:
            platform.down(report=silent)


def deploy(catalogue: Catalogue, servers: Servers) -> None:
    """Tables, topics and schemas of what is declared."""
    for apply in (apply_tables, apply_topics, register_schemas):
        apply(catalogue, servers, silent)


def silent(text: str) -> None:
    """Reports nothing."""
