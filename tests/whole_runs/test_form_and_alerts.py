"""What the form asks for is done or refused; what fails is told once, and nobody's data is in any of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from include.local.demo_run import DagRun
from include.publish.position import POSITIONS_TOPIC
from tests.conftest import World
from tests.whole_runs.pictures import events, tables
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)


def _everything(story: Story) -> tuple[Any, ...]:
    """Tables, events, positions, and every object with its generation."""
    world = story.killed
    servers = world.servers
    positions = servers.kafka.committed_records(servers.kafka_settings.topic(POSITIONS_TOPIC), timeout=30)
    objects = [(blob.name, blob.generation) for blob in servers.bucket._bucket.list_blobs()]
    return tables(world), _staged(world), events(world, "customer"), events(world, "account"), positions, objects


def _staged(world: World) -> dict[str, Any]:
    """Each staging table's last change."""
    client = world.servers.big_query._client
    found = client.list_tables(f"{world.servers.cloud.dataset_prefix}staging")
    return {table.table_id: client.get_table(table).modified for table in found}


def _alerts(story: Story) -> list[dict[str, Any]]:
    file = story.airflow.platform.state / "alerts.jsonl"
    return (
        [json.loads(line)["alert"] for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    )


@pytest.fixture(scope="module")
def dry(story: Story) -> tuple[DagRun, bool]:
    before = _everything(story)
    run = story.airflow.succeed({"dry_run": True, "full_refresh": True})
    return run, _everything(story) == before


@pytest.fixture(scope="module")
def refused(story: Story) -> tuple[DagRun, list[dict[str, Any]]]:
    before = len(_alerts(story))
    run = story.airflow.run({"dry_rum": True})
    deadline = time.monotonic() + 60
    while len(_alerts(story)) == before and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(3)  # a second message would be a mistake, and would come at once
    return run, _alerts(story)[before:]


def test_a_dry_run_writes_nothing_anywhere(dry: tuple[DagRun, bool]) -> None:
    assert dry[1]


def test_asset_events_tell_what_was_done_and_a_dry_runs_that_nothing_was(story: Story, dry: Any) -> None:
    def told(run: DagRun) -> list[dict[str, Any]]:
        path = f"/assets/events?source_dag_id=customer_base&source_run_id={run.run_id}"
        return [event["extra"] for event in story.airflow.platform.airflow().get(path)["asset_events"]]

    assert len(told(dry[0])) == 8
    assert all(extra["dry_run"] for extra in told(dry[0]))
    real = told(story.unchanged)
    assert sorted(extra["mapping"] for extra in real if "mapping" in extra) == sorted(
        summary["mapping"] for summary in story.unchanged.summaries("merge")
    )
    assert not any("dry_run" in extra for extra in real)


def test_a_dry_run_tells_the_query_and_the_count_of_rows(dry: tuple[DagRun, bool]) -> None:
    found = {summary["dataset"]: summary for summary in dry[0].summaries("extract")}
    assert len(found) == 6
    assert found["sse/customer"]["kind"] == "full"
    assert found["sse/customer"]["query"].startswith("SELECT [CustomerId]")
    assert found["sse/customer"]["rows"] > 1900
    assert found["platform/customer"]["rows"] > 2000
    assert all(summary["dry_run"] for summary in dry[0].summaries("publish"))


def test_an_unknown_field_is_refused_by_the_first_task_and_nothing_else_runs(story: Story, refused: Any) -> None:
    run, _ = refused
    states = {task["task_id"]: task["state"] for task in run.tasks()}
    assert story.airflow.state(run) == "failed"
    assert states.pop("check.customer_base") == "failed"
    assert set(states.values()) == {"upstream_failed"}
    assert [task["try_number"] for task in run.tasks() if task["task_id"].startswith("check")] == [1]


def test_one_message_tells_who_what_where_and_what_to_do(refused: Any) -> None:
    run, alerts = refused
    assert len(alerts) == 1
    assert alerts[0]["title"] == "customer_base failed (task_failure), tier 1"
    text = alerts[0]["message"]
    for part in (
        "Owner: customer-platform",
        run.run_id,
        "check.customer_base: the form has no field dry_rum",
        "to do: use",
    ):
        assert part in text
    assert "At 3 a.m." in text
    assert f"/dags/customer_base/runs/{run.run_id}" in text


def test_one_message_tells_that_it_is_whole_again(story: Story, refused: Any) -> None:
    api, before = story.airflow.platform.airflow(), len(_alerts(story))
    story.airflow.succeed({"dry_run": True})
    story.airflow.succeed()
    deadline = time.monotonic() + 60
    while len(_alerts(story)) == before and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(3)  # a second message would be a mistake, and would come at once
    (message,) = _alerts(story)[before:]
    assert message["title"] == "customer_base is healthy again"
    assert message["type"] == "success"
    assert api.get("/variables")["variables"] == [], "the next success would send it again"
    failed = api.get(f"/dags/customer_base/dagRuns/{refused[0].run_id}")
    assert f"It failed since {failed['start_date'][:19].replace('T', ' ')} UTC" in message["message"]


def test_nobodys_data_is_in_a_log_an_xcom_or_an_alert(story: Story, refused: Any, dry: Any) -> None:
    with story.calm.servers.sql_server("sse", "CRM") as session:
        rows = session.rows("SELECT Email, Surname FROM dbo.Customer WHERE Email IS NOT NULL AND Surname IS NOT NULL")
    emails = {email.strip() for email, _ in rows if "@" in email}
    surnames = {surname.strip() for _, surname in rows if len(surname.strip()) > 8}
    assert len(emails) > 1000
    assert len(surnames) > 300
    told = _all_that_airflow_keeps(story.airflow.platform.state)
    assert "SELECT [CustomerId], [FirstName], [Surname]" in told, "the logs were not found"
    assert [value for value in emails | surnames if value in told] == []


def _all_that_airflow_keeps(state: Path) -> str:
    """Logs of tasks and servers, the metadata database with its XComs, the alerts."""
    files = [
        *(state / "airflow" / "logs").rglob("*.log"),
        *(state / "logs").glob("airflow*.log"),
        state / "alerts.jsonl",
    ]
    files += [path for path in (state / "airflow").glob("airflow.db*") if path.is_file()]
    assert len(files) > 50
    return "\n".join(path.read_bytes().decode("utf-8", errors="ignore") for path in files)
