"""A shadow with its own bucket and prefixes reads production's sources and touches nothing of production's; one that
shares any of the three by mistake is refused before it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.errors import IntegrityError, NotDeployed
from include.local.platform import Platform
from include.publish.position import POSITIONS_TOPIC
from include.publish.schemas import subject
from include.steps.deploy import DATASETS, apply_tables, apply_topics, register_schemas
from include.steps.environment import check_environment, stamp_storage
from include.steps.publish_entity import publish_entity
from include.steps.request import Request
from tests.conftest import World, bare_world
from tests.include.steps.way import Way, new_way, widened

TOPIC = "customer.changes.v1"
STEPS: dict[str, Callable[[Catalogue, World], object]] = {
    "tables apply": lambda catalogue, world: apply_tables(catalogue, world.servers, print),
    "topics apply": lambda catalogue, world: apply_topics(catalogue, world.servers, print),
    "schemas register": lambda catalogue, world: register_schemas(catalogue, world.servers, print),
    "check": lambda catalogue, world: check_environment(world.servers),
    "publish": lambda catalogue, world: publish_entity(catalogue, world.servers, "customer", Request()),
}


@pytest.fixture(scope="module")
def production(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Way:
    way = new_way(new_world, "production", Path(tmp_path_factory.mktemp("declarations")))
    way.customers([1, 2, 3])
    _whole_way(way)
    return way


@pytest.fixture(scope="module")
def changed(production: Way, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Production's declarations but for what shall be tried."""
    return widened(production.catalogue, Path(tmp_path_factory.mktemp("changed")) / "root")


def _whole_way(way: Way) -> dict[str, Any]:
    way.extract()
    way.load()
    way.merge()
    return way.publish()


def _picture(world: World) -> dict[str, Any]:
    """All that a world has: tables with rows, columns and last change; objects; topics; positions; schemas."""
    servers, client = world.servers, world.servers.big_query._client
    tables = {}
    for dataset in DATASETS:
        for item in client.list_tables(servers.cloud.dataset_prefix + dataset):
            table = client.get_table(item.reference)
            rows = [] if table.view_query else sorted(str(dict(row)) for row in client.list_rows(table))
            tables[f"{dataset}.{item.table_id}"] = table.modified, [field.name for field in table.schema], rows
    topics = {}
    for name in servers.kafka._admin_client().list_topics(timeout=20).topics:
        if name.startswith(servers.kafka_settings.topic_prefix):
            topics[name] = servers.kafka.end_offsets(name), servers.kafka.config(name)
    prefixed = servers.kafka_settings.topic
    return {
        "tables": tables,
        "objects": [(blob.name, blob.generation) for blob in servers.bucket._bucket.list_blobs()],
        "topics": topics,
        "positions": servers.kafka.committed_records(prefixed(POSITIONS_TOPIC), timeout=30),
        "schemas": servers.registry._client.get_versions(subject(prefixed(TOPIC))),
    }


def test_a_changed_use_case_works_in_a_shadow_and_production_is_as_it_was(
    production: Way, changed: Catalogue, platform: Platform
) -> None:
    before = _picture(production.world)
    assert all(before.values())
    shadow = Way(bare_world(platform, "shadow"), changed)
    for step in ("tables apply", "topics apply", "schemas register", "check"):
        STEPS[step](changed, shadow.world)
    production.sql("UPDATE dbo.Customer SET Surname = N'Seen by the shadow' WHERE CustomerId = 2")
    assert _whole_way(shadow)["events"] == 3
    assert shadow.names()["2"] == "Seen by the shadow"
    assert _picture(production.world) == before
    told = _whole_way(production)
    assert (told["events"], told["last_change"]) == (1, 4)


def _sharing(production: World, own: World, *shared: str) -> World:
    """A shadow in production's project, in which these settings are production's, too, by mistake."""
    environment = dict(own.environment)
    for connection in ("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", "AIRFLOW_CONN_KAFKA_DEFAULT"):
        theirs, ours = json.loads(production.environment[connection]), json.loads(environment[connection])
        ours["extra"] |= {key: value for key, value in theirs["extra"].items() if key in ("project", *shared)}
        environment[connection] = json.dumps(ours)
    return replace(own, environment=environment)


