"""However a run fails, exactly one message reaches the people of its tier, one says when it is over, and nobody's data
is in any of it. The trials (trials/failing.py) have the very settings of every use case; receivers are the test's own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from include.local.airflow_api import ApiRefused
from include.local.demo_run import DagRun
from include.local.platform import Platform
from include.local.servers.server import request
from tests.conftest import World, bare_world
from tests.guard import guarded
from tests.waiting import wait_until
from tests.whole_runs import marked
from tests.whole_runs.kept import kept_by_airflow
from tests.whole_runs.receiver import Receiver, as_the_api_has_it, links_of

pytestmark = pytest.mark.timeout(600)
TRIALS = Path(__file__).with_name("trials")
NOTICED_AFTER_S = 20
"""Seconds without a heartbeat after which Airflow takes a task for dead."""
AT_ONCE = ("heals", "quiet", "killed", "timed_out", "marked_failed", "stopped", "mapped", "quoting", "unheard")


@dataclass
class Told:
    """Airflow with the trials, the receivers of the three tiers, and each trial's runs."""

    platform: Platform
    tiers: dict[int, Receiver]
    runs: list[DagRun] = field(default_factory=list)

    def trigger(self, name: str, conf: dict[str, Any] | None = None) -> DagRun:
        run = DagRun(self.platform, name, f"trial:{len(self.runs)}+{name}")
        wait_until(lambda: _pressed(lambda: run.trigger(conf)), f"a run of {name}")
        self.runs.append(run)
        return run

    def ended(self, name: str, conf: dict[str, Any] | None = None) -> DagRun:
        run = self.trigger(name, conf)
        run.wait()
        return run

    def of(self, name: str) -> list[dict[str, Any]]:
        return [message for receiver in self.tiers.values() for message in receiver.of(name)]

    def came(self, name: str, count: int = 1) -> None:
        wait_until(lambda: len(self.of(name)) >= count, f"message {count} of {name}")

    def names(self) -> list[str]:
        return [run.dag_id for run in self.runs]

    def run_of(self, name: str, number: int = 0) -> DagRun:
        return [run for run in self.runs if run.dag_id == name][number]

    def began(self, name: str, number: int) -> str:
        """As messages have it."""
        path = f"/dags/{name}/dagRuns/{quote(self.run_of(name, number).run_id, safe='')}"
        return f"{self.platform.airflow().get(path)['start_date'][:19].replace('T', ' ')} UTC"

    def only(self, name: str) -> dict[str, Any]:
        (message,) = self.of(name)
        return message

    def called(self, name: str, which: str) -> int:
        """How often Airflow has called a trial's callback."""
        words = (f'"event":"Executing on_{which} dag callback"', f'"dag_id":"{name}"')
        return sum(all(word in line for word in words) for line in self.callback_log().splitlines())

    def callback_log(self) -> str:
        files = (self.platform.state / "airflow" / "logs" / "dag_processor").rglob("*.log")
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())


@pytest.fixture(scope="module")
def world(platform: Platform) -> World:
    """Servers on which are people that nobody else is called."""
    made = bare_world(platform, "trials")
    marked.seed(made.servers)
    return made


@pytest.fixture(scope="module")
def told(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    tiers = {1: Receiver().start(), 2: Receiver(refuses=2).start(), 3: Receiver()}
    shared = {name: value for name, value in world.environment.items() if name.startswith("AIRFLOW_CONN_")}
    shared |= {name: value for name, value in world.environment.items() if name.endswith("_EMULATOR_HOST")}
    own = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(TRIALS),
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(NOTICED_AFTER_S),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
        **{f"AIRFLOW_CONN_ALERTS_TIER_{tier}": receiver.connection for tier, receiver in tiers.items()},
    }
    with guarded(tmp_path_factory.mktemp("alerts"), extra_environment=shared | own) as running:
        running.up(["airflow"], report=lambda text: None)
        found = Told(running, tiers)
        _fail_in_every_way(found)
        yield found
    for receiver in tiers.values():
        receiver.stop()


