"""A message goes out whatever else is broken, once to each service, and says what the use case's file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Variable
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from include.catalogue import Catalogue
from include.errors import RequestError, Unavailable
from orchestration import delivery
from orchestration.alerts import (
    MOST,
    SILENT,
    TOO_LONG,
    _body,
    _failed,
    _instance,
    _is_mistyped,
    leave_error,
    tell_quarantined,
)
from orchestration.delivery import deliver
from orchestration.use_case_dag import run_settings, use_case_dag
from tests.whole_runs.receiver import Receiver

CASE = Catalogue().use_case("customer_base")
RUN_ID = "manual__2026-01-01T00:00:00+00:00"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver().start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "WAITS_S", (0.1, 0.1))


def _connect(monkeypatch: pytest.MonkeyPatch, *addresses: str, tier: int = 1) -> None:
    config = [{"path": address, "tag": "alerts"} for address in addresses]
    monkeypatch.setenv(
        f"AIRFLOW_CONN_ALERTS_TIER_{tier}", json.dumps({"conn_type": "apprise", "extra": {"config": config}})
    )


DAG_WITHOUT_DATABASE = SimpleNamespace(dag_id=CASE.name, task_ids=["check.customer_base"])


@pytest.mark.parametrize("noted", ["yesterday", None])
def test_when_airflow_answers_nothing_the_message_goes_out_with_what_is_known(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, noted: str | None
) -> None:
    _connect(monkeypatch, receiver.address, tier=2)
    if noted:
        monkeypatch.setenv("AIRFLOW_VAR_FAILING.CUSTOMER_BASE", noted)
    alert: Any = use_case_dag(replace(CASE, tier=2), "**At 3 a.m.** Read this.").on_failure_callback
    alert({"dag": DAG_WITHOUT_DATABASE, "run_id": "nightly", "reason": "task_failure"})
    (message,) = receiver.messages
    assert message["title"] == "customer_base failed (task_failure), tier 2"
    lines = message["message"].splitlines()
    for line in (
        "Owner: customer-platform",
        "Run: nightly",
        f"Since: {noted or 'an unknown time'}",
        f"the run: {SILENT}",
    ):
        assert line in lines
    assert "**At 3 a.m.** Read this." in lines


@pytest.mark.parametrize(
    ("since", "conf", "publishing", "told"),
    [
        ("yesterday", {}, "success", ["customer_base is healthy again"]),
        ("yesterday", {}, "skipped", []),
        ("yesterday", {"dry_run": True}, "success", []),
        ("yesterday", {"only": ["sse/customer"]}, "success", []),
        ("yesterday", {"cohort": ["7"]}, "success", []),
        ("yesterday", {"cohort_file": "cohorts/june.csv"}, "success", []),
        ("yesterday", {"cohort_query": "some"}, "success", []),
        (None, {}, "success", []),
    ],
)
def test_only_a_whole_success_of_what_failed_is_told_and_ends_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, since: str | None, conf: Any, publishing: str, told: list[str]
) -> None:
    """Publishing is skipped when a person holds it; that there was no range to read proves nothing."""
    states = {"read.sse_customer": "skipped", "publish.account": "success", "publish.customer": publishing}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda dag_id, run_ids: {run_ids[0]: states})
    ended: list[str] = []
    monkeypatch.setattr(Variable, "delete", ended.append)  # nobody is there to be asked for it
    if since:
        monkeypatch.setenv("AIRFLOW_VAR_FAILING.CUSTOMER_BASE", since)
    _connect(monkeypatch, receiver.address)
    run = {"dag": DAG_WITHOUT_DATABASE, "dag_run": SimpleNamespace(conf=conf), "run_id": "nightly"}
    run_settings(CASE, "text")["on_success_callback"](run)
    assert [message["title"] for message in receiver.messages] == told
    assert all("It failed since yesterday" in message["message"] for message in receiver.messages)
    assert ended == ["failing.customer_base"] * len(told)


def test_what_failed_is_told_in_the_dags_order_and_what_was_stopped_by_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = {"load.b": "failed", "extract.a_10": "failed", "extract.a_9": "failed", "load.a": "upstream_failed"}
    states |= {"check.c": "success", "publish.p": "skipped"}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda dag_id, run_ids: {run_ids[0]: states})
    dag = SimpleNamespace(dag_id="c", task_ids=["check.c", "extract.a", "load.a", "load.b", "publish.p"])
    found = _failed({"dag": dag, "run_id": RUN_ID})
    assert found == [("extract.a", 9), ("extract.a", 10), ("load.b", -1)]


ASIDE = {"mapping": "customer/from_sse_customer", "quarantined": 3}


def test_rows_that_are_kept_aside_are_told_to_the_tier_with_where_they_lie(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _connect(monkeypatch, receiver.address, tier=CASE.tier)
    context: Any = {"run_id": "nightly"}
    tell_quarantined(CASE, "sse/customer", ASIDE, context)
    (message,) = receiver.messages
    assert message["title"] == f"customer_base: 3 rows kept aside, tier {CASE.tier}"
    assert "Owner: customer-platform" in message["message"].splitlines()
    assert "quarantine.sse_customer" in message["message"]


def test_a_merge_stays_when_nobody_can_be_told_of_rows_kept_aside(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.stop()
    _connect(monkeypatch, receiver.address, tier=CASE.tier)
    context: Any = {"run_id": "nightly"}
    tell_quarantined(CASE, "sse/customer", ASIDE, context)
    assert "nobody was told (customer_base: 3 rows kept aside" in caplog.text


class _Instance:
    """Keeps what a task's callback leaves."""

    def __init__(self) -> None:
        self.left: list[dict[str, Any]] = []

    def xcom_push(self, key: str, value: dict[str, Any]) -> None:
        self.left.append(value)


