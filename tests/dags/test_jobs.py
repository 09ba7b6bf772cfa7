"""A job's file becomes a DAG with a form; what the form takes, the first task understands."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError

from include.catalogue import CUSTOMER, ROOT, Catalogue
from include.errors import FormError, Refused
from include.publish.replay import STATE
from include.steps.cohort_asked import spaces
from include.steps.move_request import MoveRequest, RollBackRequest, parse_move, parse_roll_back
from include.steps.replay_request import Range, ReplayRequest, parse_replay
from orchestration.approval import ApproveMoves
from orchestration.use_case_dag import RETRY_POLICY
from tests.dags.dag_files import load

CATALOGUE = Catalogue()
FILES = sorted((ROOT / "dags" / "jobs").glob("*.py"))
WHO = {"cohort": ["0" * 32], "to_system": "platform", "why": "they asked for it"}
BACK = {"move_id": "0123456789ab", "why": "balances were wrong"}


def _load(path: Path) -> DAG:
    module = load(path)
    assert module.dag.doc_md == module.__doc__
    dag: DAG = module.dag
    return dag


DAGS = {path.stem: _load(path) for path in FILES}
MOVES = ("move_cohort", "roll_back_move")
AGAIN = {"entity": "customer", "why": "a consumer lost its state"}


def _submit(job: str, values: dict[str, Any]) -> dict[str, Any]:
    params = copy.deepcopy(DAGS[job].params)
    params.update(values)
    return dict(params.validate())


def _move(values: dict[str, Any]) -> MoveRequest:
    return parse_move(values, CATALOGUE.systems_of(CUSTOMER), list(spaces(CATALOGUE)))


def test_each_file_has_the_name_of_its_job_and_runs_by_hand_alone() -> None:
    assert {name: dag.dag_id for name, dag in DAGS.items()} == {n: n for n in (*MOVES, "replay_events")}
    assert {dag.schedule for dag in DAGS.values()} == {None}


@pytest.mark.parametrize("job", MOVES)
def test_nothing_is_moved_before_it_is_checked_and_approved_nor_published_before_it_is_moved(job: str) -> None:
    below = {task_id: DAGS[job].get_task(task_id).downstream_task_ids for task_id in DAGS[job].task_ids}
    assert below[f"check.{job}"] == {f"approve.{job}", f"move.{job}"}
    assert below[f"approve.{job}"] == {f"move.{job}"}
    assert below[f"move.{job}"] == {f"publish.{job}"}
    assert set(below) == {f"{verb}.{job}" for verb in ("check", "approve", "move", "publish")}
    assert {DAGS[job].get_task(task_id).trigger_rule for task_id in below} == {"all_success"}


@pytest.mark.parametrize("job", MOVES)
def test_a_move_tells_of_each_entity_that_a_customers_system_speaks_for(job: str) -> None:
    mastered = {e for e in CATALOGUE.entity_names() if CATALOGUE.entity(e).mastered == "by_customer"}
    outlets = {
        f"{verb}.{job}": {a.name for a in DAGS[job].get_task(f"{verb}.{job}").outlets} for verb in ("move", "publish")
    }
    topics = {f"events.{e}" for e in mastered & set(CATALOGUE.published_entities())}
    assert outlets == {f"move.{job}": {f"common_model.{e}" for e in mastered}, f"publish.{job}": topics}
    assert {"common_model.customer", "common_model.account"} <= outlets[f"move.{job}"]


@pytest.mark.parametrize("job", MOVES)
def test_a_move_takes_its_turn_among_the_merges_and_its_wait_for_a_person_stops_nobody(job: str) -> None:
    assert DAGS[job].get_task(f"move.{job}").pool == CATALOGUE.merge_pool(CUSTOMER)
    assert DAGS[job].max_active_runs > 1
    approve = DAGS[job].get_task(f"approve.{job}")
    assert isinstance(approve, ApproveMoves)
    assert approve.execution_timeout is None, "Airflow would take it for the patience"
    assert approve.response_timeout < DAGS[job].dagrun_timeout


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"to_system": "nowhere"}, "is not one of"),
        ({"ids_of": "sse/account"}, "is not one of"),
        ({"why": "short"}, "is too short"),
        ({"cohort": "7"}, "is not of type 'array'"),
        ({"cohort": [" 7"]}, "does not match"),
        ({"cohort": ["7"] * 1001}, "is too long"),
        ({"cohort_file": "june.csv"}, "does not match"),
        ({"cohort_query": "nobody_wrote_it"}, "is not one of"),
        ({"allow_vanishing": -1}, "is less than the minimum"),
        ({"dry_run": "no"}, "is not of type 'boolean'"),
    ],
)
def test_the_form_of_a_move_refuses_wrong_values(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamValidationError, match=says):
        _submit("move_cohort", {**WHO, **values})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"accounts_opened_since": "close"}, "is not one of"),
        ({"why": "short"}, "is too short"),
        ({"allow_vanishing": "3"}, "is not of type 'integer'"),
    ],
)
def test_the_form_of_a_roll_back_refuses_wrong_values(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamValidationError, match=says):
        _submit("roll_back_move", {**BACK, **values})


def test_a_form_with_what_is_needed_alone_asks_for_a_report_and_allows_nothing() -> None:
    assert _move(_submit("move_cohort", WHO)) == MoveRequest("platform", "they asked for it", cohort=("0" * 32,))
    assert parse_roll_back(_submit("roll_back_move", BACK)) == RollBackRequest("0123456789ab", "balances were wrong")
    assert MoveRequest("platform", "").dry_run
    assert RollBackRequest("", "").dry_run


def test_a_form_that_nobody_filled_in_is_refused() -> None:
    with pytest.raises(FormError, match="to_system is not given"):
        _move(_submit("move_cohort", {}))
    with pytest.raises(FormError, match="move_id is not given"):
        parse_roll_back(_submit("roll_back_move", {}))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"too_system": "sse"}, "no field too_system"),
        ({"to_system": "platfrom"}, "to_system is 'platfrom', did you mean platform"),
        ({"to_system": None}, "to_system is not given"),
        ({"why": "    short     "}, "why has 5 characters"),
        ({"why": "a reason with \x00 in it"}, "cannot be printed"),
        ({"cohort": []}, "the form names no customer"),
        ({"cohort": ["", ""]}, "the form names no customer"),
        ({"cohort": None}, "the form names no customer"),
        ({"cohort": "7"}, "not a list of texts"),
        ({"cohort": ["7"] * 1001}, "cohort has 1,001 ids"),
        ({"cohort_query": "a"}, "cohort and cohort_query both name customers"),
        ({"cohort": [], "cohort_file": "cohorts/../x.csv"}, "cohort_file is"),
        ({"ids_of": "sse/account"}, "ids_of is 'sse/account'"),
        ({"allow_vanishing": True}, "allow_vanishing is True"),
        ({"allow_vanishing": -1}, "allow_vanishing is -1"),
        ({"dry_run": 0}, "dry_run is 0"),
        ({"leave_out_not_ready": "yes"}, "leave_out_not_ready is 'yes'"),
    ],
)
def test_what_the_api_lets_through_is_refused_by_the_first_task(values: dict[str, Any], says: str) -> None:
    with pytest.raises(FormError, match=says) as refused:
        _move({**WHO, **values})
    assert refused.value.where == "the form of move_cohort"


# -- replays
def test_nothing_is_sent_once_more_before_it_is_counted() -> None:
    dag = DAGS["replay_events"]
    assert {task: dag.get_task(task).downstream_task_ids for task in dag.task_ids} == {
        "check.replay_events": {"publish.replay_events"},
        "publish.replay_events": set(),
    }
    assert dag.get_task("publish.replay_events").pool == "publish"


def test_a_replays_form_with_what_is_needed_alone_counts_the_current_state() -> None:
    assert _replay(_submit("replay_events", AGAIN)) == ReplayRequest("customer", STATE, AGAIN["why"], dry_run=True)
    times = {"what": "history", "from_time": "2026-11-27T08:00:00Z", "to_change": 7}
    found = _replay(_submit("replay_events", {**AGAIN, **times})).range
    assert found == Range(from_time=datetime(2026, 11, 27, 8, tzinfo=UTC), to_change=7)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"entity": "priority_service"}, "is not one of"),
        ({"what": "all"}, "is not one of"),
        ({"from_change": "1"}, "is not of type 'null', 'integer'"),
        ({"why": "short"}, "is too short"),
    ],
)
def test_the_form_of_a_replay_refuses_wrong_values(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamValidationError, match=says):
        _submit("replay_events", {**AGAIN, **values})


def _replay(values: dict[str, Any]) -> ReplayRequest:
    return parse_replay(values, CATALOGUE.published_entities(), list(spaces(CATALOGUE)))


class _Instance:
    """What an operator asks of its task instance."""

    id = "x"

    def __init__(self, report: dict[str, Any]) -> None:
        self._report, self.pushed = report, dict[str, Any]()

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self._report if task_ids == "check.move_cohort" else self.pushed.get(key)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def _approve(**report: Any) -> Any:
    instance: Any = _Instance(report)
    return DAGS["move_cohort"].get_task("approve.move_cohort").execute({"ti": instance})


def test_nobody_is_asked_again_after_days_without_an_answer() -> None:
    approve: Any = DAGS["move_cohort"].get_task("approve.move_cohort")
    with pytest.raises(Refused, match="nobody has answered within 3 days") as refused:
        approve.execute_complete({"ti": _Instance({})}, {"error_type": "timeout", "error": "too late"})
    assert RETRY_POLICY.evaluate(refused.value, 1, 3).action.value == "fail"


def test_a_dry_run_ends_with_its_report_and_a_small_move_asks_nobody() -> None:
    with pytest.raises(AirflowSkipException):
        _approve(dry_run=True, needs_approval=True)
    assert _approve(dry_run=False, needs_approval=False) == {"chosen_options": [], "asked": False}
