"""A bucket of its own, on the local Cloud Storage server."""

from __future__ import annotations

import pytest

from include.clients.cloud_storage import Bucket
from include.local.platform import Platform
from tests.conftest import World, bare_world


@pytest.fixture(scope="module")
def world(platform: Platform) -> World:
    return bare_world(platform, "stage")


@pytest.fixture(scope="module")
def bucket(world: World) -> Bucket:
    return world.servers.bucket
