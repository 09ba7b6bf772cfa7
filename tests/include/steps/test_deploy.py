"""The deployment's steps add what is missing and change nothing else, also when two are at work at once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.cli import main
from include.connections import EnvironmentConnections
from include.errors import DeclarationError, DriftError, NotDeployed, RequestError
from include.local.platform import Platform
from include.publish.position import POSITIONS_TOPIC
from include.publish.schema_files import write_schema
from include.publish.schemas import event_schema, schema_text, subject
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from include.steps.deployed import check_tables
from include.steps.servers import Servers
from tests.conftest import World, bare_world
from tests.declarations import PEOPLE, copied

ENTITIES = (*PEOPLE, "supply_point", "meter")
OTHERS = {
    POSITIONS_TOPIC: ("delete.retention.ms", "1000", "86400000"),
    "customer.changes.v1": ("min.insync.replicas", "2", "1"),
}
"""Topic to a setting, a value that somebody gives it, and the right one."""
NEW = "  nickname:      {type: STRING, describes: null when unknown}\n"


@pytest.fixture(scope="module")
def world(platform: Platform) -> World:
    return bare_world(platform, "deploy")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(copied(Path(tmp_path_factory.mktemp("declarations")), *ENTITIES))


@pytest.fixture
def shell(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """A command and what came of it: exit code, what it printed, what it said of errors."""
    monkeypatch.setattr(Catalogue.__init__, "__defaults__", (catalogue.sql.parent,))
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def _contract(catalogue: Catalogue, edit: Callable[[str], str]) -> Catalogue:
    """The customer's contract, changed on disk."""
    path = catalogue.sql / "common_model" / "customer" / "contract.yaml"
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    return Catalogue(catalogue.sql.parent)


def _twice_at_once(step: Callable[..., None], catalogue: Catalogue, world: World) -> list[str]:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(step, catalogue, Servers(world.connections), said.append) for _ in range(2)]
    for one in both:
        one.result()
    return said


# -- one story, in this order
def test_two_deployments_at_once_make_everything_once(catalogue: Catalogue, world: World) -> None:
    _twice_at_once(apply_tables, catalogue, world)
    _twice_at_once(apply_topics, catalogue, world)
    _twice_at_once(register_schemas, catalogue, world)
    servers = world.servers
    assert len(servers.big_query.query(f"SELECT * FROM `{servers.cloud.table('identity', 'salt')}`")) == 1
    assert len(servers.big_query.query(f"SELECT * FROM `{servers.cloud.table('ledger', 'customer')}`")) == 1
    assert servers.kafka.partitions(servers.kafka_settings.topic("customer.changes.v1")) == 12


def test_the_second_time_nothing_is_changed(catalogue: Catalogue, world: World) -> None:
    said: list[str] = []
    for step in (apply_tables, apply_topics):
        step(catalogue, world.servers, said.append)
    assert len(said) > 10
    assert {line.rpartition(": ")[2] for line in said} == {"as it must be"}


def test_a_new_column_is_added_by_two_deployments_at_once(catalogue: Catalogue, world: World) -> None:
    wider = _contract(catalogue, lambda text: text + NEW)
    case = wider.use_case("customer_base")
    check_tables(catalogue, world.servers, case)
    with pytest.raises(NotDeployed, match="the table lacks nickname") as early:
        check_tables(wider, world.servers, case)
    assert early.value.where.endswith("change_log.customer")
    said = _twice_at_once(apply_tables, wider, world)
    check_tables(wider, world.servers, case)
    assert any("table" in line and "added nickname" in line for line in said)
    with pytest.raises(DeclarationError, match="are not those of") as refused:
        register_schemas(wider, world.servers, said.append)
    assert "python -m include schemas write" in refused.value.remedy
    assert write_schema(wider.entity_folder("customer"), "customer", wider.entity("customer"))
    register_schemas(wider, world.servers, said.append)
    for dataset in ("conformed", "common_model", "change_log", "history"):
        facts = world.servers.big_query.facts(world.servers.cloud.table(dataset, "customer"))
        assert facts is not None
        assert facts.columns["nickname"] == "STRING"


