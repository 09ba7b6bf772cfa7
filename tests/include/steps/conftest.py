"""A new world for each module: its log and its tables begin empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import World
from tests.include.steps.in_ranges import declared
from tests.include.steps.way import Way, new_way

__all__ = ["declared"]


@pytest.fixture(scope="module")
def way(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Way:
    return new_way(new_world, "way", Path(tmp_path_factory.mktemp("declarations")))


@pytest.fixture(scope="module")
def tracked(way: Way) -> Way:
    """The database notes changes."""
    way.sql(f"ALTER DATABASE {way.database} SET CHANGE_TRACKING = ON")
    way.sql("EXEC sys.sp_cdc_enable_db")
    return way
