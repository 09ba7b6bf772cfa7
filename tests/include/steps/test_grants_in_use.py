"""What runs and a deployment ask of SQL Server, BigQuery and the bucket is granted, and what is granted is asked."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests
import sqlglot
from sqlglot import exp

from include.catalogue import Catalogue
from include.clients.sql_server import Session
from include.local.platform import Platform
from include.stage.parquet import PartWriter
from include.steps.deploy import DATASETS, apply_tables, apply_topics, register_schemas
from include.steps.environment import OBJECT, check_environment
from include.steps.grants import Accounts, google, sql_server
from tests.conftest import World, bare_world
from tests.include.steps.way import PLATFORM, SSE, Way, declare_way, make_way

Right = tuple[str, str]
"""A permission in Google's words, and where: a project, a dataset, a table, an object or (to list) a bucket."""

ACCOUNTS = Accounts("runner", "deployer", "analysts")
RUNNER, DEPLOYER = "serviceAccount:runner", "serviceAccount:deployer"
_READS = {f"bigquery.tables.{verb}" for verb in ("get", "getData")}
ROLES = {  # of each role the permissions that matter here, as Google's reference of predefined roles has them
    "roles/bigquery.jobUser": {"bigquery.jobs.create"},
    "roles/bigquery.user": {"bigquery.jobs.create", "bigquery.datasets.create"},
    "roles/bigquery.readSessionUser": {"bigquery.readsessions.create"},
    "roles/bigquery.metadataViewer": {"bigquery.tables.get"},
    "roles/bigquery.dataViewer": _READS,
    "roles/bigquery.dataEditor": _READS | {f"bigquery.tables.{verb}" for verb in ("create", "update", "updateData")},
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.legacyBucketReader": {"storage.objects.list", "storage.buckets.get"},
}
NOT_HEARD = {"roles/bigquery.readSessionUser": "Storage Read speaks gRPC, and only HTTP is listened to here"}


