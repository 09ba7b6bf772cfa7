"""The steps of the use case over small tables of a test's own: a SQL Server database and a landing table."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.names import DatasetName, MappingName
from include.publish.schema_files import write_schema
from include.run import Run
from include.steps.extract_dataset import extract_dataset
from include.steps.extract_plan import Work
from include.steps.load_dataset import load_dataset
from include.steps.merge_mapping import merge_mapping
from include.steps.publish_entity import publish_entity
from include.steps.request import Request
from tests.conftest import World
from tests.declarations import PEOPLE, copied

SSE, PLATFORM = DatasetName("sse", "customer"), DatasetName("platform", "customer")
DATABASE, LANDING = "way", "way_landing"
USE_CASE = "customer_base"
_runs = itertools.count(1)


@dataclass
class Way:
    """`sse/customer` in the database `database`, `platform/customer` in the dataset `way_landing`, and a world."""

    world: World
    catalogue: Catalogue
    database: str = DATABASE

    # -- the sources
    def sql(self, statement: str) -> None:
        with connect(self.world.connections.sql_server("sse"), self.database) as session:
            session.execute(statement)

    def customers(self, ids: Sequence[int], surname: str = "Doe") -> None:
        """The source's table, made anew with these customers."""
        made = datetime(2020, 1, 1)
        row = (None, None, surname, None, None, None, "A", None, made, None)
        self.sql("DROP TABLE IF EXISTS dbo.Customer")
        self.sql(t_sql.create_table(SSE_CUSTOMER))
        for statement in t_sql.inserts(SSE_CUSTOMER, [(number, *row) for number in ids]):
            self.sql(statement)

    def new_landing_table(self, options: str = "") -> str:
        table = f"{self.world.servers.cloud.project}.{LANDING}.customer"
        place = "STRUCT<topic STRING, `partition` INT64, `offset` INT64, insert_time TIMESTAMP>"
        columns = f"kafka_key STRING, kafka_data {place}, customer_id STRING, given_name STRING, family_name STRING"
        columns += ", email STRING, date_of_birth DATE, is_active BOOL, created_at TIMESTAMP"
        columns += ", imported_from STRING, migrated_at TIMESTAMP"
        self.world.servers.big_query.query(f"CREATE OR REPLACE TABLE `{table}` ({columns}) {options}")
        return table

    def land(self, partition: int, *offsets: int, age: timedelta = timedelta(hours=1), **columns: str | None) -> None:
        """Records of one key per offset, `age` ago."""
        at = (datetime.now(UTC) - age).isoformat()
        rows = [
            {
                "kafka_key": columns.get("key", f"k{partition}-{offset}"),
                "kafka_data": {"topic": "t", "partition": partition, "offset": offset, "insert_time": at},
                "customer_id": columns.get("customer_id", f"k{partition}-{offset}"),
                "family_name": columns.get("family_name", f"name{offset}"),
            }
            for offset in offsets
        ]
        self.world.servers.big_query.append_json(f"{self.world.servers.cloud.project}.{LANDING}.customer", rows)

    def with_connection(self, connection: str, edit: Callable[[dict[str, Any]], None]) -> Way:
        """The same way, with a connection that somebody has changed."""
        name = f"AIRFLOW_CONN_{connection.upper()}"
        given = json.loads(self.world.environment[name])
        edit(given)
        world = replace(self.world, environment={**self.world.environment, name: json.dumps(given)})
        return replace(self, world=world)

    # -- the steps
    @staticmethod
    def begin() -> Run:
        return Run.begin(USE_CASE, f"way-{next(_runs)}", 1)

    def extract(self, name: DatasetName = SSE, *, run: Run | None = None, **request: Any) -> dict[str, Any]:
        case, run = self.catalogue.use_case(USE_CASE), run or self.begin()
        return extract_dataset(Work(self.catalogue, self.world.servers, run, case, name, Request(**request)))

    def load(self, name: DatasetName = SSE) -> dict[str, Any]:
        case = self.catalogue.use_case(USE_CASE)
        return load_dataset(self.catalogue, self.world.servers, self.begin(), case, name)

    def merge(self, name: DatasetName = SSE, *, run: Run | None = None, **request: Any) -> dict[str, Any]:
        mapping = MappingName("customer", name)
        return merge_mapping(self.catalogue, self.world.servers, run or self.begin(), mapping, Request(**request))

    def publish(self, **request: Any) -> dict[str, Any]:
        return publish_entity(self.catalogue, self.world.servers, "customer", Request(**request))

    def changes(self, count: int = 1, *, is_event: bool = True) -> None:
        """The next changes, as a merge leaves them; all of one key."""
        self._change(count, "update", is_event, "'x'")

    def changes_of_keys(self, operation: str, keys: int) -> None:
        """A change more of each of the first so many keys."""
        self._change(keys, operation, True, "CAST(n AS STRING)")

    def _change(self, count: int, operation: str, is_event: bool, key: str) -> None:
        """key: SQL of the n-th one's source key."""
        cloud, big_query = self.world.servers.cloud, self.world.servers.big_query
        ledger, log = cloud.table("ledger", "customer"), cloud.table("change_log", "customer")
        big_query.query(
            f"INSERT INTO `{log}` (change_number, changed_at, operation, is_event, customer_key, source_system) "
            f"SELECT change_number + n, TIMESTAMP '2026-01-01 00:00:00+00', '{operation}', {is_event}, "
            f"TO_HEX(MD5({key})), 'sse' FROM `{ledger}` "
            f"CROSS JOIN UNNEST(GENERATE_ARRAY(1, {count})) AS n WHERE name = 'entity'"
        )
        big_query.query(f"UPDATE `{ledger}` SET change_number = change_number + {count} WHERE name = 'entity'")

    def sent(self) -> list[int]:
        """The change numbers on the topic, sorted."""
        topic = self.world.servers.kafka_settings.topic("customer.changes.v1")
        events = self.world.servers.kafka.committed(topic)
        return sorted(int(dict(event.headers())["ce_id"].decode().partition(":")[2]) for event in events)

    def names(self) -> dict[str, str]:
        """Source key to family name in the common model."""
        cloud = self.world.servers.cloud
        rows = self.world.servers.big_query.query(
            f"SELECT i.source_key, c.family_name FROM `{cloud.table('common_model', 'customer')}` AS c "
            f"JOIN `{cloud.table('identity', 'customer')}` AS i USING (customer_key)"
        )
        return {row["source_key"]: row["family_name"] for row in rows}


