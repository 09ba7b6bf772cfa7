"""A world in which nothing may leave a trace, one for each worker; and declarations of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from tests.conftest import World
from tests.declarations import copied
from tests.include.steps.way import new_way
from tests.include.wrong_input.declared import Declared
from tests.include.wrong_input.witness import Witness


@pytest.fixture(scope="session")
def witness(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Witness:
    way = new_way(new_world, "wrong", Path(tmp_path_factory.mktemp("declarations")), database="wrong_input")
    witness = Witness(way)
    witness.begin()
    return witness


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """The declarations as shipped, right until a test has changed them."""
    copied(tmp_path)
    monkeypatch.setattr(Catalogue.__init__, "__defaults__", (tmp_path,))
    return Declared(tmp_path)
