"""A use case's file becomes a DAG whose graph, form, pools and priorities follow from the declaration."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG, TriggerRule, WeightRule
from airflow.sdk.exceptions import ParamValidationError

from include.catalogue import ROOT, Catalogue
from include.errors import DeclarationError, Refused, RequestError, SourceRefused, SourceUnavailable, Unavailable
from include.names import MappingName
from include.steps.deploy import pools
from include.steps.request import Request, parse_request
from include.use_case import UseCase
from orchestration.alerts import leave_error
from orchestration.use_case_dag import RETRY_POLICY, use_case_dag
from tests.dags.dag_files import load

FILES = sorted((ROOT / "dags").glob("*.py"))
CASE = Catalogue().use_case("customer_base")


@pytest.fixture(scope="module")
def dag() -> DAG:
    found = load(ROOT / "dags" / "customer_base.py").dag
    assert isinstance(found, DAG)
    return found


def test_there_are_dag_files() -> None:
    assert [path.stem for path in FILES] == sorted(Catalogue().use_cases)
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_the_use_case_and_the_dag_have_one_name(path) -> None:  # type: ignore[no-untyped-def]
    module = load(path)
    assert module.dag.dag_id == path.stem
    assert module.dag.doc_md.startswith(module.__doc__)


def test_the_tasks_are_called_verb_dot_name_and_follow_the_way_of_the_data(dag: DAG) -> None:
    assert len(dag.task_ids) == 1 + 6 + 6 + 6 + 2
    below = {task_id: dag.get_task(task_id).downstream_task_ids for task_id in dag.task_ids}
    assert len(below["check.customer_base"]) == 6
    assert below["extract.sse_customer"] == {"load.sse_customer"}
    assert below["load.sse_customer"] == {"merge.customer_from_sse_customer"}
    for entity in CASE.publishes:
        changing = {"customer": {"customer"}, "account": {"customer", "account"}}[entity]  # accounts follow customers
        merges = {f"merge.{mapping.task}" for mapping in CASE.mappings if mapping.entity in changing}
        assert {task_id for task_id, after in below.items() if f"publish.{entity}" in after} == merges
        assert below[f"publish.{entity}"] == set()
        rule = dag.get_task(f"publish.{entity}").trigger_rule
        assert rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, "`only` skips some of the merges"


def test_a_dataset_that_is_split_is_planned_and_read_before_its_extract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "is_split", lambda self, name: str(name) == "sse/customer")
    dag = load(ROOT / "dags" / "customer_base.py").dag
    assert len(dag.task_ids) == 2 + 1 + 6 + 6 + 6 + 2
    below = {task_id: dag.get_task(task_id).downstream_task_ids for task_id in dag.task_ids}
    assert "plan.sse_customer" in below["check.customer_base"]
    assert below["plan.sse_customer"] == {"read.sse_customer"}
    assert below["read.sse_customer"] == {"extract.sse_customer"}
    assert dag.get_task("extract.sse_customer").trigger_rule == TriggerRule.NONE_FAILED, "there may be no range"
    assert {dag.get_task(f"{verb}.sse_customer").pool for verb in ("plan", "read", "extract")} == {"source_sse"}


def test_a_topic_that_several_publish_is_claimed_first_and_each_shard_is_a_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Catalogue, "shards", lambda self, entity: {"customer": 3}.get(entity, 1))
    dag = load(ROOT / "dags" / "customer_base.py").dag
    claim, publish = dag.get_task("claim.customer"), dag.get_task("publish.customer")
    assert claim.downstream_task_ids == {"publish.customer"}
    assert claim.trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    assert {task_id.split(".")[0] for task_id in claim.upstream_task_ids} == {"merge"}
    assert publish.upstream_task_ids == {"claim.customer"}
    assert publish.trigger_rule == TriggerRule.ALL_SUCCESS
    assert publish.op_kwargs_expand_input.value == {"shard": [[0, 3], [1, 3], [2, 3]]}
    assert "claim.account" not in dag.task_ids


def test_every_pool_is_one_that_the_deployment_makes(dag: DAG) -> None:
    made = pools(Catalogue())
    used = {dag.get_task(task_id).pool for task_id in dag.task_ids} - {"default_pool"}
    assert used == {"source_sse", "source_mis", "source_platform", "merge_customer", "publish"}
    assert used <= set(made)
    assert made["merge_customer"]["slots"] == 1


def test_what_comes_first_has_the_greater_weight_and_it_is_absolute(dag: DAG) -> None:
    later = use_case_dag(replace(Catalogue().use_case("customer_base"), name="later", priority=2), "Later.")
    first = min(dag.get_task(task_id).priority_weight for task_id in dag.task_ids)
    second = max(later.get_task(task_id).priority_weight for task_id in later.task_ids)
    rules = {WeightRule(dag.get_task(task_id).weight_rule) for task_id in dag.task_ids}
    assert first > second > 0
    assert rules == {WeightRule.ABSOLUTE}


def test_what_leads_to_a_parent_comes_before_what_leads_to_its_child(dag: DAG) -> None:
    """At the source, too: a parent that waits for its load is late whatever the pool of the merges does."""
    weights = {
        entity: {dag.get_task(f"{verb}.{system}_{table}").priority_weight for verb in ("extract", "load")}
        | {dag.get_task(f"merge.{entity}_from_{system}_{table}").priority_weight}
        for entity, system, table in (("customer", "mis", "gentrack_customer"), ("account", "mis", "gentrack_account"))
    }
    (parent,), (child,) = weights.values()
    assert parent == child + 1


def test_what_takes_customers_over_comes_after_what_follows_them(dag: DAG) -> None:
    last = dag.get_task("merge.customer_from_platform_customer").priority_weight
    tasks = [dag.get_task(f"merge.account_from_{name}") for name in ("platform_account", "sse_account")]
    assert {task.priority_weight for task in tasks} == {last + 1}


def test_a_mapping_takes_over_by_its_columns_and_not_by_its_comments(tmp_path: Path) -> None:
    catalogue, name = Catalogue(tmp_path), MappingName.parse("customer/from_platform_customer", "")
    path = catalogue.mapping_path(name)
    path.parent.mkdir(parents=True)
    for text, takes_over in (
        ("SELECT a AS taken_over_at\n", True),
        ("SELECT\n  a  as `taken_over_at`,\n", True),
        ("-- nothing AS taken_over_at yet\nSELECT taken_over_at AS b\n", False),
    ):
        path.write_text(text, encoding="utf-8")
        assert catalogue.takes_over(name) is takes_over


def test_there_is_an_asset_per_entity_and_per_topic(dag: DAG) -> None:
    outlets = {asset.name for task_id in dag.task_ids for asset in dag.get_task(task_id).outlets}
    assert outlets == {"common_model.customer", "common_model.account", "events.customer", "events.account"}


def test_it_never_runs_twice_at_once_nor_catches_up_and_its_clock_is_london(dag: DAG) -> None:
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert str(dag.timetable.timezone) == "Europe/London"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (Refused("x", where="x", remedy="x"), "fail"),
        (RequestError("x", where="the form", remedy="x"), "fail"),
        (SourceRefused("x", where="x", remedy="x"), "fail"),
        (Unavailable("x", where="x", remedy="x"), "retry"),
        (SourceUnavailable("x", where="x", remedy="x"), "retry"),
    ],
)
def test_what_can_heal_is_retried_and_what_cannot_fails_at_once(error: Exception, action: str) -> None:
    assert RETRY_POLICY.evaluate(error, 1, 3).action.value == action


def test_every_task_is_tried_again_by_that_policy(dag: DAG) -> None:
    assert {dag.get_task(task_id).retries for task_id in dag.task_ids} == {5}
    assert all(dag.get_task(task_id).retry_policy is RETRY_POLICY for task_id in dag.task_ids)
    for task in map(dag.get_task, dag.task_ids):
        waits = [task.retry_delay * task.retry_exponential_backoff**number for number in range(task.retries)]
        assert timedelta(minutes=5) < sum(waits, timedelta()) < timedelta(minutes=6), "a restart, a failover"


def test_a_task_that_hangs_is_stopped_by_its_own_time_and_leaves_its_error(dag: DAG) -> None:
    """Where the run's time stops it, nobody is told which task it was."""
    tasks = [dag.get_task(task_id) for task_id in dag.task_ids]
    assert all(task.execution_timeout < dag.dagrun_timeout for task in tasks)
    assert all(task.on_failure_callback == [leave_error] for task in tasks)


