"""A task and its supervisor are killed at each named point: was it reached, and is the end as if nothing was killed?"""

from __future__ import annotations

from typing import Any

import pytest

from include.local.processes import birth
from include.names import DatasetName
from include.stage.log import DatasetLog
from tests.whole_runs.points import POINTS, TASKS, Point
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)  # the story is told before the first test
KILLS = [point for point in POINTS if point.server is None]
BY_NAME = {point.name: point for point in KILLS}


def _seen(story: Story, name: str) -> dict[str, Any]:
    return story.airflow.reached(BY_NAME[name])


def _then(story: Story, name: str) -> dict[str, Any]:
    """What the try after the kill returned."""
    return story.runs[name].summary(BY_NAME[name].task)


@pytest.mark.parametrize("point", KILLS, ids=lambda point: point.name)
def test_a_task_killed_at_this_point_is_tried_again_and_ends_like_one_never_killed(story: Story, point: Point) -> None:
    seen = story.airflow.reached(point)
    assert seen["try"] == "1"
    assert [pid for pid, born in seen["processes"].items() if birth(int(pid)) == born] == []
    assert story.tries(point) == 2
    assert story.differences == []


def test_in_the_runs_without_kills_of_servers_no_other_task_is_tried_again(story: Story) -> None:
    again = {(run.run_id, task["task_id"]) for run in story.first for task in run.tasks() if task["try_number"] > 1}
    assert again == {(story.runs[point.name].run_id, point.task) for point in TASKS}


# -- extract
def _parts(story: Story, name: DatasetName) -> tuple[set[str], set[str]]:
    """The parts that are in the bucket, and those that an entry of the log names."""
    bucket = story.killed.servers.bucket
    log = DatasetLog(bucket, name)
    entries = [log.get(number) for number in log.numbers()]
    named = {part.path for entry in entries for part in (*entry.parts, *(entry.keys or ()))}
    return set(bucket.names(f"{name}/parts/")), named


def test_between_parts_the_first_was_written_and_is_swept_after_the_next_commit(story: Story) -> None:
    seen, (there, named) = _seen(story, "between_parts"), _parts(story, DatasetName("sse", "account"))
    assert len(named) > 4
    assert seen["parts"] == [seen["first"]]
    assert there == named


def test_before_the_log_entry_all_parts_were_written_and_are_swept_after_the_next_commit(story: Story) -> None:
    seen, (there, named) = _seen(story, "before_log_entry"), _parts(story, DatasetName("mis", "gentrack_account"))
    assert len(seen["parts"]) > 2
    assert there & set(seen["parts"]) == set()
    assert there == named
    assert _then(story, "before_log_entry")["batch"] == seen["number"]


@pytest.mark.parametrize("name", ["after_log_entry", "between_verbs_extract"])
def test_after_the_log_entry_the_next_try_uses_its_batch(story: Story, name: str) -> None:
    seen, then = _seen(story, name), _then(story, name)
    number = seen["number"] if "number" in seen else seen["summary"]["batch"]
    assert (then["batch"], then["reused"]) == (number, True)
    assert then["rows"] > 20


# -- load
def test_during_a_load_its_job_was_running_and_went_on_without_us(story: Story) -> None:
    seen = _seen(story, "during_load")
    assert seen["state"] == "RUNNING"
    job = story.killed.servers.big_query._client.get_job(seen["job"])
    assert (job.state, job.error_result) == ("DONE", None)
    assert job.output_rows > 1000


def test_a_load_that_was_done_is_not_done_again(story: Story) -> None:
    assert _seen(story, "between_verbs_load")["summary"]["rows_loaded"] > 1000
    assert _then(story, "between_verbs_load")["rows_loaded"] == 0


# -- merge
def test_before_the_commit_that_never_came_everything_else_had_run(story: Story) -> None:
    assert "everything but the COMMIT has run" in _seen(story, "before_commit_lost")["error"]


def test_before_the_commit_that_came_without_us_the_transaction_was_open(story: Story) -> None:
    seen = _seen(story, "before_commit_going_on")
    assert (seen["state"], seen["error"]) == ("RUNNING", "")
    job = story.killed.servers.big_query._client.get_job(seen["job"])
    assert (job.state, job.error_result) == ("DONE", None)


def test_after_the_commit_the_next_try_tells_what_was_merged_and_merges_nothing(story: Story) -> None:
    seen, then = _seen(story, "after_commit"), _then(story, "after_commit")
    assert seen["state"] == "DONE"
    assert then["inserted"] > 1000
    assert _then(story, "between_verbs_merge") == _seen(story, "between_verbs_merge")["summary"]


# -- publish
def test_between_produce_and_commit_all_records_were_written_and_none_can_be_read(story: Story) -> None:
    seen = _seen(story, "between_produce_and_commit")
    assert seen["records"] > 300
    assert seen["undelivered"] == 0
    assert seen["open"] >= seen["records"]


def test_after_the_first_of_several_commits_the_next_try_sends_the_rest(story: Story) -> None:
    seen, then = _seen(story, "after_publish_commit"), _then(story, "after_publish_commit")
    assert (seen["records"] > 300, seen["open"]) == (True, 0)
    sent = sum(
        m["events"]
        for m in story.runs["after_publish_commit"].summaries("merge")
        if m["mapping"].startswith("customer/")
    )
    assert then["events"] == sent - seen["records"] > 500


def test_what_was_published_is_not_published_again(story: Story) -> None:
    seen, then = _seen(story, "between_verbs_publish")["summary"], _then(story, "between_verbs_publish")
    assert seen["events"] > 1000
    assert (then["events"], then["last_change"]) == (0, seen["last_change"])
