"""A shadow with its own bucket and prefixes reads production's sources and touches nothing of production's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import World
from tests.include.steps.way import Way, make_way
from tests.whole_runs.pictures import events, tables


@pytest.fixture(scope="module")
def production(new_world: Callable[[str], World], tmp_path_factory: pytest.TempPathFactory) -> Way:
    way = make_way(new_world("production"), Path(tmp_path_factory.mktemp("declarations")))
    way.customers([1, 2, 3])
    _whole_way(way)
    return way


def _whole_way(way: Way) -> dict[str, Any]:
    way.extract()
    way.load()
    way.merge()
    return way.publish()


def _picture(world: World) -> tuple[Any, ...]:
    objects = [(blob.name, blob.generation) for blob in world.servers.bucket._bucket.list_blobs()]
    return tables(world), events(world, "customer"), objects


def test_a_shadow_works_and_production_is_as_it_was(production: Way, new_world: Callable[[str], World]) -> None:
    before = _picture(production.world)
    assert before[0]
    assert before[2]
    shadow = Way(new_world("shadow"), production.catalogue)
    production.sql("UPDATE dbo.Customer SET Surname = N'Seen by the shadow' WHERE CustomerId = 2")
    assert _whole_way(shadow)["events"] == 3
    assert shadow.names()["2"] == "Seen by the shadow"
    assert _picture(production.world) == before
    told = _whole_way(production)
    assert (told["events"], told["last_change"]) == (1, 4)