def test_a_summary_is_one_value_not_one_more_for_each_key(dag: DAG) -> None:
    assert not [task_id for task_id in dag.task_ids if dag.get_task(task_id).multiple_outputs]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"dry_run": "yes"}, "is not of type 'boolean'"),
        ({"only": ["sse/nothing"]}, "is not one of"),
        ({"only": "sse/customer"}, "is not of type 'array'"),
        ({"allow_deletions": ["sse/customer"]}, "does not match"),
        ({"allow_deletions": ["sse/nothing=5"]}, "does not match"),
        ({"allow_deletions": ["sse/customer=5 or more"]}, "does not match"),
        ({"cohort": "7"}, "is not of type 'array'"),
        ({"cohort": [" 7"]}, "does not match"),
        ({"cohort": [7]}, "is not of type 'string'"),
        ({"cohort": ["7"] * 1001}, "is too long"),
        ({"cohort_file": "june.csv"}, "does not match"),
        ({"cohort_file": "cohorts/june.csv.exe"}, "does not match"),
        ({"cohort_query": "nobody_wrote_it"}, "is not one of"),
    ],
)
def test_the_form_refuses_wrong_values(dag: DAG, values: dict[str, object], says: str) -> None:
    with pytest.raises(ParamValidationError, match=says):
        _submit(dag, values)


