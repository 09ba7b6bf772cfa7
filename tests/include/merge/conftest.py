"""One world for the tests of merging; what a test has merged is cleared away after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from tests.conftest import World
from tests.declarations import PEOPLE, copied
from tests.include.merge.merging import Merging


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(copied(Path(tmp_path_factory.mktemp("people")), *PEOPLE))


@pytest.fixture(scope="session")
def world(new_world: Callable[..., World], people: Catalogue) -> World:
    return new_world("merge", people)


@pytest.fixture
def merging(world: World, people: Catalogue) -> Iterator[Merging]:
    found = Merging(world.servers, people)
    yield found
    found.clear()