@pytest.fixture(scope="module")
def untouched(production: Way) -> dict[str, Any]:
    """Production as it is once the shadow has worked: from then on nobody may change it."""
    return _picture(production.world)


@pytest.mark.parametrize(
    ("shared", "refused_at", "words"),
    [
        (["bucket"], "tables apply", r"the bucket production\S+ belongs to the datasets \S+production\d+_\*"),
        (["dataset_prefix"], "tables apply", r"work with the bucket 'production\S+', not 'mistaken"),
        (["topic_prefix"], "topics apply", r"the topics production\d+\.\* belong to the datasets \S+production\d+_\*"),
        (["bucket", "dataset_prefix"], "tables apply", r"work with the topic_prefix 'production\S+', not 'mistaken"),
    ],
    ids=["bucket", "datasets", "topics", "all but the topics"],
)
def test_a_shadow_that_shares_something_by_mistake_is_refused_before_anything_is_touched(
    production: Way,
    untouched: dict[str, Any],
    changed: Catalogue,
    platform: Platform,
    shared: list[str],
    refused_at: str,
    words: str,
) -> None:
    mistaken = _sharing(production.world, bare_world(platform, "mistaken"), *shared)
    refused: dict[str, str] = {}
    for name, step in STEPS.items():
        try:
            step(changed, mistaken)
        except (IntegrityError, NotDeployed) as error:
            refused[name] = str(error)
    assert next(iter(refused)) == refused_at
    assert [name for name in ("topics apply", "schemas register", "publish") if name not in refused] == []
    assert next(iter(refused.values())).count("Nothing was changed") == 1
    with pytest.raises(IntegrityError, match=words):
        STEPS[refused_at](changed, mistaken)
    assert _picture(production.world) == untouched


def _a_log_entry(world: World) -> None:
    assert world.servers.bucket.create("sse/customer/log/00000001.json", b"{}", "application/json")


def _a_salt(world: World) -> None:
    world.servers.big_query.create_dataset(world.servers.cloud.dataset_prefix + "identity")
    world.servers.big_query.query(f"CREATE TABLE `{world.servers.cloud.table('identity', 'salt')}` (salt STRING)")


def _a_position(world: World) -> None:
    topic = world.servers.kafka_settings.topic(POSITIONS_TOPIC)
    world.servers.big_query.create_dataset(world.servers.cloud.dataset_prefix + "migration")
    stamp_storage(Catalogue(), world.servers)
    world.servers.kafka.create(topic, 1, {})
    world.servers.kafka.send(topic, b"customer/0", b"{}")


@pytest.mark.parametrize(
    ("used", "refused_at", "words"),
    [
        (
            _a_log_entry,
            "tables apply",
            r"(?s)the bucket unmarked\S+ is in use already.*log/00000001\.json.*create gs://",
        ),
        (_a_salt, "tables apply", r"(?s)the datasets \S+unmarked\d+_\* are in use already.*environment\.sql says"),
        (
            _a_position,
            "topics apply",
            r"(?s)the topics unmarked\d+\.\* are in use already.*choose another topic_prefix",
        ),
    ],
    ids=["bucket", "datasets", "topics"],
)
def test_what_is_in_use_and_says_of_nobody_that_it_is_his_is_not_taken(
    platform: Platform, used: Callable[[World], None], refused_at: str, words: str
) -> None:
    world = bare_world(platform, "unmarked")
    used(world)
    before = _all_names(world)
    with pytest.raises(IntegrityError, match=words):
        STEPS[refused_at](Catalogue(), world)
    assert _all_names(world) == before


def _all_names(world: World) -> list[list[str]]:
    servers = world.servers
    datasets = [dataset.dataset_id for dataset in servers.big_query._client.list_datasets()]
    topics = servers.kafka._admin_client().list_topics(timeout=20).topics
    return [
        list(servers.bucket.names("")),
        sorted(name for name in datasets if name.startswith(servers.cloud.dataset_prefix)),
        sorted(name for name in topics if name.startswith(servers.kafka_settings.topic_prefix)),
    ]