def test_an_older_deployment_leaves_the_newer_view_and_another_definition_replaces_it(
    catalogue: Catalogue, world: World, tmp_path: Path
) -> None:
    said: list[str] = []
    history = world.servers.cloud.table("history", "customer")
    older = Catalogue(copied(tmp_path / "older", *ENTITIES))  # without the new column
    apply_tables(older, world.servers, said.append)
    assert f"view {history}: as it must be" in said
    shutil.copytree(catalogue.sql, tmp_path / "sql")
    template = tmp_path / "sql" / "ledger" / "history.sql"
    template.write_text(template.read_text(encoding="utf-8").replace("h.operation <> 'delete' AND", ""))
    apply_tables(Catalogue(tmp_path), world.servers, said.append)
    assert f"view {history}: replaced" in said
    assert "nickname" in world.servers.big_query.facts(history).columns  # type: ignore[union-attr]


def test_another_rule_for_keys_and_winners_is_refused_until_somebody_forgets_the_old_one(
    catalogue: Catalogue, world: World, tmp_path: Path
) -> None:
    shutil.copytree(catalogue.sql, tmp_path / "sql")
    said, contract = list[str](), tmp_path / "sql" / "common_model" / "meter" / "contract.yaml"
    ledger = world.servers.cloud.table("ledger", "meter")

    def apply(old: str, new: str) -> None:
        text = contract.read_text(encoding="utf-8")
        assert old in text
        contract.write_text(text.replace(old, new), encoding="utf-8")
        said.clear()
        apply_tables(Catalogue(tmp_path), world.servers, said.append)

    apply("precedence: [sse]", "precedence: [mis, sse]")  # a system joins
    assert f"rules of {ledger}: written down" in said
    apply("precedence: [mis, sse]", "precedence: [sse]")  # the deployment before
    assert not [line for line in said if line.startswith("rules")]
    with pytest.raises(DriftError, match="precedence was mis, sse, the contract says sse, mis") as refused:
        apply("precedence: [sse]", "precedence: [sse, mis]")
    assert (refused.value.where, "docs/deploying.md" in refused.value.remedy) == (ledger, True)
    with pytest.raises(DriftError, match="identified_by was serial_number, the contract says none; precedence was"):
        apply("identified_by: [serial_number]\n", "")
    world.servers.big_query.query(f"ALTER TABLE `{ledger}` SET OPTIONS (description = '')")
    apply("precedence: [sse, mis]", "precedence: [sse, mis]")
    assert [line for line in said if not line.endswith("as it must be")] == [f"rules of {ledger}: written down"]


def test_another_type_is_refused_with_both_and_what_to_do(catalogue: Catalogue, world: World) -> None:
    other = _contract(catalogue, lambda text: text.replace(NEW, NEW.replace("STRING", "INT64")))
    with pytest.raises(DriftError, match="nickname is STRING, the contract says INT64") as refused:
        apply_tables(other, world.servers, lambda text: None)
    assert "a type is never changed in place" in refused.value.remedy
    with pytest.raises(DeclarationError, match="nickname was string, and is now long"):
        register_schemas(other, world.servers, lambda text: None)
    name = subject(world.servers.kafka_settings.topic("customer.changes.v1"))
    with pytest.raises(DeclarationError, match="not compatible"):  # the registry refuses it too
        world.servers.registry.register(name, schema_text(event_schema("customer", other.entity("customer"))))


