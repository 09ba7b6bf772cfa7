"""What does a move say to BigQuery? (its report, outside of any transaction; itself and its roll-back, each in one)"""

from __future__ import annotations

from typing import Any

from include.catalogue import Catalogue
from include.merge.statement import TableName, _parent_keys, entity_tables
from include.rendering import render

CUSTOMER = "customer"
ACCOUNT, AMOUNT, CLOSED = "account", "balance_gbp", "closed_on"
"""What is compared between two systems before a customer moves: the balances of the accounts that are open."""


def standing_statement(catalogue: Catalogue, table: TableName, *, ids_are_keys: bool) -> str:
    """Per id (@ids, a line each; @system, @id_space unless they are keys of ours) whose it is, and how that customer
    stands towards a move to @to_system."""
    context = {**_context(catalogue, table), "ids_are_keys": ids_are_keys}
    return render(catalogue.sql / "statements", "move_list.sql", **context)


def back_standing_statement(catalogue: Catalogue, table: TableName) -> str:
    """Per customer of the move @rolls_back how he stands towards its roll-back."""
    return render(catalogue.sql / "statements", "move_back_list.sql", **_context(catalogue, table))


def effects_statement(catalogue: Catalogue, table: TableName, *, back: bool) -> str:
    """What a move of the keys @ids to @to_system would change (back: what the roll-back of the move @rolls_back would),
    by temporary tables alone: rows (entity, what, name, number) and (entity, 'vanishing', key, NULL)."""
    return render(catalogue.sql / "statements", "move_effects.sql", **_context(catalogue, table), back=back)


def move_statement(catalogue: Catalogue, table: TableName) -> str:
    """The move of the keys @ids to @to_system, whole or not at all."""
    return render(catalogue.sql / "statements", "move.sql", **_context(catalogue, table), back=False)


def roll_back_statement(catalogue: Catalogue, table: TableName) -> str:
    """The roll-back of the move @rolls_back, whole or not at all."""
    return render(catalogue.sql / "statements", "move.sql", **_context(catalogue, table), back=True)


def _context(catalogue: Catalogue, table: TableName) -> dict[str, Any]:
    return {"customer": entity_tables(table, CUSTOMER), "balance": _balance(catalogue, table)}


def _balance(catalogue: Catalogue, table: TableName) -> dict[str, Any] | None:
    """How open balances are found; None where the model has none."""
    if ACCOUNT not in catalogue.entity_names():
        return None
    contract = catalogue.entity(ACCOUNT)
    holder = next((name for name, parent in contract.references.items() if parent == CUSTOMER), None)
    if holder is None or not {AMOUNT, CLOSED} <= set(contract.columns):
        return None
    id_space = _parent_keys(catalogue, table, ACCOUNT)[holder]["id_space"]
    accounts = entity_tables(table, ACCOUNT)
    return {"accounts": accounts, "amount": AMOUNT, "closed": CLOSED, "customer": holder, "id_space": id_space}
