"""Are tables, topics and schemas as the contracts say? (steps of the deployment, never of a run)"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from include.catalogue import Catalogue
from include.errors import Unavailable, raise_first
from include.merge.entity_facts import TableName, entity_tables, facts
from include.names import DatasetName
from include.publish.schema_files import schema_mistakes
from include.publish.schemas import event_schema, schema_text, subject
from include.rendering import render
from include.steps.environment import (
    check_datasets,
    check_topics,
    refuse_others_storage,
    stamp_storage,
    stamp_topics,
    topics_are_ours,
)
from include.steps.rules_there import Rules, described
from include.steps.servers import Servers
from include.steps.tables_there import Wanted, columns_there
from include.steps.topics_there import Compared, compared, refuse_fixed
from include.steps.views_there import HISTORY, View, descriptions_there, history_view

_OURS = ("staging", "conformed", "identity", "common_model", "change_log", "ledger", "migration", "quarantine")
DATASETS = (*_OURS, HISTORY)
LEDGER = "ledger"
_ENTITY_TABLES = (LEDGER, "conformed", "identity", "common_model", "change_log")
_SHARED_TABLES = ("authority", "move", "moved_customer", "salt")
Report = Callable[[str], None]


def apply_tables(catalogue: Catalogue, servers: Servers, report: Report) -> None:
    """Create what is missing: datasets, tables, columns, and the views as they must be. Nothing is ever dropped.

    Raises DriftError when a column has another type than its contract says, or what decides keys and winners is another
    than it was: such a change is a migration; IntegrityError, before anything is made, when bucket or datasets belong
    to another environment.
    """
    refuse_others_storage(servers)
    for name in DATASETS:
        servers.big_query.create_dataset(servers.cloud.dataset_prefix + name)
    stamp_storage(catalogue, servers)
    wanted = [Wanted(ddl) for ddl in _all_ddl(catalogue, servers.cloud.table)]
    entities, name_of = catalogue.entity_names(), servers.cloud.table
    views = [history_view(catalogue, name_of, entity) for entity in entities]
    rules = [Rules(name_of(LEDGER, entity), described(catalogue.entity(entity))) for entity in entities]
    for tries_left in range(4, -1, -1):
        try:
            return _apply_once(servers, wanted, views, rules, report)
        except Unavailable:  # another deployment changes a table at the same moment: we look again
            if not tries_left:
                raise
            time.sleep(random.uniform(0.5, 2))  # noqa: S311  so that two do not meet again


def _apply_once(
    servers: Servers, wanted: Sequence[Wanted], views: Sequence[View], rules: Sequence[Rules], report: Report
) -> None:
    """All is compared before anything is changed; then one script makes what is missing, in the order of `wanted`."""
    there = columns_there(servers, [name for name in DATASETS if name != "staging"])
    new = {table.name for table in wanted if table.name not in there}
    added = {table.name: table.additions(there[table.name]) for table in wanted if table.name in there}
    script = [table.ddl.rstrip() for table in wanted if table.name in new]
    script += [table.alteration(added[table.name]) for table in wanted if added.get(table.name)]
    deployed = [one for one in rules if one.name in there]
    said = descriptions_there(servers, [HISTORY, LEDGER]) if deployed else {}
    described_anew = {one.name: ddl for one in deployed if (ddl := one.alteration(said.get(one.name)))}
    script += described_anew.values()
    outdated = {view.name for view in views if view.is_outdated(there.get(view.name), said.get(view.name))}
    script += [view.ddl.rstrip() for view in views if view.name in outdated]
    if script:
        servers.big_query.query(";\n".join(script), where=f"{servers.cloud.project}.{servers.cloud.dataset_prefix}*")
    for table in wanted:
        what = f"added {', '.join(added[table.name])}" if added.get(table.name) else "as it must be"
        report(f"table {table.name}: {'created' if table.name in new else what}")
    for name in described_anew:
        report(f"rules of {name}: written down")
    for view in views:
        what = "replaced" if view.name in there else "created"
        report(f"view {view.name}: {what if view.name in outdated else 'as it must be'}")


def _all_ddl(catalogue: Catalogue, name_of: TableName) -> Iterator[str]:
    """Of each entity the change log comes last: who finds that as it must be finds the others so, too."""
    for name in _SHARED_TABLES:
        yield render(catalogue.sql / "ledger", f"{name}.sql", tables=entity_tables(name_of, "customer"))
    for dataset in sorted({mapping.source for mapping in catalogue.mapping_names()}):
        yield quarantine_ddl(catalogue, name_of, dataset)
    for entity in catalogue.entity_names():
        yield from entity_ddl(catalogue, name_of, entity).values()


def quarantine_ddl(catalogue: Catalogue, name_of: TableName, dataset: DatasetName) -> str:
    """The CREATE statement of the table of a dataset's rows that cannot be merged."""
    return render(catalogue.sql / "ledger", "quarantine.sql", quarantine=name_of("quarantine", dataset.flat))


def entity_ddl(catalogue: Catalogue, name_of: TableName, entity: str) -> dict[str, str]:
    """The CREATE statements of an entity's own tables, by dataset."""
    e, rules = facts(catalogue, name_of, entity), described(catalogue.entity(entity))
    return {name: render(catalogue.sql / "ledger", f"{name}.sql", e=e, rules=rules) for name in _ENTITY_TABLES}


def apply_topics(catalogue: Catalogue, servers: Servers, report: Report) -> None:
    """Create the events' topics and `publisher.positions`, or set what differs. Raises IntegrityError, before anything
    is changed, for another number of partitions or replicas, which is never changed, and for topics of another
    environment."""
    check_datasets(servers)
    is_stamped = topics_are_ours(servers)
    positions, *events = compared(catalogue, servers)
    refuse_fixed([positions, *events])
    _apply_topic(positions, servers, report)
    if not is_stamped:
        stamp_topics(servers)
    for topic in events:
        _apply_topic(topic, servers, report)


def _apply_topic(found: Compared, servers: Servers, report: Report) -> None:
    if found.is_new:
        servers.kafka.create(found.name, found.topic.partitions, found.topic.config)
        report(f"topic {found.name}: created")
        return
    config = {one.setting: one.must_be for one in found.differences}
    if config:
        servers.kafka.alter(found.name, config)
    report(f"topic {found.name}: {f'set {config}' if config else 'as it must be'}")


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


def pools(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Airflow's pools: readers per source system, one merge at a time per family of entities, publishers."""
    systems = {name.system for name in catalogue.dataset_names()}
    found: dict[str, dict[str, Any]] = {
        f"source_{system}": {"slots": 2, "description": f"concurrent readers of {system}"} for system in sorted(systems)
    }
    for pool in sorted({catalogue.merge_pool(entity) for entity in catalogue.entity_names()}):
        found[pool] = {"slots": 1, "description": "merges that lock each other: one at a time spares retries"}
    return found | {"publish": {"slots": 4, "description": "publishers"}}
