"""A move, its roll-back and their reports: what they lock, write, and never write."""

from __future__ import annotations

import re

import pytest

from include.catalogue import CUSTOMER, Catalogue
from tests.sql.analyser import split
from tests.sql.move_renderings import move_renderings
from tests.sql.renderings import CLOUD

CATALOGUE = Catalogue()
RENDERINGS = dict(move_renderings(CATALOGUE, CLOUD))
MOVES = ("move/move.sql", "move/roll_back.sql")


def _statements(name: str) -> list[str]:
    found = [re.sub(r"^(--[^\n]*\n)+", "", statement) for statement in split(RENDERINGS[name])]
    return [statement for statement in found if not statement.startswith("DECLARE")]


@pytest.mark.parametrize("name", MOVES)
def test_a_move_begins_with_the_locks_and_ends_with_its_only_commit(name: str) -> None:
    datasets = "ledger|conformed|identity|common_model|change_log"
    named = set(re.findall(rf"`project\.(?:{datasets})\.(\w+)`", RENDERINGS[name]))
    locked = sorted(named & set(CATALOGUE.entity_names()))
    mastered = {e for e in CATALOGUE.entity_names() if CATALOGUE.entity(e).mastered == "by_customer"}
    assert mastered <= set(locked)
    body = _statements(name)
    assert body[0] == "BEGIN TRANSACTION"
    assert body[1 : 1 + len(locked)] == [
        f"UPDATE `{CLOUD.table('ledger', entity)}` SET locked_by = @attempt WHERE TRUE" for entity in locked
    ]
    assert body[1 + len(locked)].startswith("ASSERT")
    assert "WHERE move_id = @move_id" in body[1 + len(locked)]
    assert [statement for statement in body if statement.startswith("COMMIT")] == [body[-1]]


@pytest.mark.parametrize("name", sorted(set(RENDERINGS) - set(MOVES)))
def test_a_report_takes_no_lock_opens_no_transaction_and_writes_temporary_tables_alone(name: str) -> None:
    for statement in _statements(name):
        words = statement.split(None, 3)
        assert words[0] in ("SELECT", "SET", "CREATE", "INSERT"), statement
        assert words[0] != "CREATE" or words[1] == "TEMP", statement
        assert words[0] != "INSERT" or "." not in words[2], statement


@pytest.mark.parametrize("entity", CATALOGUE.entity_names())
def test_what_a_customers_system_speaks_for_follows_its_move_and_nothing_else(entity: str) -> None:
    follows = entity == CUSTOMER or bool(CATALOGUE.customer_through(entity))
    follows = follows and CATALOGUE.entity(entity).mastered == "by_customer"
    for name in (*MOVES, "move/effects.sql", "move/effects_back.sql"):
        assert (f"CREATE TEMP TABLE change_{entity} " in RENDERINGS[name]) == follows
        written = f"INSERT INTO `{CLOUD.table('change_log', entity)}`" in RENDERINGS[name]
        assert written == (follows and name in MOVES)
