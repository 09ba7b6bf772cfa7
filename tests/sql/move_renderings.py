"""What do the statements of moves become?"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import CUSTOMER, Catalogue
from include.connections import GoogleCloudSettings
from include.merge.move import (
    back_standing_statement,
    effects_statement,
    move_statement,
    roll_back_statement,
    standing_statement,
)
from include.steps.cohort_list import MOST
from include.steps.cohort_query import read_cohort_query
from include.steps.customer_story import changes_statement

LIKE_OTHERS = ("move/effects_back.sql", "move/roll_back.sql")
"""Analysed, and read in the template alone: they are effects.sql and move.sql with some counts more."""


def move_renderings(catalogue: Catalogue, cloud: GoogleCloudSettings) -> Iterator[tuple[str, str]]:
    """(file name, SQL)."""
    yield "move/list.sql", standing_statement(catalogue, cloud.table, ids_are_keys=False)
    yield "move/list_of_keys.sql", standing_statement(catalogue, cloud.table, ids_are_keys=True)
    yield "move/back_list.sql", back_standing_statement(catalogue, cloud.table)
    yield "move/effects.sql", effects_statement(catalogue, cloud.table, back=False)
    yield "move/effects_back.sql", effects_statement(catalogue, cloud.table, back=True)
    yield "move/move.sql", move_statement(catalogue, cloud.table)
    yield "move/roll_back.sql", roll_back_statement(catalogue, cloud.table)
    for name in catalogue.cohort_names():
        query = read_cohort_query(catalogue, name)
        if query.entity == CUSTOMER:
            yield f"move/chosen.{name}.sql", query.keys(catalogue, cloud.table, most=MOST)
    for entity in (CUSTOMER, "account"):
        yield f"move/story.{entity}.sql", changes_statement(catalogue, cloud.table, entity)
