"""The servers that tests run against: one laptop platform for the whole session, in a folder of its own."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from include.catalogue import Catalogue
from include.connections import EnvironmentConnections
from include.local.estates.seed import seed
from include.local.platform import Platform
from include.local.servers.big_query import THREADS
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from include.steps.servers import Servers
from tests.guard import guarded

SERVERS = ("sql_server", "cloud_storage", "big_query", "kafka", "schema_registry", "alerts")
CUSTOMERS, SEED = 2_000, 1
TOLD = tuple(
    f"tests/whole_runs/test_{name}.py"
    for name in ("customer_base", "form_and_alerts", "moves", "ui", "server_kills", "task_kills")
)
"""Files whose tests look at the one story of `whole_runs/story.py`."""
SHORT = tuple(f"tests/{folder}/" for folder in ("repository", "include/extract", "include/stage", "include/publish"))
ONE_WORLD = "tests/include/wrong_input"
"""The folder whose tests share a world, in which nothing may change."""
_numbers = itertools.count(1)
os.environ.setdefault(THREADS, "1")  # the workers' servers share the cores: with more each costs a quarter more
for _name in ("NO_PROXY", "no_proxy"):  # the servers of tests are never asked by way of a proxy
    os.environ[_name] = "127.0.0.1,localhost"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Stories of random steps are told from a seed that is known beforehand, the same in all workers."""
    given = config.getoption("hypothesis_seed") or os.environ.get("STORIES_SEED")  # as which workers inherit it
    config.option.hypothesis_seed = os.environ["STORIES_SEED"] = str(given or random.SystemRandom().randrange(10**9))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of the stories that random steps tell: --hypothesis-seed={config.getoption('hypothesis_seed')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The story first, because it takes longest; last what is short, so that no worker ends long after the others."""
    items.sort(key=lambda item: _turn(item.nodeid.partition("::")[0]))


def _turn(file: str) -> int:
    return 0 if file in TOLD else 3 if file.startswith(SHORT) else 2 if file.startswith("tests/whole_runs") else 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where the pictures of the UI are, when this run has made some."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    if any("test_ui.py" in getattr(report, "nodeid", "") for report in reports):
        terminalreporter.write_line("screenshots of the UI: .local/test-output/ui")


class ByFiles(LoadScopeScheduling):
    """A file's tests stay with one worker, and so do the files that share a story or a world: it is made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "story" if file in TOLD else ONE_WORLD if file.startswith(f"{ONE_WORLD}/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFiles:
    return ByFiles(config, log)


@dataclass(frozen=True)
class World:
    """One world on the platform: its own bucket, datasets and topics; the sources are shared by all worlds."""

    name: str
    environment: dict[str, str]

    @property
    def connections(self) -> EnvironmentConnections:
        return EnvironmentConnections(self.environment)

    @property
    def servers(self) -> Servers:
        return Servers(self.connections)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The servers without Airflow; ended and cleared away after the last test, or when it was killed."""
    with guarded(Path(tmp_path_factory.mktemp("platform"))) as running:
        running.up(only=SERVERS, report=lambda text: None)
        _reach_google_servers(running.environment())
        yield running


@pytest.fixture(scope="session")
def estates(platform: Platform) -> EnvironmentConnections:
    """The three estates, seeded once for all tests; days of business go on from where they are."""
    connections = EnvironmentConnections(platform.environment())
    seed(connections, customers=CUSTOMERS, seed=SEED, report=lambda text: None)
    return connections


@pytest.fixture(scope="session")
def new_world(platform: Platform) -> Callable[..., World]:
    """A function that makes a world and deploys tables, topics and schemas into it: those of a catalogue, or all."""

    return lambda label, catalogue=None: _deployed(bare_world(platform, label), catalogue or Catalogue())


@pytest.fixture(scope="session")
def new_world_by_the_estates(platform: Platform) -> Callable[[str], World]:
    """The same, in the project where the platform's records land."""
    return lambda label: _deployed(bare_world(platform, label, has_own_project=False), Catalogue())


def _deployed(world: World, catalogue: Catalogue) -> World:
    apply_tables(catalogue, world.servers, lambda text: None)
    _same_chance_in_all_worlds(catalogue, world)
    apply_topics(catalogue, world.servers, lambda text: None)
    register_schemas(catalogue, world.servers, lambda text: None)
    return world


def _same_chance_in_all_worlds(catalogue: Catalogue, world: World) -> None:
    """Salt and epochs are random; two worlds can be compared only when theirs are the same."""
    servers = world.servers
    script = [f"UPDATE `{servers.cloud.table('identity', 'salt')}` SET salt = 'test' WHERE TRUE"]
    for entity in catalogue.entity_names():
        script.append(f"UPDATE `{servers.cloud.table('ledger', entity)}` SET epoch = 'test' WHERE name = 'entity'")
    servers.big_query.query(";".join(["BEGIN TRANSACTION", *script, "COMMIT TRANSACTION"]))


def bare_world(platform: Platform, label: str, *, has_own_project: bool = True) -> World:
    """A world with a bucket and nothing else. Most have a project of their own, too: the local server reads a project's
    whole catalog anew after each change of a table."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    name = f"{label}{next(_numbers)}"
    environment = dict(platform.environment())
    google = json.loads(environment["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])
    google["extra"] |= {"bucket": f"{name}-bucket", "dataset_prefix": f"{name}_"}
    if has_own_project:
        google["extra"]["project"] = f"project-{name.replace('_', '-')}"
    kafka = json.loads(environment["AIRFLOW_CONN_KAFKA_DEFAULT"])
    kafka["extra"]["topic_prefix"] = f"{name}."
    environment["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = json.dumps(google)
    environment["AIRFLOW_CONN_KAFKA_DEFAULT"] = json.dumps(kafka)
    client = storage.Client(project=google["extra"]["project"], credentials=AnonymousCredentials())
    client.create_bucket(google["extra"]["bucket"])
    return World(name, environment)


def _reach_google_servers(environment: dict[str, str]) -> None:
    """Google's clients find local servers by the environment alone."""
    names = ("BIGQUERY_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT")
    os.environ.update({name: environment[name] for name in names})
