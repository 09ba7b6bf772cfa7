"""The README's way from nothing to events, word by word: what it says is what happens.

The commands run in a copy of the checkout, against the tests' platform: the copy's declarations, a world of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from include.catalogue import ROOT, Catalogue
from include.clients.sql_server import connect
from include.connections import EnvironmentConnections
from include.local.demo_run import DagRun
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.local.platform import Platform
from include.publish.events import Decoder
from tests.conftest import World
from tests.waiting import wait_until

HEADING = "## A use case, from nothing to events"
pytestmark = pytest.mark.timeout(600)


def commands() -> str:
    """The section's only block of shell."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return str(block)


@dataclass(frozen=True)
class Followed:
    """What came of following the README."""

    checkout: Path
    world: World
    code: int
    said: str
    airflow: Platform


def copy_of_checkout(to: Path, platform: Platform, world: World) -> Path:
    """The tracked files, and what bootstrap and `make demo` would have put beside them."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    (to / "bootstrap").write_text("#!/bin/sh\n# all is set up: the copy shares it\n", encoding="utf-8")
    (to / ".venv").symlink_to(ROOT / ".venv")
    (to / ".local").mkdir()
    (ROOT / ".local" / "zetasql").mkdir(exist_ok=True)
    places = {"platform": platform.state, "install": platform.install, "zetasql": ROOT / ".local" / "zetasql"}
    for name, place in places.items():
        (to / ".local" / name).symlink_to(place)
    lines = [
        f"export {name}={shlex.quote(value)}\n" for name, value in world.environment.items() if _reaches_servers(name)
    ]
    (to / ".local" / "env").write_text("".join(lines), encoding="utf-8")
    return to


def _reaches_servers(name: str) -> bool:
    return name.startswith("AIRFLOW_CONN_") or not name.startswith(("AIRFLOW", "PYTHON", "SPT"))


@pytest.fixture(scope="module")
def followed(
    platform: Platform,
    estates: EnvironmentConnections,
    new_world_by_the_estates: Callable[[str], World],
    tmp_path_factory: pytest.TempPathFactory,
) -> Followed:
    world = new_world_by_the_estates("readme")
    checkout = copy_of_checkout(Path(tmp_path_factory.mktemp("checkout")), platform, world)
    own = {name: value for name, value in world.environment.items() if name.startswith("AIRFLOW_CONN_")}
    own |= {
        "PYTHONPATH": str(checkout),
        "PYTHONSAFEPATH": "1",  # Airflow begins in our own checkout, whose code it would find first
        "AIRFLOW__CORE__DAGS_FOLDER": str(checkout / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(checkout / "plugins"),
    }
    running = replace(platform, extra_environment=own)
    running.up(["airflow"], report=lambda text: None)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands()],
        cwd=checkout,
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    return Followed(checkout, world, done.returncode, done.stdout, running)


def test_every_command_of_the_readme_succeeds(followed: Followed) -> None:
    assert followed.code == 0, followed.said
    assert "no problems" in followed.said


def _source_rows(world: World) -> dict[str, dict[str, Any]]:
    """Salesforce's complaints as an event must have them, by their id."""
    columns = "ComplaintId, CustomerRef, Subject, Status, OpenedAt, ClosedAt, Redress"
    with connect(world.connections.sql_server("mis"), "OldDB") as session:
        rows = session.rows(f"SELECT {columns} FROM Salesforce.Complaint")
    return {
        row[0].strip(): {
            "refers": row[1] is not None,
            "complaint_id": row[0].strip(),
            "subject": (row[2] or "").strip() or None,
            "status": row[3].strip(),
            "opened_at": _from_london(row[4]),
            "closed_at": _from_london(row[5]),
            "redress": row[6],
        }
        for row in rows
    }


def _from_london(moment: dt.datetime | None) -> dt.datetime | None:
    return moment and moment.replace(tzinfo=ZoneInfo("Europe/London")).astimezone(dt.UTC)


def test_the_topic_holds_each_complaint_of_the_source_once_and_as_it_is(followed: Followed) -> None:
    servers = followed.world.servers
    topic = Catalogue(followed.checkout).topic("complaint")
    decoder = Decoder(servers.registry.schema)
    messages = list(servers.kafka.committed(servers.kafka_settings.topic(topic)))
    events = [decoder.row(message.value()) for message in messages]
    source = _source_rows(followed.world)
    assert len(events) == len(source) > 100
    for event in events:
        wanted = source[event["complaint_id"]]
        assert (event.pop("customer_key") is not None) == wanted["refers"]
        assert event.pop("complaint_key")
        assert event == {name: value for name, value in wanted.items() if name != "refers"}