def test_of_a_foreign_error_type_and_place_are_left_and_none_of_its_words() -> None:
    instance = _Instance()
    try:
        int("Mrs Secret")
    except ValueError as error:
        leave_error({"exception": error, "ti": instance})
    (left,) = instance.left
    assert left["type"] == "ValueError"
    assert left["text"].startswith("builtins.ValueError (its words may hold values: left out)\n  where: ")
    assert "test_alerts.py" in left["text"]
    assert "Secret" not in left["text"]


def test_of_a_dead_task_nothing_is_left() -> None:
    instance = _Instance()
    leave_error({"ti": instance})
    assert instance.left == []


CHECK, REFUSED = ("check.customer_base", -1), {"type": "FormError", "text": "no field dry_rum"}


@pytest.mark.parametrize(
    ("run_type", "failures", "is_mistyped"),
    [
        ("manual", {CHECK: REFUSED}, True),
        ("scheduled", {CHECK: REFUSED}, False),
        ("backfill", {CHECK: REFUSED}, False),
        ("manual", {CHECK: {"type": "DeclarationError", "text": "a wrong mapping"}}, False),
        ("manual", {("extract.sse_customer", -1): {"type": "RequestError", "text": "no connection 'sse'"}}, False),
        ("manual", {CHECK: {"type": "RequestError", "text": "no connection 'google_cloud_default'"}}, False),
        ("manual", {}, False),
    ],
)
def test_only_a_persons_refused_form_is_not_told(run_type: str, failures: Any, is_mistyped: bool) -> None:
    assert _is_mistyped({"dag_run": SimpleNamespace(run_type=run_type)}, failures) is is_mistyped


def test_of_two_services_the_one_that_answers_is_told_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    _connect(monkeypatch, Receiver().address, receiver.address)
    with pytest.raises(Unavailable, match="not delivered to 1 of 2 services"):
        deliver("alerts_tier_1", "title", "body", is_failure=True)
    assert len(receiver.messages) == 1


