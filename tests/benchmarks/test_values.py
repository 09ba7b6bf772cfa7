"""What the benchmark says of a reader's values: nothing of those that came as they were, of each other what it is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.values import changes

MOMENT = dt.datetime(2024, 2, 29, 12, 34, 56, 789000)
LARGE = Decimal("12345678901234.5679")


def _said(source: pa.Array, given: pa.Array, name: str = "BornOn") -> dict[str, str]:
    return changes(pa.table({"BornOn": source}), pa.table({name: given}))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (pa.array([MOMENT, None], pa.timestamp("us")), "BornOn"),
        (pa.array([MOMENT, None], pa.timestamp("ns")), "born_on"),
    ],
)
def test_the_same_values_in_another_unit_or_under_another_spelling_are_no_change(given: pa.Array, name: str) -> None:
    assert _said(pa.array([MOMENT, None], pa.timestamp("us")), given, name) == {}


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ([Decimal("1.5")], pa.array([1.5]), "a float instead of a decimal"),
        ([LARGE, None], pa.array([float(LARGE), None]), "a float instead of a decimal, 1 other values"),
        ([MOMENT], pa.array([MOMENT.isoformat()]), "a text instead of a date-time"),
        ([MOMENT], pa.array([MOMENT.replace(microsecond=0)]), "1 other values"),
        ([MOMENT], pa.array([MOMENT.date()]), "a date instead of a date-time, 1 other values"),
        (["1       ", "2"], pa.array(["1", "2"]), "1 other values"),
        (["x", None], pa.array(["x", ""]), "1 other values"),
        ([None, "x"], pa.array([None, None], pa.string()), "1 other values"),
        ([1, 2], pa.array([1]), "1 rows of 2"),
        (["x"], pa.array([["x"]]), "list<item: string> instead of a text, 1 other values"),
    ],
)
def test_a_change_is_told_by_its_kind_and_by_how_many_values_are_lost(
    source: list[Any], given: pa.Array, said: str
) -> None:
    assert _said(pa.array(source), given) == {"BornOn": said}


def test_a_column_that_did_not_come_is_missing() -> None:
    assert _said(pa.array([1]), pa.array([1]), "other") == {"BornOn": "missing"}
