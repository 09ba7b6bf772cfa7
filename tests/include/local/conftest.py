"""Platforms of their own for tests: a state below pytest's folder, servers from what bootstrap installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from include.local.bootstrap.journal import Journal
from include.local.platform import Platform
from include.local.processes import family
from tests.guard import INSTALL, guarded


@pytest.fixture(scope="session")
def install() -> Path:
    assert INSTALL.exists(), "run ./bootstrap first"
    return INSTALL


@pytest.fixture(scope="module")
def new_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Platform]]:
    """Makes platforms; at the end each is taken down, and none of their processes may be left."""
    tokens: list[str] = []
    with ExitStack() as guards:

        def make(**options: Any) -> Platform:
            platform = guards.enter_context(guarded(tmp_path_factory.mktemp("p"), **options))
            tokens.append(platform.laptop.token)
            return platform

        yield make
    assert [process for token in tokens for process in family(token)] == []


@pytest.fixture
def said() -> list[str]:
    """What an `up` or `down` reported, when its `append` is the report."""
    return []


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Of a bootstrap that has just begun."""
    made = Journal(tmp_path / "logs" / "bootstrap.log")
    made.begin()
    return made
