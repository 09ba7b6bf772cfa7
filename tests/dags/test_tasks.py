"""What leaves a task is ours: no value of a row is in an error, a log or a summary."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, AirflowTaskTimeout

from include.catalogue import Catalogue
from include.errors import NotDeployed, NotNow, SourceRefused, Unavailable
from include.local.platform import Platform
from include.run import Run
from include.steps.deploy import DATASETS
from include.steps.environment import stamp_storage
from include.steps.request import Request
from orchestration import tasks
from tests.conftest import bare_world


@pytest.fixture(autouse=True)
def _no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_work", lambda use_case: None)


def _raising(error: BaseException) -> Any:
    def step(work: object) -> dict[str, Any]:
        raise error

    return step


def test_an_unforeseen_error_keeps_its_type_and_place_but_none_of_its_words() -> None:
    def step(work: object) -> dict[str, Any]:
        try:
            raise ValueError("could not convert 'Mrs Secret' to date")
        except ValueError as cause:
            raise RuntimeError("row with Mrs Secret") from cause

    with pytest.raises(Unavailable) as caught:
        tasks._guarded("x", step)
    assert "RuntimeError" in caught.value.problem
    assert "test_tasks.py" in caught.value.where
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_our_own_error_goes_out_without_its_cause() -> None:
    error = SourceRefused("no", where="there", remedy="ask")
    error.__cause__ = ValueError("Mrs Secret")
    with pytest.raises(SourceRefused) as caught:
        tasks._guarded("x", _raising(error))
    assert caught.value.__cause__ is None


def test_a_step_that_must_wait_gives_its_slot_back_until_that_moment() -> None:
    at = datetime(2026, 1, 1, 22, tzinfo=UTC)
    with pytest.raises(AirflowRescheduleException) as caught:
        tasks._guarded("x", _raising(NotNow("quiet", where="there", remedy="waits", until=at)))
    assert caught.value.reschedule_date == at


def test_what_is_being_handled_when_the_time_is_over_does_not_go_out() -> None:
    def step(work: object) -> dict[str, Any]:
        try:
            raise ValueError("row with Mrs Secret")
        except ValueError:
            raise AirflowTaskTimeout("4 hours")  # noqa: B904  as Airflow's alarm does

    with pytest.raises(AirflowTaskTimeout) as caught:
        tasks._guarded("x", step)
    assert caught.value.__suppress_context__
    assert "Secret" not in "".join(traceback.format_exception(caught.value))


def test_a_skip_stays_a_skip() -> None:
    with pytest.raises(AirflowSkipException):
        tasks._guarded("x", _raising(AirflowSkipException("only others")))


def test_the_first_task_refuses_connections_that_do_not_belong_together(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each case of that is in tests/include/steps/test_shadow.py; here nothing is deployed at all."""
    work = _in_a_bare_world(platform, monkeypatch)
    with pytest.raises(NotDeployed, match="tables apply"):
        tasks.check(work.use_case.name)


def test_the_first_task_refuses_tables_that_are_missing(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    work = _in_a_bare_world(platform, monkeypatch)
    for name in DATASETS:
        work.servers.big_query.create_dataset(work.servers.cloud.dataset_prefix + name)
    stamp_storage(work.catalogue, work.servers)
    with pytest.raises(NotDeployed, match="there is no such table") as refused:
        tasks.check(work.use_case.name)
    assert "change_log.customer" in refused.value.where
    assert "tables apply" in refused.value.remedy


def _in_a_bare_world(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> tasks._Work:
    catalogue, servers = Catalogue(), bare_world(platform, "first").servers
    case = catalogue.use_case("customer_base")
    work = tasks._Work(catalogue, servers, Run.begin(case.name, "a_run", 1), case, Request())
    monkeypatch.setattr(tasks, "_work", lambda use_case: work)
    return work
