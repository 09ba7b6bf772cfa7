"""`history.<entity>`: the change log as rows that were valid for a time; any moment's table comes out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.include.merge.merging import Merging

CHANGES = [  # number, second, operation, key, name
    (1, 10, "insert", "a", "Ann"),
    (2, 10, "insert", "b", "Bob"),
    (3, 20, "update", "a", "Anna"),
    (4, 30, "delete", "b", None),
    (5, 30, "update", "a", "Anne"),  # overtaken within the same instant
    (6, 30, "update", "a", "Annie"),
    (7, 40, "delete", "a", None),
    (8, 40, "insert", "a", "Ann"),  # gone and back within one instant
    (9, 50, "insert", "b", "Bob"),
]


@pytest.fixture
def history(merging: Merging) -> Iterator[Merging]:
    """A change log by hand: two keys, nine changes."""
    rows = ", ".join(
        f"({number}, TIMESTAMP '2026-01-01 00:00:{second}+00', '{operation}', TRUE, '{key}', "
        f"{'NULL' if operation == 'delete' else repr('sse')}, {repr(name) if name else 'NULL'})"
        for number, second, operation, key, name in CHANGES
    )
    columns = "change_number, changed_at, operation, is_event, customer_key, source_system, family_name"
    log = merging.servers.cloud.table("change_log", "customer")
    merging.servers.big_query.query(f"INSERT INTO `{log}` ({columns}) VALUES {rows}")
    yield merging
    merging.servers.big_query.query(f"DELETE FROM `{log}` WHERE TRUE")


def _replayed(second: int) -> dict[str, str | None]:
    """The table of that second, by the changes until then."""
    state: dict[str, str | None] = {}
    for _, at, operation, key, name in CHANGES:
        if at <= second and operation == "delete":
            del state[key]
        elif at <= second:
            state[key] = name
    return state


def test_the_history_as_of_any_moment_is_the_table_of_that_moment(history: Merging) -> None:
    rows = history.rows("history", "customer", "customer_key, family_name, valid_from, valid_to")
    for second in (5, 10, 15, 20, 30, 35, 40, 45, 50, 59):
        valid = [
            row
            for row in rows
            if row["valid_from"].second <= second and (row["valid_to"] is None or row["valid_to"].second > second)
        ]
        assert {row["customer_key"]: row["family_name"] for row in valid} == _replayed(second), second
        assert len(valid) == len(_replayed(second))


def test_what_was_true_at_no_moment_is_no_row_and_a_removal_ends_one(history: Merging) -> None:
    rows = history.rows("history", "customer", "*", "customer_key, valid_from")
    told = [(r["customer_key"], r["family_name"], r["valid_to"] and r["valid_to"].second) for r in rows]
    assert told == [
        *(("a", "Ann", 20), ("a", "Anna", 30), ("a", "Annie", 40), ("a", "Ann", None)),
        *(("b", "Bob", 30), ("b", "Bob", None)),
    ]
    assert [r["change_number"] for r in rows if r["valid_to"] is None] == [8, 9]
