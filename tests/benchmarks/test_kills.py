"""What the consumer of the benchmark says of a topic: nothing of one that has each change once, of each other what it
is."""

from __future__ import annotations

import pytest

from benchmarks.kills_consumer import Seen, judged

ROW = {"town": "Stirling"}
NEWER = {"town": "Perth"}
CHANGES = [Seen("a", "customer:1", 3, ROW), Seen("b", "customer:2", 0, ROW), Seen("a", "customer:4", 3, NEWER)]
GONE = Seen("b", "customer:5", 0, None)
WHOLE = [*CHANGES, GONE]
WANTED = ["customer:1", "customer:2", "customer:4", "customer:5"]


def _faults(events: list[Seen]) -> dict[str, int]:
    return {what: count for what, count in judged(events, WANTED, {"a": NEWER}).items() if count}


@pytest.mark.parametrize("events", [WHOLE, [CHANGES[1], GONE, CHANGES[0], CHANGES[2]]])
def test_each_change_once_and_in_order_per_key_is_no_fault(events: list[Seen]) -> None:
    assert _faults(events) == {}


@pytest.mark.parametrize(
    ("events", "faults"),
    [
        (WHOLE[1:], {"lost": 1}),
        (CHANGES, {"lost": 1, "rows_differ": 1}),
        ([*WHOLE, GONE], {"doubled": 1}),
        ([*WHOLE, WHOLE[0]], {"doubled": 1, "out_of_order": 1, "rows_differ": 1}),
        ([*WHOLE, Seen("c", "customer:3", 1, ROW)], {"doubled": 1, "rows_differ": 1}),
        ([CHANGES[2], CHANGES[0], CHANGES[1], GONE], {"out_of_order": 1, "rows_differ": 1}),
        ([CHANGES[0]._replace(partition=4), *WHOLE[1:]], {"out_of_order": 1}),
        ([*CHANGES[:2], CHANGES[2]._replace(row=ROW), GONE], {"rows_differ": 1}),
    ],
)
def test_each_fault_is_told(events: list[Seen], faults: dict[str, int]) -> None:
    assert _faults(events) == faults
