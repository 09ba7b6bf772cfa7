"""What does a move say to BigQuery? (its report, outside of any transaction; itself and its roll-back, each in one)"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from include.catalogue import CUSTOMER, Catalogue
from include.merge.checks import fails_of
from include.merge.entity_facts import Facts, TableName, dependents, entity_tables, facts, locked_entities
from include.rendering import render

ACCOUNT, AMOUNT, CLOSED = "account", "balance_gbp", "closed_on"
"""What is compared between two systems before a customer moves: the balances of the accounts that are open."""
SHOWN = 20
"""As many keys are told of those that vanish."""


def standing_statement(catalogue: Catalogue, table: TableName, *, ids_are_keys: bool) -> str:
    """Per id (@ids, a line each; @system, @id_space unless they are keys of ours) whose it is, and how that customer
    stands towards a move to @to_system."""
    context = {**_lists(catalogue, table), "ids_are_keys": ids_are_keys}
    return render(catalogue.sql / "statements", "move_list.sql", **context)


def back_standing_statement(catalogue: Catalogue, table: TableName) -> str:
    """Per customer of the move @rolls_back how he stands towards its roll-back."""
    return render(catalogue.sql / "statements", "move_back_list.sql", customer=entity_tables(table, CUSTOMER))


def effects_statement(catalogue: Catalogue, table: TableName, *, back: bool) -> str:
    """What a move of the keys @ids to @to_system would change (back: what the roll-back of the move @rolls_back would),
    by temporary tables alone: rows (entity, what, name, number), what: count, column, vanishing, opened_keys
    or not_there."""
    below = [_then(each) for each in _below(catalogue, table)]
    context = {
        "customer": entity_tables(table, CUSTOMER),
        "then": _then(facts(catalogue, table, CUSTOMER)),
        "below": below,
        "parents_below": _parents(below),
        "back": back,
        "shown": SHOWN,
    }
    return render(catalogue.sql / "statements", "move_effects.sql", **context)


def move_statement(catalogue: Catalogue, table: TableName) -> str:
    """The move of the keys @ids to @to_system, whole or not at all."""
    return _script(catalogue, table, back=False)


def roll_back_statement(catalogue: Catalogue, table: TableName) -> str:
    """The roll-back of the move @rolls_back, whole or not at all."""
    return _script(catalogue, table, back=True)


def _script(catalogue: Catalogue, table: TableName, *, back: bool) -> str:
    below = _below(catalogue, table)
    context = {
        **_lists(catalogue, table),
        "e": facts(catalogue, table, CUSTOMER),
        "ids_are_keys": True,
        "ledgers": [table("ledger", locked) for locked in locked_entities(catalogue, CUSTOMER)],
        "below": below,
        "parents_below": _parents(below),
        "back": back,
        "shown": SHOWN,
        "fails_of": fails_of(catalogue, CUSTOMER, *(each.name for each in below)),
    }
    return render(catalogue.sql / "statements", "move.sql", **context)


def _below(catalogue: Catalogue, table: TableName) -> list[Facts]:
    """The entities whose rows may follow their customer: a move gives no record another key, so only those that a
    customer's system speaks for."""
    below = [facts(catalogue, table, name) for name in dependents(catalogue, CUSTOMER)]
    return [each for each in below if each.customer]


def _parents(below: list[Facts]) -> set[str]:
    return {parent for each in below for parent in each.refers_to}


def _then(found: Facts) -> Facts:
    """With a temporary table as authority: as it would be."""
    return replace(found, tables={**found.tables, "authority": "authority_then"})


def _lists(catalogue: Catalogue, table: TableName) -> dict[str, Any]:
    return {"customer": entity_tables(table, CUSTOMER), "balance": _balance(catalogue, table)}


def _balance(catalogue: Catalogue, table: TableName) -> dict[str, Any] | None:
    """How open balances are found; None where the model has none."""
    if ACCOUNT not in catalogue.entity_names():
        return None
    accounts = facts(catalogue, table, ACCOUNT)
    holder = next((found for found in accounts.references.values() if found.entity == CUSTOMER), None)
    if holder is None or not {AMOUNT, CLOSED} <= set(accounts.columns):
        return None
    found = {"accounts": accounts.tables, "amount": AMOUNT, "closed": CLOSED}
    return {**found, "customer": holder.column, "id_space": holder.id_space("c")}
