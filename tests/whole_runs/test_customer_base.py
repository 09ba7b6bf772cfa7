"""The whole way, by Airflow's scheduler, on real servers: killed in each verb, and never killed, it ends the same."""

from __future__ import annotations

import pytest

from tests.whole_runs.pictures import MERGED, Consumer, as_avro_has_it, events
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)  # the story is told before the first test
MERGES = ("rows_conformed", "inserted", "updated", "removed", "events")


# -- killed, and never killed
def test_all_tables_are_those_of_a_run_that_was_never_killed(story: Story) -> None:
    calm, killed = (end.tables for end in story.ends)
    assert set(calm) == set(killed)
    assert {"common_model.customer", "change_log.account", "identity.customer", "migration.authority"} <= set(calm)
    for name in sorted(calm):
        assert calm[name] or name.partition(".")[2] not in MERGED, f"{name} is empty: nothing was compared"
        assert killed[name] == calm[name], name


def test_all_batches_and_their_staging_tables_are_those_of_a_run_that_was_never_killed(story: Story) -> None:
    calm, killed = story.ends
    assert {len(entries) for entries in calm.batches.values()} == {2}
    assert killed.batches == calm.batches
    assert len(calm.staged) >= 8
    assert killed.staged == calm.staged


@pytest.mark.parametrize("entity", MERGED)
def test_all_events_are_those_of_a_run_that_was_never_killed(story: Story, entity: str) -> None:
    calm, killed = (end.events[entity] for end in story.ends)
    assert sum(map(len, calm)) > 5000
    assert killed == calm


@pytest.mark.parametrize("entity", MERGED)
def test_change_numbers_have_no_gap_and_each_event_is_sent_once(story: Story, entity: str) -> None:
    servers = story.killed.servers
    rows = servers.big_query.query(
        f"SELECT change_number, is_event FROM `{servers.cloud.table('change_log', entity)}` ORDER BY change_number"
    )
    assert [row["change_number"] for row in rows] == list(range(1, len(rows) + 1))
    sent = [dict(headers)["ce_id"].decode() for p in events(story.killed, entity) for _, _, headers in p]
    assert sorted(sent) == sorted(f"{entity}:{row['change_number']}" for row in rows if row["is_event"])


# -- nothing changed, nothing done
def test_a_run_without_any_change_at_the_sources_merges_and_sends_nothing(story: Story) -> None:
    merges, publishes = story.unchanged.summaries("merge"), story.unchanged.summaries("publish")
    assert (len(merges), len(publishes)) == (6, 2)
    assert {merge["mapping"]: [merge[c] for c in MERGES] for merge in merges} == {m["mapping"]: [0] * 5 for m in merges}
    assert [(p["events"], p["tombstones"], p["without_event"]) for p in publishes] == [(0, 0, 0)] * 2
    assert all(not found["reused"] for found in story.unchanged.summaries("extract"))


def test_a_day_of_business_changes_something_in_every_system(story: Story) -> None:
    for run in story.after_the_day:
        counts = [sum(merge[c] for c in ("inserted", "updated", "removed")) for merge in run.summaries("merge")]
        assert len(counts) == 2
        assert all(count > 20 for count in counts)


# -- a consumer
def test_a_consumer_that_knows_topic_and_registry_alone_rebuilds_the_table(story: Story) -> None:
    settings = story.calm.connections
    consumer = Consumer(settings.kafka().config["bootstrap.servers"], settings.schema_registry().url)
    state = consumer.rebuild(settings.kafka().topic("customer.changes.v1"))
    columns = [field["name"] for field in consumer.schema["fields"]]
    servers = story.calm.servers
    rows = servers.big_query.query(f"SELECT * FROM `{servers.cloud.table('common_model', 'customer')}`")
    assert len(rows) > 4000
    assert "birth_date" not in columns
    assert state == {row["customer_key"]: {c: as_avro_has_it(row[c]) for c in columns} for row in rows}


# -- what people see
def test_the_tsql_is_in_the_tasks_log_and_no_unclaimed_column_in_it(story: Story) -> None:
    log = story.first[0].log("extract.sse_customer")
    assert "SELECT [CustomerId], [FirstName], [Surname]" in log
    for unclaimed in ("Title", "Phone", "NationalInsuranceNo]", "ModifiedAt"):
        assert f"[{unclaimed}" not in log


def test_a_tasks_summary_tells_what_it_did(story: Story) -> None:
    found = story.first[0].summary("extract.sse_customer")
    assert (found["batch"], found["kind"], found["reused"], found["why"]) == (1, "full", False, "the first batch")
    assert found["rows"] == found["counted"] >= 1900
    merged = story.first[0].summary("merge.customer_from_sse_customer")
    assert merged["inserted"] == merged["events"] > 1800


def test_datasets_that_were_not_asked_for_are_skipped(story: Story) -> None:
    states = {task["task_id"]: task["state"] for task in story.first[0].tasks()}
    assert states["extract.mis_gentrack_customer"] == "skipped"
    assert states["merge.account_from_platform_account"] == "skipped"
    assert states["publish.customer"] == "success"
