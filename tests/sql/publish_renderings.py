"""What do the statements of publishing and of replays become?"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import CUSTOMER, Catalogue
from include.connections import GoogleCloudSettings
from include.merge.entity_facts import entity_tables
from include.names import key_column
from include.publish.events import published_columns
from include.publish.schemas import event_schema
from include.rendering import render

REPLAYED = {CUSTOMER: "customer_key", "account": "customer_key", "meter_reading": None}
"""Of some entities: a row that is a customer, one that is a customer's, and one that is nobody's."""


def publish_renderings(catalogue: Catalogue, cloud: GoogleCloudSettings) -> Iterator[tuple[str, str]]:
    """(file name, SQL)."""
    statements = catalogue.sql / "statements"
    for entity in catalogue.published_entities():
        columns = ["change_number", "changed_at", "operation"]
        columns += published_columns(event_schema(entity, catalogue.entity(entity)))
        table = cloud.table("change_log", entity)
        window = {"change_log": table, "key": key_column(entity), "columns": columns, "by_slot": entity != CUSTOMER}
        window["width"] = 50
        yield f"publish/{entity}.sql", render(statements, "change_log_window.sql", **window)
        yield f"publish/{entity}.facts.sql", render(statements, "change_log_facts.sql", **window)
        sql = render(statements, "change_times.sql", change_log=table, numbers=["n0", "n1"])
        yield f"publish/{entity}.times.sql", sql
        if entity in REPLAYED:
            chosen = {"chosen": chosen_table(cloud, entity), "customer": REPLAYED[entity]}
            for name in ("counts", "chosen", "parts", "window", "range"):
                yield f"replay/{entity}.{name}.sql", render(statements, f"replay_{name}.sql", **window, **chosen)
    for ids_are_keys in (True, False):
        tables = entity_tables(cloud.table, CUSTOMER)
        sql = render(statements, "replay_asked.sql", customer=tables, ids_are_keys=ids_are_keys)
        yield f"replay/asked{'_by_key' if ids_are_keys else ''}.sql", sql


def chosen_table(cloud: GoogleCloudSettings, entity: str) -> str:
    """Of the changes that a replay sends."""
    return cloud.table("staging", f"replay_{entity}__0")