@pytest.mark.parametrize(("one_answers", "times"), [(True, 1), (False, 0)])
def test_what_one_service_has_heard_is_known_though_another_is_silent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, one_answers: bool, times: int
) -> None:
    """Else every success after it would be told as the end of the failure."""
    heard: list[bool] = []
    _connect(monkeypatch, Receiver().address, *([receiver.address] if one_answers else []))
    with pytest.raises(Unavailable):
        deliver("alerts_tier_1", "title", "body", is_failure=False, heard=lambda: heard.append(True))
    assert len(heard) == times


@pytest.mark.parametrize(("patience", "delivered"), [(delivery.PATIENCE_S, 1), (0, 0)])
def test_who_refuses_once_is_asked_again_while_there_is_time(
    monkeypatch: pytest.MonkeyPatch, patience: int, delivered: int
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_S", patience)
    busy = Receiver(refuses=1).start()
    _connect(monkeypatch, busy.address)
    with nullcontext() if delivered else pytest.raises(Unavailable):
        deliver("alerts_tier_1", "title", "body", is_failure=True)
    busy.stop()
    assert (len(busy.refused), len(busy.messages)) == (1, delivered)


def test_an_entry_without_an_address_keeps_nothing_from_the_others(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = [{"tag": "alerts"}, {"path": receiver.address, "tag": "alerts"}]
    monkeypatch.setenv("AIRFLOW_CONN_ALERTS_TIER_1", json.dumps({"conn_type": "apprise", "extra": {"config": config}}))
    with pytest.raises(RequestError, match="understands: entry 1"):
        deliver("alerts_tier_1", "title", "body", is_failure=True)
    assert len(receiver.messages) == 1


def test_an_address_that_is_none_is_named_by_its_number_and_the_others_are_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _connect(monkeypatch, receiver.address, "jsn://secret@nowhere")
    with pytest.raises(RequestError, match="understands: entry 2") as caught:
        deliver("alerts_tier_1", "title", "body", is_failure=False)
    assert "secret" not in str(caught.value)
    assert [message["type"] for message in receiver.messages] == ["success"]


def test_a_connection_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _connect(monkeypatch)
    with pytest.raises(RequestError, match="the list is empty"):
        deliver("alerts_tier_1", "title", "body", is_failure=True)


def test_of_very_many_failed_instances_some_are_told_in_full_and_the_others_counted() -> None:
    failures = {("extract.x", index): {"type": "Refused", "text": f"range {index}"} for index in range(MOST + 7)}
    body = _body(CASE, "text", {"run_id": RUN_ID, "reason": "task_failure"}, failures, "yesterday")
    assert f"extract.x[{MOST - 1}]: range {MOST - 1}\nand 7 more\n" in body
    assert "the run: " not in body
    run = "/dags/customer_base/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert f"Link: {run}\n" in body
    assert body.endswith(f"Log of extract.x[{MOST - 1}]: {run}/tasks/extract.x/mapped/{MOST - 1}")


def test_that_the_time_was_over_is_told_beside_what_failed_before() -> None:
    failures = {("load.x", -1): {"type": "Refused", "text": "it is forbidden"}}
    body = _body(CASE, "text", {"run_id": RUN_ID, "reason": "timed_out"}, failures, "yesterday")
    assert f"\nthe run: {TOO_LONG}\nload.x: it is forbidden\n" in body


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("extract.sse_customer", ("extract.sse_customer", -1)),
        ("extract.sse_customer_12", ("extract.sse_customer", 12)),
        ("extract.meter_2", ("extract.meter_2", -1)),
        ("extract.meter_2_0", ("extract.meter_2", 0)),
    ],
)
def test_airflows_name_of_an_instance_is_understood(name: str, instance: tuple[str, int]) -> None:
    assert _instance(name, ["extract.sse_customer", "extract.meter_2"]) == instance
