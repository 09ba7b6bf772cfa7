"""A declaration that is wrong is refused before anything is read: by the command, by the first task, and by Airflow
when it reads the DAG, where no DAG could be made of it."""

from __future__ import annotations

import pytest

from include.errors import DeclarationError
from tests.include.wrong_input.declared import CUSTOMER_BASE, Declared
from tests.include.wrong_input.witness import check_said

DATASET = "sql/sources/sse/customer/contract.yaml"
MAPPING = "sql/common_model/customer/from_sse_customer.sql"
COMPARE = "sql/sources/sse/customer and sql/common_model/customer hold contracts to compare with"


def _check(declared: Declared, *words: str) -> None:
    """What all say; and the DAG stands, so that its first task can say it."""
    check_said(declared.said_by_all(), DeclarationError, *words)
    assert declared.import_error() is None


def test_a_contract_with_an_unknown_key(declared: Declared) -> None:
    line = declared.write(DATASET, "privacy: personal", "privcy: personal")
    problem = "columns.FirstName.privcy: is not known here; there are: type, required, privacy"
    _check(declared, problem, f"where: {DATASET}:{line}", COMPARE)


def test_a_contract_with_an_unknown_type(declared: Declared) -> None:
    line = declared.write(DATASET, "DateOfBirth: {type: DATE", "DateOfBirth: {type: SMALLDATE")
    problem = "columns.DateOfBirth.type: 'SMALLDATE' is not a type that we carry: write one of INT64, NUMERIC"
    _check(declared, problem, "DATETIME", f"where: {DATASET}:{line}", COMPARE)


def test_a_contract_with_an_unknown_method(declared: Declared) -> None:
    line = declared.write(DATASET, "method: rowversion, column: RowVer", "method: telepathy")
    problem = "capture: 'method' is 'telepathy': write one of 'snapshot', 'rowversion'"
    _check(declared, problem, f"where: {DATASET}:{line}", COMPARE)


def test_a_use_case_that_claims_a_column_that_does_not_exist(declared: Declared) -> None:
    declared.write(CUSTOMER_BASE, '"Surname"', '"Shoesize"')
    problem = "use case customer_base claims sse/customer.Shoesize, which the contract does not have"
    _check(declared, problem, f"where: {CUSTOMER_BASE}", "claim some of: CustomerId, Title, FirstName, Surname")


def test_a_use_case_that_claims_a_mapping_that_does_not_exist(declared: Declared) -> None:
    declared.write(CUSTOMER_BASE, '"customer/from_sse_customer"', '"customer/from_sse_account"')
    words = ("customer/from_sse_account", "sql/common_model/customer/from_sse_account.sql")
    check_said(
        declared.said_by_all(), DeclarationError, "there is no mapping", *words, "or correct `merges` in the use"
    )
    error = declared.import_error()
    assert error is not None
    check_said(
        error, DeclarationError, *words, "which does not exist", f"where: {CUSTOMER_BASE}", "write sql/common_mod"
    )


def test_two_entities_with_one_topic(declared: Declared) -> None:
    declared.write("sql/common_model/account/contract.yaml", "account.changes.v1", "customer.changes.v1")
    places = "where: sql/common_model/customer/contract.yaml:"
    _check(declared, "account and customer have one topic, customer.changes.v1", places, "a topic of its own")


def test_a_mapping_that_joins(declared: Declared) -> None:
    line = declared.write(
        MAPPING, "FROM staging.sse_customer", "FROM staging.sse_customer JOIN staging.x USING (Email)"
    )
    words = ("one row for one row, but this one has JOIN", "a join is a view on the common model")
    _check(declared, *words, f"where: {MAPPING}:{line}")


def test_a_mapping_that_filters(declared: Declared) -> None:
    line = declared.write(MAPPING, "FROM staging.sse_customer", "FROM staging.sse_customer WHERE Status <> 'X'")
    words = ("one row for one row, but this one has WHERE", "say `… AS is_present` for a row that does not count")
    _check(declared, *words, f"where: {MAPPING}:{line}")


@pytest.mark.parametrize(
    ("right", "wrong", "problem", "remedy"),
    [
        ("TRIM(Surname)", "TRIM(LastName)", "sse/customer has no column LastName", "its contract has: CustomerId"),
        ("AS family_name", "AS surname", "gives surname, but the entity has no surname", "take it out, or add it to"),
    ],
    ids=["of_the_dataset", "of_the_entity"],
)
def test_a_mapping_that_names_other_columns_than_the_contract(
    declared: Declared, right: str, wrong: str, problem: str, remedy: str
) -> None:
    line = declared.write(MAPPING, right, wrong)
    _check(declared, problem, f"where: {MAPPING}:{line}", remedy)


def test_a_wrong_cron(declared: Declared) -> None:
    declared.write(CUSTOMER_BASE, 'schedule="0 4 * * *"', 'schedule="every night"')
    words = ("schedule", "every night", CUSTOMER_BASE)
    check_said(declared.said_by_all(), DeclarationError, *words)
    error = declared.import_error()
    assert error is not None
    check_said(error, DeclarationError, *words)