def test_a_plan_shows_each_difference_and_changes_nothing(
    catalogue: Catalogue, world: World, shell: Callable[..., tuple[int, str, str]]
) -> None:
    settings, kafka = world.servers.kafka_settings, world.servers.kafka
    topics = {settings.topic(name): value for name, value in OTHERS.items()}
    assert shell("topics", "plan") == (0, f"no differences in {len(ENTITIES) + 1} topics; nothing was changed\n", "")
    for topic, (setting, value, _) in topics.items():
        kafka.alter(topic, {setting: value})
    before = {topic: kafka.config(topic) for topic in topics}
    code, out, _ = shell("topics", "plan")
    assert [line.split() for line in out.splitlines()] == [
        ["topic", "setting", "is", "must", "be"],
        *([topic, setting, value, right] for topic, (setting, value, right) in topics.items()),
        f"2 differences in {len(ENTITIES) + 1} topics; nothing was changed".split(),
    ]
    assert (code, {topic: kafka.config(topic) for topic in topics}) == (1, before)
    code, out, _ = shell("topics", "apply")
    assert (code, [line for line in out.splitlines() if not line.endswith("as it must be")]) == (
        0,
        [f"topic {topic}: set { {setting: right} }" for topic, (setting, _, right) in topics.items()],
    )
    assert shell("topics", "plan")[0] == 0


def test_a_plan_shows_a_topic_that_would_be_created_and_does_not_create_it(
    catalogue: Catalogue, world: World, shell: Callable[..., tuple[int, str, str]]
) -> None:
    other, contract = "customer.changes.v2", catalogue.entity_path("customer").read_text(encoding="utf-8")
    _contract(catalogue, lambda text: text.replace("customer.changes.v1", other))
    code, out, _ = shell("topics", "plan")
    _contract(catalogue, lambda text: contract)
    topic = world.servers.kafka_settings.topic(other)
    (line,) = [line for line in out.splitlines() if topic in line]
    assert "not there: would be created" in line
    assert "partitions=12, replicas=1, cleanup.policy=compact" in line
    assert (code, world.servers.kafka.partitions(topic)) == (1, None)


def test_other_partitions_and_replicas_are_refused_for_all_topics_before_anything_is_changed(
    catalogue: Catalogue, world: World, shell: Callable[..., tuple[int, str, str]]
) -> None:
    settings, kafka = world.servers.kafka_settings, world.servers.kafka
    positions, contracts = settings.topic(POSITIONS_TOPIC), dict[Path, str]()
    kafka.alter(positions, {"cleanup.policy": "delete"})
    for entity, partitions in (("customer", 3), ("meter", 13)):
        kafka.create(settings.topic(f"{entity}.changes.v3"), partitions, {})
        path = catalogue.entity_path(entity)
        contracts[path] = path.read_text(encoding="utf-8")
        path.write_text(contracts[path].replace(f"{entity}.changes.v1", f"{entity}.changes.v3"), encoding="utf-8")
    plan, applied = shell("topics", "plan"), shell("topics", "apply")
    for path, text in contracts.items():
        path.write_text(text, encoding="utf-8")
    for code, _, said in (plan, applied):
        assert code == 1
        assert f"topic {settings.topic('customer.changes.v3')} has 3 partitions, it must have 12" in said
        assert f"topic {settings.topic('meter.changes.v3')} has 13 partitions, it must have 12" in said
        assert "make a new version of the topic" in said
    assert [positions, "cleanup.policy", "delete", "compact"] in [line.split() for line in plan[1].splitlines()]
    assert kafka.config(positions)["cleanup.policy"] == "delete"


def test_a_connection_that_asks_for_more_brokers_than_there_are_is_refused(
    catalogue: Catalogue, world: World, shell: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(world.environment["AIRFLOW_CONN_KAFKA_DEFAULT"])
    del connection["extra"]["replication_factor"]  # production's default
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(connection))
    code, _, said = shell("topics", "apply")
    topic = world.servers.kafka_settings.topic("customer.changes.v1")
    assert (code, f"topic {topic} has 1 replicas, it must have 3" in said) == (1, True)
    assert "replication_factor of kafka_default" in said
    of_three = Servers(EnvironmentConnections(dict(os.environ))).kafka
    with pytest.raises(RequestError, match="there are not 3 brokers for a topic") as refused:
        of_three.create(f"{topic}.nobody", 12, {})
    assert "correct the extra replication_factor of kafka_default" in refused.value.remedy
