"""What has become of one customer? (records, who speaks, moves, changes, events; no value of a personal column)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from include.catalogue import CUSTOMER, Catalogue
from include.errors import RequestError
from include.merge.entity_facts import TableName
from include.names import key_column
from include.publish import position as positions
from include.rendering import render
from include.rendering import table as quoted
from include.steps.cohort_asked import spaces
from include.steps.cohort_list import canonical, right_id
from include.steps.move_made import read_moves
from include.steps.servers import Servers

_KEY = re.compile(r"[0-9a-f]{32}")
_WHERE = "the command line"
Rows = list[dict[str, Any]]


def key_of(catalogue: Catalogue, servers: Servers, text: str) -> str:
    """The customer's key: given itself, or as `<system>:<id>`. Raises RequestError for nobody."""
    if _KEY.fullmatch(text):
        return text
    system, colon, written = text.partition(":")
    known = [space for space in spaces(catalogue).values() if space.name.system == system]
    if not colon or len(known) != 1:
        raise _refused("this is no key, and no id of a system", "write a key, or <system>:<id>, sse:1000017")
    (space,) = known
    (source_key,) = canonical([right_id("it", written, space, _refused)], space)
    name = servers.cloud.table("identity", CUSTOMER)
    sql = f"SELECT customer_key FROM {quoted(name)} WHERE system = @system AND id_space = @space AND source_key = @id"
    params = {"system": system, "space": space.name.dataset, "id": str(source_key)}
    rows = servers.big_query.query(sql, params, where=name)
    if not rows:
        raise _refused(f"nobody is known by this id of {space.name}", "correct it; or its row was never merged")
    return str(rows[0]["customer_key"])


def story(catalogue: Catalogue, servers: Servers, key: str) -> dict[str, Rows]:
    """By title. Raises RequestError for a key that never was a customer's."""
    records, authority = _records(servers, key), _authority(servers, key)
    if not records and not authority:
        raise _refused(f"there is no customer {key}", "correct the key, or name an id of a system: sse:1000017")
    return {
        "Records": records,
        "Who speaks": authority,
        "Moves": _moves(servers, key),
        "Changes": sorted(_changes(catalogue, servers, key), key=lambda row: (row["at (UTC)"], row["entity"])),
    }


def _records(servers: Servers, key: str) -> Rows:
    """Each system's record of the customer."""
    cloud = servers.cloud
    identity, conformed = cloud.table("identity", CUSTOMER), cloud.table("conformed", CUSTOMER)
    sql = f"""
        SELECT i.system, i.id_space AS dataset, i.source_key AS id, COALESCE(c.is_present, FALSE) AS present, c.batch
        FROM {quoted(identity)} AS i
        LEFT JOIN {quoted(conformed)} AS c
          ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
        WHERE i.customer_key = @key
        ORDER BY i.system, i.id_space, i.source_key
    """
    return servers.big_query.query(sql, {"key": key}, where=identity)


def _authority(servers: Servers, key: str) -> Rows:
    name = servers.cloud.table("migration", "authority")
    sql = f"SELECT * FROM {quoted(name)} WHERE customer_key = @key ORDER BY since, until IS NULL, until"
    return [
        {
            "system": row["system"],
            "since (UTC)": _at(row["since"]),
            "until (UTC)": _at(row["until"]),
            "decided by": row["decided_by"],
            "move": row["move_id"],
        }
        for row in servers.big_query.query(sql, {"key": key}, where=name)
    ]


def _moves(servers: Servers, key: str) -> Rows:
    name = servers.cloud.table("migration", "moved_customer")
    sql = f"SELECT move_id, from_system, to_system FROM {quoted(name)} WHERE customer_key = @key"
    ways = {row["move_id"]: row for row in servers.big_query.query(sql, {"key": key}, where=name)}
    return [
        {
            "move": made.move_id,
            "kind": made.kind,
            "at (UTC)": _at(made.decided_at),
            "from": ways[made.move_id]["from_system"],
            "to": ways[made.move_id]["to_system"],
            "why": made.reason,
            "asked by": made.requested_by,
            "approved by": made.approved_by,
            "of": made.rolls_back,
            "rolled back by": made.rolled_back_by,
        }
        for made in read_moves(servers, *ways)
    ]


def _changes(catalogue: Catalogue, servers: Servers, key: str) -> Iterator[dict[str, Any]]:
    """Of the customer and of what belongs to him."""
    records = servers.kafka.committed_records(servers.kafka_settings.topic(positions.POSITIONS_TOPIC), timeout=30)
    for entity in catalogue.entity_names():
        if entity != CUSTOMER and not catalogue.customer_through(entity):
            continue
        sent = positions.lowest(positions.positions_of(entity, records), range(positions.SLOTS))
        name = servers.cloud.table("change_log", entity)
        sql = changes_statement(catalogue, servers.cloud.table, entity)
        for row in servers.big_query.query(sql, {"key": key}, where=name):
            yield {
                "at (UTC)": _at(row["changed_at"]),
                "entity": entity,
                "key": row["key"],
                "change": row["change_number"],
                "what": row["operation"],
                "speaks": row["source_system"],
                "columns": row["columns"],
                "event": _event(row, sent),
            }


def _event(row: dict[str, Any], sent: int) -> str:
    if not row["is_event"]:
        return "none"
    return "sent" if row["change_number"] <= sent else "not sent yet"


def changes_statement(catalogue: Catalogue, table: TableName, entity: str) -> str:
    """The changes of the customer @key, or of what belongs to him."""
    through = catalogue.customer_through(entity)
    parents = [catalogue.entity(entity).references[name] for name in through[:1]]
    logs = [{"key": key_column(parent), "change_log": table("change_log", parent)} for parent in parents]
    return render(
        catalogue.sql / "statements",
        "customer_changes.sql",
        entity=entity,
        entity_key=key_column(entity),
        model_columns=list(catalogue.entity(entity).model_columns()),
        change_log=table("change_log", entity),
        through=logs if len(through) < 2 else [*logs, None],
    )


def _at(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _refused(problem: str, remedy: str) -> RequestError:
    return RequestError(problem, where=_WHERE, remedy=remedy)
