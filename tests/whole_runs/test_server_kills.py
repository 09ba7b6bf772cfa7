"""Each server is killed while a task is at work with it: was it, is it up again, and is the end that of a calm run?"""

from __future__ import annotations

from typing import Any

import pytest

from include.local.platform import SERVERS
from tests.whole_runs.points import POINTS, Point
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)  # the story is told before the first test
KILLS = [point for point in POINTS if point.server is not None]


@pytest.mark.parametrize("point", KILLS, ids=lambda point: point.name)
def test_a_server_killed_at_this_point_changes_nothing_of_the_end(story: Story, point: Point) -> None:
    assert story.airflow.reached(point)["task"] == point.task
    assert story.airflow.killed(point)
    assert story.tries(point) > 1 or not point.fails
    assert story.differences == []


def test_every_server_is_killed_at_some_point() -> None:
    assert {point.server for point in KILLS} == set(SERVERS) - {"alerts"}


def test_all_servers_are_up_again(story: Story) -> None:
    assert {status.name: status.state for status in story.airflow.platform.status()} == dict.fromkeys(SERVERS, "up")


def _seen(story: Story, name: str) -> dict[str, Any]:
    return story.airflow.reached(next(point for point in KILLS if point.name == name))


def test_the_picture_of_sql_server_was_half_read(story: Story) -> None:
    assert 0 < _seen(story, "sql_server_during_a_read")["rows"] <= 500


@pytest.mark.parametrize("name", ["big_query_during_a_load", "big_query_during_a_merge"])
def test_the_job_of_big_query_was_running_and_has_failed(story: Story, name: str) -> None:
    seen = _seen(story, name)
    assert seen["state"] == "RUNNING"
    job = story.killed.servers.big_query._client.get_job(seen["job"])
    assert job.state == "DONE"
    assert job.error_result["reason"] == "backendError"


def test_the_records_that_kafka_had_were_not_committed(story: Story) -> None:
    seen = _seen(story, "kafka_between_produce_and_commit")
    assert seen["undelivered"] == 0
    assert seen["open"] >= seen["records"] > 0