def declare_way(root: Path, database: str = DATABASE, entities: Sequence[str] = PEOPLE) -> Catalogue:
    """Declarations as they are shipped, of some entities or of all (none named), but for the two tables' names."""
    copied(root, *entities)
    for contract, was, now in (
        ("sse/customer", "CRM.dbo.Customer", f"{database}.dbo.Customer"),
        ("platform/customer", "platform_landing.customer", f"{LANDING}.customer"),
    ):
        path = root / "sql" / "sources" / contract / "contract.yaml"
        text = path.read_text(encoding="utf-8")
        assert was in text
        path.write_text(text.replace(was, now), encoding="utf-8")
    return Catalogue(root)


def make_way(world: World, catalogue: Catalogue, database: str = DATABASE) -> Way:
    """The two sources, empty."""
    with connect(world.connections.sql_server("sse"), "master") as session:
        session.execute(f"DROP DATABASE IF EXISTS {database}")
        session.execute(f"CREATE DATABASE {database}")
        session.execute(f"ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON")
    world.servers.big_query.create_dataset(LANDING)
    return Way(world, catalogue, database)


def new_way(new_world: Callable[..., World], label: str, root: Path, database: str = DATABASE) -> Way:
    catalogue = declare_way(root, database)
    return make_way(new_world(label, catalogue), catalogue, database)


def widened(catalogue: Catalogue, root: Path) -> Catalogue:
    """The same declarations in another folder, with one more column of the customer and a mapping that fills it."""
    shutil.copytree(catalogue.sql.parent, root)
    folder = root / "sql" / "common_model" / "customer"
    contract, mapping = folder / "contract.yaml", folder / "from_sse_customer.sql"
    column = '  nickname: {type: STRING, privacy: personal, describes: "null when unknown"}\n'
    contract.write_text(contract.read_text(encoding="utf-8") + column, encoding="utf-8")
    text = mapping.read_text(encoding="utf-8")
    assert text.count("SELECT\n") == 1
    mapping.write_text(text.replace("SELECT\n", "SELECT\n  UPPER(Surname) AS nickname,\n"), encoding="utf-8")
    write_schema(folder, "customer", Catalogue(root).entity("customer"))
    return Catalogue(root)


def before_the_first(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, happens: Callable[[], object]) -> None:
    """Something happens just before the first call of `owner.name`, and never again."""
    shipped, waiting = getattr(owner, name), [happens]

    def call(*arguments: Any) -> Any:
        if waiting:
            waiting.pop()()
        return shipped(*arguments)

    monkeypatch.setattr(owner, name, call)