def _fail_in_every_way(told: Told) -> None:
    """All trials at once; meanwhile one fails twice and is whole twice."""
    for name in AT_ONCE:
        told.trigger(name)
    told.trigger("mistyped", {"dry_rum": True})
    _backfill(told, "mistyped", {"dry_rum": True})
    for count in (1, 2):
        told.ended("refused")
        told.came("refused", count)
    for part in ({"dry_run": True}, {"only": ["sse/customer"]}, {}, {}):
        told.ended("refused", {"well": True, **part})
    told.came("refused", 3)
    _mark_failed(told, "marked_failed", "waits")
    wait_until(lambda: "was not delivered" in told.callback_log(), "the end of the tries to tell of `unheard`")
    told.tiers[3].start()
    told.ended("unheard", {"well": True})
    told.came("unheard")
    for run in told.runs:
        run.wait()
    for name in set(told.names()) - {"heals", "quiet", "mistyped"}:
        told.came(name)
    wait_until(lambda: told.called("refused", "success") == 4, "the callback of the last success")
    wait_until(lambda: told.called("heals", "success") == 1, "the callback of what has healed by itself")
    time.sleep(2)  # a message too many would come now


def _pressed(button: Callable[[], object]) -> bool:
    """As a person who presses the button again when SQLite was busy."""
    try:
        button()
    except ApiRefused as error:
        if not any(words in str(error) for words in ("Database error", "Database is locked")):
            raise
        return False
    return True


def _backfill(told: Told, name: str, conf: dict[str, Any]) -> None:
    """A run that no person has asked for by the form."""
    day = "2026-01-02T04:00:00Z"
    body = {"dag_id": name, "from_date": day, "to_date": day, "dag_run_conf": conf}
    api = told.platform.airflow()
    wait_until(lambda: _pressed(lambda: api.call("POST", "/backfills", body)), f"a backfill of {name}")


def _mark_failed(told: Told, name: str, task_id: str) -> None:
    """As a person does in the UI, while the task runs."""
    api, run = told.platform.airflow(), told.run_of(name)
    path = f"/dags/{name}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/{task_id}"
    wait_until(lambda: api.get(path)["state"] == "running", f"the begin of {name}")

    def mark() -> bool:
        with suppress(ApiRefused):  # SQLite may be busy: then the person presses the button again
            api.call("PATCH", path, {"new_state": "failed"})
        return bool(api.get(path)["state"] == "failed")

    wait_until(mark, f"{name} marked as failed")


# ---- one message, to the right people


@pytest.mark.parametrize(
    ("name", "tier", "title"),
    [
        ("killed", 1, "killed failed (task_failure), tier 1"),
        ("timed_out", 2, "timed_out failed (timed_out), tier 2"),
        ("marked_failed", 2, "marked_failed failed (task_failure), tier 2"),
        ("stopped", 1, "stopped failed (task_failure), tier 1"),
        ("mapped", 1, "mapped failed (task_failure), tier 1"),
        ("quoting", 1, "quoting failed (task_failure), tier 1"),
    ],
)
def test_each_failure_is_told_once_to_its_tier_and_to_no_other(told: Told, name: str, tier: int, title: str) -> None:
    assert told.run_of(name).wait() == "failed"
    assert told.only(name)["title"] == title
    assert told.only(name)["type"] == "failure"
    assert len(told.tiers[tier].of(name)) == 1


def test_what_heals_by_itself_is_not_told(told: Told) -> None:
    run = told.run_of("heals")
    assert (run.wait(), [task["try_number"] for task in run.tasks()]) == ("success", [2])
    assert told.of("heals") == []


def test_who_waits_for_quiet_hours_spends_no_try_and_tells_nobody(told: Told) -> None:
    run = told.run_of("quiet")
    assert run.wait() == "success"
    assert [task["try_number"] for task in run.tasks()] == [1]
    logs = (told.platform.state / "airflow" / "logs").glob("dag_id=quiet/*/task_id=quiet/attempt=1.log")
    (text,) = (path.read_text(encoding="utf-8") for path in logs)
    assert text.count("waits: its hours have not begun") == 1, "it was begun again before its time"
    assert told.of("quiet") == []


def test_each_failed_run_is_told_and_once_that_the_whole_is_healthy_again(told: Told) -> None:
    titles = [message["title"] for message in told.of("refused")]
    failed = "refused failed (task_failure), tier 1"
    assert titles == [failed, failed, "refused is healthy again"]
    assert told.of("refused")[2]["type"] == "success"


# ---- what it says


def test_the_message_tells_who_since_when_what_and_what_to_do(told: Told) -> None:
    first, second, _ = told.of("refused")
    began = told.began("refused", 0)
    for message in (first, second):
        lines = message["message"].splitlines()
        assert lines[:2] == ["Use case: refused: Shows refused.", "Owner: trial-owners"]
        assert f"Since: {began}" in lines, "the second failure goes on from the first"
        assert "look: the column Shoe is missing" in lines
        assert "  where: CRM.dbo.Customer.Shoe" in lines
        assert "  to do: ask its owner" in lines
        assert "**At 3 a.m.** Sleep on: it was meant to fail." in message["message"]
    assert f"Run: {told.run_of('refused', 1).run_id}" in second["message"]


