from __future__ import annotations

import pytest

from include.local.estates.generate import Estates, generate


@pytest.fixture(scope="session")
def estates() -> Estates:
    """The estates of the default size; nobody changes them."""
    return generate(seed=1, customers=2_000)