def test_a_complaint_belongs_to_its_customer_however_the_reference_is_spelt(followed: Followed) -> None:
    """Upper or lower case, with blanks behind: one customer has one key."""
    servers = followed.world.servers
    tables = {name: servers.cloud.table(name, "complaint") for name in ("conformed", "identity", "common_model")}
    rows = servers.big_query.query(
        "SELECT customer_id, COUNT(DISTINCT m.customer_key) AS keys "
        f"FROM `{tables['conformed']}` AS c JOIN `{tables['identity']}` AS i USING (system, id_space, source_key) "
        f"JOIN `{tables['common_model']}` AS m USING (complaint_key) "
        "WHERE customer_id IS NOT NULL GROUP BY customer_id"
    )
    assert rows
    assert all(row["customer_id"] == row["customer_id"].strip().upper() and row["keys"] == 1 for row in rows)


def test_what_is_personal_is_masked_where_it_is_shown(followed: Followed) -> None:
    shown = [line for line in followed.said.splitlines() if '"complaint_key"' in line]
    assert len(shown) == 3
    for line in shown:
        row = json.loads(line[line.index("{") :])
        assert row["subject"] in ("•••", None)
        assert row["complaint_id"]


def test_the_case_that_the_readme_writes_holds(followed: Followed) -> None:
    done = subprocess.run(
        [
            str(followed.checkout / ".venv/bin/python"),
            *("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/sql/test_mappings.py"),
            *("-k", "(complaint and (becomes or types)) or looked_at"),
        ],
        cwd=followed.checkout,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{followed.checkout}:{followed.checkout}/plugins"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b[1-9]\d* passed", done.stdout)


def test_what_was_written_says_what_is_left_to_do(followed: Followed) -> None:
    assert "python -m include new entity <name> --from mis/salesforce_complaint" in followed.said
    assert "whom to call" in (followed.checkout / "dags/complaint_handling.py").read_text(encoding="utf-8")
    assert "complaint_handling" in (followed.checkout / "docs/catalogue.md").read_text(encoding="utf-8")


def test_a_large_table_is_read_in_ranges_and_what_fails_is_tried_again_alone(followed: Followed) -> None:
    """The same checkout goes on: a contract says `split_by`, and the source cuts one of the reads off."""
    world, contract = followed.world, followed.checkout / "sql/sources/sse/customer/contract.yaml"
    with connect(world.connections.sql_server("sse"), "master") as session:
        session.execute("CREATE DATABASE ranged")
        session.execute("ALTER DATABASE ranged SET ALLOW_SNAPSHOT_ISOLATION ON")
    text = contract.read_text(encoding="utf-8").replace("CRM.dbo.Customer", "ranged.dbo.Customer")
    contract.write_text(f"{text}split_by: CustomerId\nrows_per_range: 10\n", encoding="utf-8")
    run = DagRun(followed.airflow, "customer_base", "manual__in_ranges")
    with connect(world.connections.sql_server("sse"), "ranged") as session:
        session.execute(t_sql.create_table(SSE_CUSTOMER))
        rest = (None, None, "Doe", None, None, None, "A", None, dt.datetime(2020, 1, 1), None)
        for statement in t_sql.inserts(SSE_CUSTOMER, [(number, *rest) for number in range(1, 31)]):
            session.execute(statement)
        session.execute("EXEC standin.fault @kind = 'reset', @after_rows = 3, @table = 'dbo.Customer'")
        wait_until(lambda: "plan.sse_customer" in _tasks_of(followed.airflow), "the contract in the DAG")
        run.run(print, {"only": ["sse/customer"]})
    reads = [task for task in run.tasks() if task["task_id"] == "read.sse_customer"]
    assert sorted(task["rendered_map_index"] for task in reads) == ["1 of 3", "2 of 3", "3 of 3"]
    assert sorted(task["try_number"] for task in reads) == [1, 1, 2]
    told = run.summary("extract.sse_customer")
    assert (told["kind"], told["rows"]) == ("full", 30)
    assert run.summary("merge.customer_from_sse_customer")["inserted"] == 30


def _tasks_of(airflow: Platform) -> set[str]:
    return {task["task_id"] for task in airflow.airflow().get("/dags/customer_base/tasks")["tasks"]}