def test_the_end_is_told_with_its_begin(told: Told) -> None:
    message = told.of("refused")[2]["message"]
    assert f"It failed since {told.began('refused', 0)}" in message
    assert f"Run: {told.run_of('refused', 4).run_id}" in message, "neither a dry run nor a bite ends it"
    assert "Owner: trial-owners" in message


@pytest.mark.parametrize("name", ["refused", "killed", "mapped", "unheard"])
def test_its_links_open_the_run_and_the_logs_of_what_failed(told: Told, name: str) -> None:
    for message in told.of(name):
        for path in links_of(message):
            assert "<html" in request(f"{told.platform.airflow().url}{path}")
            assert told.platform.airflow().get(as_the_api_has_it(path))["dag_id"] == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("killed", "killed: left no error behind: it was killed, stopped, or marked failed by a person"),
        ("marked_failed", "waits: left no error behind: it was killed, stopped, or marked failed by a person"),
        ("timed_out", "the run: took longer than a run may take"),
        ("stopped", "fails_beside: the login was changed\n  where: CRM\n  to do: correct the connection"),
        ("stopped", "waits_beside: left no error behind"),
        ("mapped", "odd_ones_fail[0]: range 1 is refused"),
        ("mapped", "odd_ones_fail[2]: range 3 is refused"),
        ("mapped", "odd_ones_fail[4]: range 5 is refused"),
        ("quoting", "conversion_at_the_source: SQL Server refused a statement"),
        (
            "quoting",
            "row_in_a_cause: unforeseen: builtins.RuntimeError (its words may hold values: left out)\n  where: ",
        ),
        ("quoting", "row_at_hand_when_time_is_over: airflow.sdk.exceptions.AirflowTaskTimeout"),
        ("unheard", "It failed since "),
    ],
)
def test_what_went_wrong_is_said_as_far_as_it_is_known(told: Told, name: str, says: str) -> None:
    assert says in told.only(name)["message"]


def test_what_went_well_is_not_named_among_what_failed(told: Told) -> None:
    assert "odd_ones_fail[1]" not in told.only("mapped")["message"]


# ---- who is not told


def test_a_persons_mistyped_form_wakes_nobody_and_the_same_without_a_person_is_told(told: Told) -> None:
    assert told.run_of("mistyped").wait() == "failed"
    wait_until(lambda: told.called("mistyped", "failure") == 2, "both callbacks")
    message = told.only("mistyped")["message"]
    assert "Run: backfill__" in message
    assert "check.mistyped: the form has no field dry_rum" in message


# ---- receivers that are down


def test_a_receiver_that_is_back_within_seconds_gets_each_message_once(told: Told) -> None:
    receiver = told.tiers[2]
    assert len(receiver.refused) == 2
    assert sorted(message["title"].split()[0] for message in receiver.messages) == ["marked_failed", "timed_out"]


def test_a_message_that_nobody_takes_is_logged_and_the_next_run_tells_that_it_is_over(told: Told) -> None:
    run = told.run_of("unheard")
    assert run.wait() == "failed"
    assert "the message 'unheard failed (task_failure), tier 3' was not delivered to 1 of 1 services" in (
        told.callback_log()
    )
    assert told.only("unheard")["title"] == "unheard is healthy again"
    assert f"It failed since {told.began('unheard', 0)}" in told.only("unheard")["message"]


def test_no_callback_of_a_task_fails(told: Told) -> None:
    """Airflow calls a dead task's callback from a process that can leave nothing."""
    assert "Error in callback at index" not in told.callback_log()


# ---- nobody's data


@pytest.mark.parametrize("step", marked.FAILING, ids=lambda step: step.__name__)
def test_the_errors_of_the_trials_do_quote_the_row(world: World, step: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  whatever it is
        step(SimpleNamespace(servers=world.servers))
    assert marked.SURNAME in marked.all_words_of(caught.value)


def test_nobodys_data_is_in_a_message_a_log_an_xcom_or_the_database(told: Told) -> None:
    kept = kept_by_airflow(told.platform.state)
    kept["messages"] = json.dumps([receiver.messages + receiver.refused for receiver in told.tiers.values()])
    assert len(kept) > 20
    assert any("row_in_a_note" in text for text in kept.values()), "the logs were not found"
    assert {(file, word) for file, text in kept.items() for word in marked.WORDS if word in text} == set()
