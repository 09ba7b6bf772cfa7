"""A cohort is moved and rolled back by Airflow's forms alone, each once somebody has approved its report."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.errors import FormError
from include.local.demo_run import DagRun
from include.run import Run
from include.steps.move_check import check_move
from include.steps.move_request import MoveRequest
from tests.conftest import World
from tests.waiting import wait_until
from tests.whole_runs.airflow_of import AirflowOf
from tests.whole_runs.conftest import APPROVE_MOVES_ABOVE
from tests.whole_runs.pictures import events
from tests.whole_runs.story import Story

pytestmark = pytest.mark.timeout(1800)  # the story is told before the first test
WHY = "they were taken over too early"
_numbers = itertools.count(1)


@dataclass
class Jobs:
    """Airflow's jobs in one world, as a person starts them and answers them."""

    airflow: AirflowOf
    world: World

    def run(self, job: str, form: dict[str, Any], *, answer: str | None = None) -> DagRun:
        """To its end; `answer`: what somebody says to the report."""
        run = DagRun(self.airflow.platform, job, f"{job}-{next(_numbers)}-{self.world.name}")
        run.trigger(form)
        if answer:
            self.answer(run, answer)
        run.wait()
        return run

    def answer(self, run: DagRun, answer: str) -> None:
        """As often as asked: Airflow asks anew when somebody answers before its scheduler knows that the task waits."""
        api, path = self.airflow.platform.airflow(), f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        path += f"/approve.{run.dag_id}/-1/hitlDetails"
        wait_until(
            lambda: self.states(run)["approve"] == "awaiting_input", f"the question of {run.run_id}", seconds=300
        )
        assert api.get(path)["body"] == run.summary(f"check.{run.dag_id}")["report"]

        def is_done() -> bool:
            time.sleep(1)  # nobody reads faster
            state = self.states(run)["approve"]
            if state == "awaiting_input" and not api.get(path)["response_received"]:
                api.call("PATCH", path, {"chosen_options": [answer]})
            return state in ("success", "failed")

        wait_until(is_done, f"the answer to {run.run_id}", seconds=300)

    def states(self, run: DagRun) -> dict[str, str]:
        return {task["task_id"].partition(".")[0]: task["state"] for task in run.tasks()}

    def authority(self) -> list[dict[str, Any]]:
        """Who speaks, and who spoke."""
        name = self.world.servers.cloud.table("migration", "authority")
        return self.world.servers.big_query.query(f"SELECT * FROM `{name}` ORDER BY customer_key, since")

    def events(self) -> int:
        return sum(len(part) for entity in ("customer", "account") for part in events(self.world, entity))


def cohort(world: World, number: int) -> dict[str, Any]:
    """The form that moves customers whom the platform has taken over back to SSE, which still has them."""
    cloud = world.servers.cloud
    found = world.servers.big_query.query(
        f"SELECT m.customer_key FROM `{cloud.table('migration', 'authority')}` AS m "
        f"JOIN `{cloud.table('identity', 'customer')}` AS i ON i.customer_key = m.customer_key AND i.system = 'sse' "
        f"JOIN `{cloud.table('conformed', 'customer')}` AS c "
        "ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key "
        f"WHERE m.system = 'platform' AND m.until IS NULL AND c.is_present ORDER BY 1 LIMIT {number}"
    )
    keys = [row["customer_key"] for row in found]
    assert len(keys) == number
    form = {"cohort": keys, "to_system": "sse", "why": WHY, "ignore_balances": True}
    request = MoveRequest("sse", WHY, cohort=tuple(keys), ignore_balances=True, allow_vanishing=1_000_000)
    run = Run.begin("move_cohort", "before", 1)
    said = check_move(Catalogue(), world.servers, run, request, _unexpected)
    return {**form, "allow_vanishing": said["vanishing"], "dry_run": False}


def _unexpected(report: dict[str, Any]) -> None:
    raise AssertionError(report["refused"])


def spoken(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["customer_key"]: row["system"] for row in rows if row["until"] is None}


@pytest.fixture(scope="module")
def jobs(story: Story) -> Jobs:
    return Jobs(story.airflow, story.killed)


def test_a_cohort_is_moved_and_rolled_back_by_form_values_once_somebody_approves(jobs: Jobs) -> None:
    form = cohort(jobs.world, APPROVE_MOVES_ABOVE + 1)
    before, sent = jobs.authority(), jobs.events()
    run = jobs.run("move_cohort", form, answer="Approve")
    jobs.airflow.assert_success(run)
    done = run.summary("move.move_cohort")
    now = jobs.authority()
    moved = {key for key, system in spoken(now).items() if spoken(before)[key] != system}
    assert moved == set(form["cohort"])
    assert {spoken(now)[key] for key in moved} == {"sse"}
    published = run.summary("publish.move_cohort")
    assert sorted(published) == sorted(done["publishes"])
    assert sum(summary["events"] for summary in published.values()) == done["events"]
    sent_of_both = sum(published[entity]["events"] for entity in ("customer", "account") if entity in published)
    assert jobs.events() == sent + sent_of_both

    back_form = {"move_id": done["move_id"], "why": WHY, "dry_run": False}
    back = jobs.run("roll_back_move", back_form, answer="Approve")
    jobs.airflow.assert_success(back)
    assert back.summary("move.roll_back_move")["rolls_back"] == done["move_id"]
    after = jobs.authority()
    assert spoken(after) == spoken(before)
    assert len(after) == len(before) + 2 * len(moved), "the full history stays"


def test_what_nobody_approves_is_not_moved(jobs: Jobs) -> None:
    before = jobs.authority()
    run = jobs.run("move_cohort", cohort(jobs.world, APPROVE_MOVES_ABOVE + 1), answer="Reject")
    assert jobs.states(run) == {"check": "success", "approve": "success", "move": "skipped", "publish": "skipped"}
    assert jobs.authority() == before


def test_wrong_forms_are_refused_with_clear_words(jobs: Jobs) -> None:
    with pytest.raises(FormError, match="the field to_system must be one of: null, ") as refused:
        jobs.run("move_cohort", {"to_system": "Mrs Secret", "why": WHY, "cohort": ["0" * 32]})
    assert "Secret" not in str(refused.value)
    nobody = jobs.run("move_cohort", {"to_system": "sse", "why": WHY, "cohort": ["0" * 32]})  # a dry run
    assert jobs.states(nobody) == {"check": "failed"} | dict.fromkeys(("approve", "move", "publish"), "upstream_failed")
    said = nobody.log("check.move_cohort")
    assert "nobody is left to be moved; not all of them can be moved: 1 unknown (00000000" in said
    assert "where: the form of move_cohort" in said
    kept = nobody.summary("check.move_cohort")
    assert kept["dry_run"]
    assert "**Refused:** nobody is left to be moved" in kept["report"]
    assert [task["try_number"] for task in nobody.tasks() if task["state"] == "failed"] == [1]
