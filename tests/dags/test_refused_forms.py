"""A form that Airflow refuses is told in a sentence: which field, what is expected, and never what was given."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from include.catalogue import ROOT
from include.local.form_refused import form_refused
from tests.dags.dag_files import load

DAGS = {
    name: load(ROOT / "dags" / f"{name}.py").dag
    for name in ("customer_base", "jobs/move_cohort", "jobs/roll_back_move")
}


def _said(dag: str, values: dict[str, Any]) -> str:
    """Airflow's words for a form: its API gives the same."""
    params = copy.deepcopy(DAGS[dag].params)
    with pytest.raises(ParamValidationError) as refused:
        params.update(values)
    return str(refused.value)


def _params(dag: str) -> dict[str, Any]:
    """As the API gives them."""
    return {name: {"schema": DAGS[dag].params.get_param(name).schema} for name in DAGS[dag].params}


@pytest.mark.parametrize(
    ("dag", "field", "given", "expected"),
    [
        ("jobs/move_cohort", "to_system", "Secret", "the field to_system must be one of: null, mis, platform, sse"),
        ("jobs/move_cohort", "why", "Secret", "the field why must be at least 10 characters long"),
        ("jobs/move_cohort", "why", "Secret" * 100, "the field why must be at most 500 characters long"),
        ("jobs/move_cohort", "cohort", ["7", " Secret"], "each entry of the field cohort must be like the pattern ^"),
        ("jobs/move_cohort", "cohort", [{"Secret": 1}], "each entry of the field cohort must be of the type string"),
        ("jobs/move_cohort", "cohort", "Secret", "the field cohort must be of the type array or null"),
        ("jobs/move_cohort", "cohort", ["Secret"] * 1001, "the field cohort must be a list of at most 1,000 entries"),
        ("jobs/move_cohort", "cohort_file", "Secret", r"the field cohort_file must be like the pattern ^cohorts/"),
        ("jobs/move_cohort", "allow_vanishing", -7, "the field allow_vanishing must be 0 or more"),
        ("jobs/roll_back_move", "dry_run", "Secret", "the field dry_run must be of the type boolean"),
        ("customer_base", "only", ["Secret"], "each entry of the field only must be one of: sse/customer, sse/account"),
        (
            "customer_base",
            "cohort",
            ["a\n\nFailed validating 'x' in schema:\n "],
            "each entry of the field cohort must",
        ),
    ],
)
def test_a_refused_field_is_named_with_what_it_must_be_and_its_value_is_not(
    dag: str, field: str, given: Any, expected: str
) -> None:
    refused = form_refused("a_dag", _said(dag, {field: given}), lambda: _params(dag))
    assert refused is not None
    assert refused.problem.startswith(expected)
    assert refused.where == "the form of a_dag"
    assert f"correct {field}" in refused.remedy
    assert "Secret" not in str(refused)
    assert "Failed validating" not in str(refused)


def test_another_refusal_of_airflow_stays_as_it_is() -> None:
    assert form_refused("a_dag", "DAG with dag_id: 'a_dag' has import errors", dict) is None


def test_every_rule_of_a_form_has_a_sentence_of_its_own() -> None:
    words = {"type", "title", "description_md", "items", "examples"}
    told = {"type", "enum", "pattern", "minLength", "maxLength", "maxItems", "minimum"}
    for dag in DAGS:
        for param in _params(dag).values():
            for schema in (param["schema"], param["schema"].get("items", {})):
                assert set(schema) <= words | told
