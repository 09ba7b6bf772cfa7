"""Are tables, topics and schemas as the contracts say? (steps of the deployment, never of a run)"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp

from include.catalogue import Catalogue
from include.errors import DriftError, Unavailable, raise_first
from include.merge.entity_facts import entity_tables, facts
from include.publish.schema_files import schema_mistakes
from include.publish.schemas import event_schema, schema_text, subject
from include.publish.topics import Topic, compare, event_topic, positions_topic
from include.rendering import column, render, table
from include.steps.environment import (
    check_datasets,
    check_topics,
    refuse_others_storage,
    stamp_storage,
    stamp_topics,
    topics_are_ours,
)
from include.steps.servers import Servers

DATASETS = ("staging", "conformed", "identity", "common_model", "change_log", "ledger", "migration")
_ENTITY_TABLES = ("ledger", "conformed", "identity", "common_model", "change_log")
_SHARED_TABLES = ("authority", "salt")
Report = Callable[[str], None]


def apply_tables(catalogue: Catalogue, servers: Servers, report: Report) -> None:
    """Create what is missing: datasets, tables, columns. Nothing is ever dropped.

    Raises DriftError when a column has another type than its contract says: such a change is a migration;
    IntegrityError, before anything is made, when bucket or datasets belong to another environment.
    """
    cloud, big_query = servers.cloud, servers.big_query
    refuse_others_storage(servers)
    for name in DATASETS:
        big_query.create_dataset(cloud.dataset_prefix + name)
    stamp_storage(catalogue, servers)
    for name in _SHARED_TABLES:
        _apply(
            servers,
            render(catalogue.sql / "ledger", f"{name}.sql", tables=entity_tables(cloud.table, "customer")),
            report,
        )
    for entity in catalogue.entity_names():
        for statement in entity_ddl(catalogue, cloud.table, entity).values():
            _apply(servers, statement, report)


def entity_ddl(catalogue: Catalogue, name_of: Callable[[str, str], str], entity: str) -> dict[str, str]:
    """The CREATE statements of an entity's own tables, by dataset."""
    e = facts(catalogue, name_of, entity)
    return {name: render(catalogue.sql / "ledger", f"{name}.sql", e=e) for name in _ENTITY_TABLES}


def apply_topics(catalogue: Catalogue, servers: Servers, report: Report) -> None:
    """Create the events' topics and `publisher.positions`, or set what differs. Raises IntegrityError for another
    number of partitions, which is never changed, and for topics of another environment."""
    check_datasets(servers)
    is_stamped = topics_are_ours(servers)
    _apply_topic(positions_topic(), servers, report)
    if not is_stamped:
        stamp_topics(servers)
    for entity in catalogue.published_entities():
        _apply_topic(event_topic(catalogue.topic(entity)), servers, report)


def _apply_topic(topic: Topic, servers: Servers, report: Report) -> None:
    full_name = servers.kafka_settings.topic(topic.name)
    partitions = servers.kafka.partitions(full_name)
    there = servers.kafka.config(full_name) if partitions is not None else {}
    difference = compare(topic, partitions, there, f"topic {full_name}")
    if difference.is_new:
        servers.kafka.create(full_name, topic.partitions, topic.config)
        report(f"topic {full_name}: created")
        return
    if difference.config:
        servers.kafka.alter(full_name, difference.config)
    report(f"topic {full_name}: {f'set {dict(difference.config)}' if difference.config else 'as it must be'}")


def register_schemas(catalogue: Catalogue, servers: Servers, report: Report) -> None:
    """Register the newest schema of each entity's events. Raises DeclarationError when a contract's own is another, and
    when one is not compatible with what the registry knows; IntegrityError for topics of another environment."""
    check_topics(servers)
    for entity in catalogue.published_entities():
        contract = catalogue.entity(entity)
        raise_first(schema_mistakes(catalogue.entity_folder(entity), entity, contract))
        name = subject(servers.kafka_settings.topic(catalogue.topic(entity)))
        schema_id = servers.registry.register(name, schema_text(event_schema(entity, contract)))
        report(f"schema {name}: id {schema_id}")


def declared_columns(ddl: str) -> tuple[str, dict[str, str]]:
    """The table and its columns, name to type, of a CREATE TABLE."""
    tree = sqlglot.parse_one(ddl, read="bigquery")
    columns = {c.name: c.args["kind"].sql("bigquery") for c in tree.find_all(exp.ColumnDef)}
    return ".".join(part.name for part in tree.find(exp.Table).parts), columns  # type: ignore[union-attr]


def _apply(servers: Servers, ddl: str, report: Report) -> None:
    """Looks again when another deployment changes the table at the same moment."""
    for tries_left in range(4, -1, -1):
        try:
            return _apply_once(servers, ddl, report)
        except Unavailable:
            if not tries_left:
                raise
            time.sleep(random.uniform(0.5, 2))  # noqa: S311  so that two do not meet again


def _apply_once(servers: Servers, ddl: str, report: Report) -> None:
    name, wanted = declared_columns(ddl)
    there = servers.big_query.facts(name)
    if there is None:
        servers.big_query.query(ddl, where=name)
        report(f"table {name}: created")
        return
    new = {column_name: kind for column_name, kind in wanted.items() if column_name not in there.columns}
    _refuse_other_types(name, wanted, there.columns)
    for column_name, kind in new.items():
        addition = f"ADD COLUMN IF NOT EXISTS {column(column_name)} {kind}"
        servers.big_query.query(f"ALTER TABLE {table(name)} {addition}", where=name)
    report(f"table {name}: {'added ' + ', '.join(new) if new else 'as it must be'}")


def _refuse_other_types(name: str, wanted: Mapping[str, str], there: Mapping[str, str]) -> None:
    other = {c: (there[c], kind) for c, kind in wanted.items() if c in there and re.split(r"\(", kind)[0] != there[c]}
    if other:
        text = "; ".join(f"{c} is {was}, the contract says {kind}" for c, (was, kind) in other.items())
        remedy = "a type is never changed in place: add a column of another name, fill it, and retire the old one"
        raise DriftError(text, where=name, remedy=remedy)


def pools(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Airflow's pools: readers per source system, one merge at a time per family of entities, publishers."""
    systems = {name.system for name in catalogue.dataset_names()}
    found: dict[str, dict[str, Any]] = {
        f"source_{system}": {"slots": 2, "description": f"concurrent readers of {system}"} for system in sorted(systems)
    }
    for pool in sorted({catalogue.merge_pool(entity) for entity in catalogue.entity_names()}):
        found[pool] = {"slots": 1, "description": "merges that lock each other: one at a time spares retries"}
    return found | {"publish": {"slots": 4, "description": "publishers"}}
