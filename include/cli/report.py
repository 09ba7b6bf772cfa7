"""How is a list of rows asked for and printed? (pandas' table; what is unknown stays empty)"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any


def count(text: str) -> int:
    """How many, for argparse: 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def numbered(number: int, word: str, words: str = "") -> str:
    """`1 problem`, `no problems`, `2 entities`."""
    return f"{number or 'no'} {word if number == 1 else words or f'{word}s'}"


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table; numbers stay whole where some are unknown."""
    import pandas as pd

    return str(pd.DataFrame(rows, dtype=object).fillna("").to_string(index=False))