# -- what was asked
@dataclass
class Heard:
    """What went over the wire while it listened: Google's rights, and T-SQL."""

    rights: set[Right] = field(default_factory=set)
    t_sql: list[str] = field(default_factory=list)

    @contextmanager
    def listening(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        send, rows, execute, batches = requests.Session.send, Session.rows, Session.execute, Session.batches

        def noting(method: Callable[..., Any]) -> Callable[..., Any]:
            def note(session: Session, sql: str, *rest: Any, **options: Any) -> Any:
                self.t_sql.append(sql)
                return method(session, sql, *rest, **options)

            return note

        def sent(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
            self.rights |= set(asked(request))
            return send(session, request, **options)

        with monkeypatch.context() as patch:
            patch.setattr(requests.Session, "send", sent)
            for name, method in (("rows", rows), ("execute", execute), ("batches", batches)):
                patch.setattr(Session, name, noting(method))
            yield


def asked(request: requests.PreparedRequest) -> Iterator[Right]:
    """The rights that a request to BigQuery or Cloud Storage needs."""
    url = urllib.parse.urlsplit(str(request.url))
    path, query = urllib.parse.unquote(url.path), urllib.parse.parse_qs(url.query)
    if "/bigquery/" in path:
        body = json.loads(request.body) if isinstance(request.body, str | bytes) and request.body else {}
        yield from _of_big_query(str(request.method), path, body)
    elif found := re.search(r"/b/([^/]+)/o(?:/(.+))?$", path):
        yield from _of_bucket(str(request.method), found[1], found[2], query, request.body)


def _of_big_query(method: str, path: str, body: dict[str, Any]) -> Iterator[Right]:
    parts = path.partition("/projects/")[2].split("/")
    project = parts[0]
    if method == "POST" and parts[1:] in (["jobs"], ["queries"]):
        yield "bigquery.jobs.create", project
        configuration = body.get("configuration", {"query": body})
        if "load" in configuration:
            yield from _of_load(configuration["load"])
        else:
            yield from _of_sql(configuration["query"]["query"])
    elif method == "POST" and parts[1:] == ["datasets"]:
        yield "bigquery.datasets.create", project
    elif len(parts) == 5 and parts[3] == "tables":
        verb = {"GET": "get", "PATCH": "update", "DELETE": "delete"}[method]
        yield f"bigquery.tables.{verb}", f"{project}.{parts[2]}.{parts[4]}"
    elif parts[1] not in ("jobs", "queries"):  # who began a job may ask for it
        raise AssertionError(f"a request that this test does not know: {method} {path}")


def _of_load(load: dict[str, Any]) -> Iterator[Right]:
    to = load["destinationTable"]
    for verb in ("create", "get", "update", "updateData"):
        yield f"bigquery.tables.{verb}", f"{to['projectId']}.{to['datasetId']}.{to['tableId']}"
    for uri in load["sourceUris"]:
        yield "storage.objects.get", uri.removeprefix("gs://")


def _of_sql(sql: str) -> Iterator[Right]:
    """By the word before a table's name: all of ours stand in backticks, in full."""
    bare = re.sub(r"--[^\n]*", "", sql)
    for verb, table in re.findall(r"(\w+(?:\s+IF\s+NOT\s+EXISTS)?)\s+`([^`.]+\.[^`.]+\.[^`]+)`", bare):
        needs = {"UPDATE": "updateData", "MERGE": "updateData", "INTO": "updateData", "FROM": "getData"}
        needs |= {"JOIN": "getData", "USING": "getData", "EXISTS": "create", "TABLE": "update", "VIEW": "create"}
        yield f"bigquery.tables.{needs[verb.split()[-1]]}", table
        if needs[verb.split()[-1]] == "updateData":
            yield "bigquery.tables.getData", table


def _of_bucket(method: str, bucket: str, name: str | None, query: dict[str, list[str]], body: Any) -> Iterator[Right]:
    if method == "POST":
        text = body if isinstance(body, bytes) else b""
        named = query.get("name") or [found.decode() for found in re.findall(rb'"name": ?"([^"]+)"', text)[:1]]
        yield "storage.objects.create", f"{bucket}/{named[0] if named else '?'}"
    elif method == "GET":
        yield ("storage.objects.get", f"{bucket}/{name}") if name else ("storage.objects.list", bucket)
    elif method == "DELETE":
        yield "storage.objects.delete", f"{bucket}/{name}"


# -- what is granted
@dataclass(frozen=True)
class Grant:
    """One printed line."""

    line: str
    member: str
    role: str
    permissions: frozenset[str]
    place: str
    condition: str = ""

    def allows(self, right: Right) -> bool:
        permission, place = right
        within = place == self.place or place.startswith((f"{self.place}.", f"{self.place}/"))
        if "parts" in self.condition:
            within = within and "/parts/" in place
        if OBJECT in self.condition:
            within = place == f"{self.place}/{OBJECT}"
        return permission in self.permissions and within


def grants(lines: Iterable[str]) -> list[Grant]:
    roles, found = dict(ROLES), []
    for line in lines:
        if made := re.match(r"gcloud iam roles create (\w+) --project=(\S+) --permissions=(\S+)$", line):
            roles[f"projects/{made[2]}/roles/{made[1]}"] = set(made[3].split(","))
        elif bound := re.match(
            r"gcloud \S+ (?:buckets )?add-iam-policy-binding (\S+) --member=(\S+) --role=(\S+) --condition=(.*)$", line
        ):
            place = bound[1].removeprefix("gs://")
            found.append(Grant(line, bound[2], bound[3], frozenset(roles[bound[3]]), place, bound[4]))
        elif given := re.match(r'GRANT `(\S+)` ON (?:SCHEMA|TABLE) `(\S+)` TO "(\S+)";$', line):
            found.append(Grant(line, given[3], given[1], frozenset(roles[given[1]]), given[2]))
        else:
            assert line.startswith(("#", "--", "bq ", "gcloud storage buckets update")), line
    return found


def of(world: World, catalogue: Catalogue, member: str) -> list[Grant]:
    cloud = world.servers.cloud
    lines = [*google.big_query(catalogue, cloud, ACCOUNTS), *google.bucket(cloud, ACCOUNTS)]
    return [grant for grant in grants(lines) if grant.member == member]


# -- the story: a deployment, then runs
@pytest.fixture(scope="module")
def deployed(platform: Platform) -> tuple[World, Heard]:
    world, heard = bare_world(platform, "granted"), Heard()
    with heard.listening(pytest.MonkeyPatch()):
        apply_tables(Catalogue(), world.servers, lambda text: None)
    return world, heard


@pytest.fixture(scope="module")
def lived(deployed: tuple[World, Heard], tmp_path_factory: pytest.TempPathFactory) -> tuple[Way, Heard]:
    """A full and a window of a source and of a landing table, on the whole way, a dry run of each, and what a lost race
    leaves behind."""
    way, heard = make_way(deployed[0], declare_way(Path(tmp_path_factory.mktemp("declarations")), entities=())), Heard()
    for step in (apply_topics, register_schemas):
        step(way.catalogue, way.world.servers, lambda text: None)
    way.customers([1, 2, 3])
    way.new_landing_table()
    way.land(0, 0, 1)
    for turn in range(2):
        with heard.listening(pytest.MonkeyPatch()):
            check_environment(way.world.servers)
            for name in (SSE, PLATFORM):
                way.extract(name)
                way.extract(name, dry_run=True)
                way.load(name)
                way.merge(name)
            way.publish()
            lost = PartWriter(way.world.servers.bucket, SSE, 9, f"lost-{turn}")
            lost.write([], pa.schema([("CustomerId", pa.int64())]))
            lost.discard()
        way.sql("UPDATE dbo.Customer SET Surname = N'Roe' WHERE CustomerId = 2")
        way.land(0, 2)
    return way, heard


def test_what_the_runs_asked_of_google_is_granted(lived: tuple[Way, Heard]) -> None:
    way, heard = lived
    granted = of(way.world, way.catalogue, RUNNER)
    assert len(heard.rights) > 25
    assert sorted(right for right in heard.rights if not any(grant.allows(right) for grant in granted)) == []


def test_what_is_granted_for_the_runs_was_asked(lived: tuple[Way, Heard]) -> None:
    way, heard = lived
    unused = [grant for grant in of(way.world, way.catalogue, RUNNER) if not any(map(grant.allows, heard.rights))]
    assert [
        grant.line
        for grant in unused
        if grant.role not in NOT_HEARD
        and not re.search(r"identity\.account|\.account`|_landing\.|migration\.move", grant.line)
    ] == []


def test_changing_rows_needs_each_permission_of_the_role_that_was_made_for_it(lived: tuple[Way, Heard]) -> None:
    way, heard = lived
    rows = [grant for grant in of(way.world, way.catalogue, RUNNER) if grant.role.endswith(google.ROWS_ROLE)]
    assert len(rows) > 5
    asked = {right[0] for right in heard.rights for grant in rows if grant.allows(right)}
    assert asked == set(google.ROWS_PERMISSIONS)


def test_what_the_deployment_asked_of_google_is_granted(deployed: tuple[World, Heard]) -> None:
    """Who makes a dataset owns it, and so everything in it."""
    world, heard = deployed
    cloud, granted = world.servers.cloud, of(world, Catalogue(), DEPLOYER)
    owned = tuple(f"{cloud.project}.{cloud.dataset_prefix}{name}." for name in DATASETS)
    others = {right for right in heard.rights if not right[1].startswith(owned)}
    assert len(others) >= 3
    assert sorted(right for right in others if not any(grant.allows(right) for grant in granted)) == []


def test_the_runs_statements_touch_what_the_source_grants(lived: tuple[Way, Heard]) -> None:
    way, heard = lived
    (line,) = (
        line
        for line in sql_server.lines(way.catalogue, "sse", ACCOUNTS)
        if line.startswith("GRANT SELECT ON OBJECT::[dbo].[Customer]")
    )
    granted = set(re.findall(r"\[(\w+)\]", line[line.index("(") : line.index(")")]))
    catalog = {"COLUMNS", "TABLE_CONSTRAINTS", "KEY_COLUMN_USAGE", "databases", "database_recovery_status"}
    catalog |= {
        "columns",
        "tables",
        "schemas",
        "partitions",
        "indexes",
        "index_columns",
    }  # of sys: who sees a table does
    used: set[str] = set()
    for sql in heard.t_sql:
        if not sql.startswith("SELECT"):
            assert re.match(r"SET |BEGIN TRANSACTION|COMMIT TRANSACTION", sql), sql
            continue
        tree = sqlglot.parse_one(sql, read="tsql")
        tables = {table.name for table in tree.find_all(exp.Table)}
        assert tables <= catalog or tables == {"Customer"}, sql
        if tables == {"Customer"}:
            used |= {column.name for column in tree.find_all(exp.Column)}
    assert used == granted
    assert any("RowVer" in sql and "WHERE" in sql for sql in heard.t_sql), "no window was read"