@pytest.mark.parametrize("emptied", [{}, {"only": None, "allow_deletions": None, "cohort": None}])
def test_a_form_that_nobody_filled_in_asks_for_the_whole_work(dag: DAG, emptied: dict[str, object]) -> None:
    """The night's run has these values, too; a list that was emptied in the UI is null."""
    assert parse_request(_submit(dag, emptied), CASE) == Request()


@pytest.mark.parametrize(
    "given",
    [
        {"cohort": ["7", "A 8"]},
        {"cohort_file": "cohorts/moving in/june.xlsx"},
        {"cohort_query": Catalogue().cohort_names()[0]},
    ],
)
def test_a_form_that_asks_for_some_customers_is_understood(dag: DAG, given: dict[str, object]) -> None:
    request = parse_request(_submit(dag, {**given, "only": ["sse/customer"]}), CASE)
    assert request.told.keys() == {"only", *given}


def _submit(dag: DAG, values: dict[str, object]) -> dict[str, object]:
    params = copy.deepcopy(dag.params)
    params.update(values)
    return dict(params.validate())


def test_a_file_without_text_is_refused() -> None:
    with pytest.raises(DeclarationError, match="has no text"):
        use_case_dag(CASE, "  ")


def test_a_copied_file_that_still_has_the_others_name_is_refused() -> None:
    copy_of = ROOT / "dags" / "customer_base.py"
    code = compile(copy_of.read_text(encoding="utf-8"), "other.py", "exec")
    with pytest.raises(DeclarationError, match="the use case is called customer_base") as caught:
        exec(code, {"__file__": str(ROOT / "dags" / "other.py"), "__doc__": "text", "__name__": "other"})
    assert caught.value.where == "dags/other.py"


@pytest.mark.parametrize(
    ("claims", "mapping", "file"),
    [
        ({"sse/nothing": ["x"]}, "customer/from_sse_nothing", "sql/sources/sse/nothing/contract.yaml"),
        ({}, "account/from_sse_customer", "sql/common_model/account/from_sse_customer.sql"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_file_to_write(
    claims: dict[str, list[str]], mapping: str, file: str
) -> None:
    fields = {name: getattr(CASE, name) for name in CASE.__dataclass_fields__}
    fields |= {"claims": {**CASE.claims, **claims}, "merges": [*CASE.merges, mapping]}
    with pytest.raises(DeclarationError, match=", which does not exist") as caught:
        use_case_dag(UseCase(**fields), "text")
    assert file in caught.value.remedy
