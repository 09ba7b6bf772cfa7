"""One world for the tests of merging; what a test has merged is cleared away after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import World
from tests.include.merge.merging import Merging


@pytest.fixture(scope="session")
def world(new_world: Callable[[str], World]) -> World:
    return new_world("merge")


@pytest.fixture
def merging(world: World) -> Iterator[Merging]:
    found = Merging(world.servers)
    yield found
    found.clear()
