"""How is a list of rows printed? (pandas' table; what is unknown stays empty)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table; numbers stay whole where some are unknown."""
    import pandas as pd

    return str(pd.DataFrame(rows, dtype=object).fillna("").to_string(index=False))
