"""What the form asks for is done or refused, and nobody's data is in anything that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.local.demo_run import DagRun
from include.publish.position import POSITIONS_TOPIC
from tests.conftest import World
from tests.waiting import wait_until
from tests.whole_runs.kept import kept_by_airflow
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
    callbacks = story.airflow.platform.state / "airflow" / "logs" / "dag_processor"
    wait_until(
        lambda: any("not told: a person's form" in file.read_text() for file in callbacks.rglob("*.log")),
        "the end of the DAG's callback",
    )
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


def test_a_form_that_a_person_mistyped_wakes_nobody_and_is_no_failure_that_must_end(story: Story, refused: Any) -> None:
    assert refused[1] == []
    assert story.airflow.platform.airflow().get("/variables")["variables"] == []


def test_nobodys_data_is_in_a_log_an_xcom_or_an_alert(story: Story, refused: Any, dry: Any) -> None:
    with story.calm.servers.sql_server("sse", "CRM") as session:
        rows = session.rows("SELECT Email, Surname FROM dbo.Customer WHERE Email IS NOT NULL AND Surname IS NOT NULL")
    emails = {email.strip() for email, _ in rows if "@" in email}
    surnames = {surname.strip() for _, surname in rows if len(surname.strip()) > 8}
    assert len(emails) > 1000
    assert len(surnames) > 300
    kept = kept_by_airflow(story.airflow.platform.state)
    assert len(kept) > 50
    told = "\n".join([*kept.values(), json.dumps(_alerts(story))])
    assert "SELECT [CustomerId], [FirstName], [Surname]" in told, "the logs were not found"
    assert [value for value in emails | surnames if value in told] == []
