"""A query that chooses customers is one SELECT of our keys from the common model; what is wrong has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings
from include.errors import DeclarationError
from include.steps.check import problems
from include.steps.cohort_query import read_cohort_query
from tests.declarations import copied

CLOUD = GoogleCloudSettings("project", "EU", "bucket", dataset_prefix="test_")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("declared"))


def _written(root: Path, sql: str, name: str = "some") -> Catalogue:
    (root / "sql" / "cohorts" / f"{name}.sql").write_text(sql, encoding="utf-8")
    return Catalogue(root)


@pytest.mark.parametrize(
    ("sql", "entity"),
    [
        ("SELECT customer_key FROM common_model.customer WHERE email IS NULL", "customer"),
        ("SELECT customer_key FROM common_model.account JOIN common_model.customer USING (customer_key)", "customer"),
        ("WITH o AS (SELECT * FROM common_model.account) SELECT account_key FROM o WHERE postcode IS NULL;", "account"),
        ("SELECT customer_key FROM common_model.account GROUP BY 1 HAVING COUNT(*) > 3", "customer"),
        ("SELECT customer_key FROM common_model.customer WHERE source_system = 'sse' UNION DISTINCT\n"
         "SELECT customer_key FROM common_model.account WHERE opened_on > CURRENT_DATE()", "customer"),
    ],
)  # fmt: skip
def test_a_query_gives_keys_of(root: Path, sql: str, entity: str) -> None:
    assert read_cohort_query(_written(root, sql), "some").entity == entity


@pytest.mark.parametrize(
    ("sql", "said", "line"),
    [
        ("SELECT customer_key\nFROM common_model.custmer", "no table common_model.custmer, did you mean", 2),
        ("SELECT customer_key\nFROM conformed.customer", "there is no table conformed.customer", 2),
        ("SELECT customer_key FROM other.common_model.customer", "no table other.common_model.customer", 1),
        ("-- x\nSELECT customer_key FROM common_model.customer\nWHERE emial IS NULL", "Column 'emial' could not be", 3),
        ("SELECT customer_key,\n  email FROM common_model.customer", "one column, the key of an entity", 1),
        ("SELECT email FROM common_model.customer", "and this gives email", 1),
        ("SELECT * FROM common_model.customer", "one column, the key of an entity", 1),
        ("SELECT customer_key FROM common_model.customer\nWHERE RAND() < 0.1", "RAND.* is not the same for each", 2),
        ("SELECT customer_key FROM common_model.customer\nWHERE email = @email", "@email is not the same", 2),
        ("SELECT customer_key FROM common_model.customer LIMIT 10", "LIMIT 10 is not the same for each", 1),
        ("SELECT ANY_VALUE(customer_key) AS customer_key\nFROM common_model.customer", "ANY_VALUE.* not the same", 1),
        ("SELECT common_model.customer_key\nFROM common_model.customer AS common_model", "and of a table here", 2),
        ("DELETE FROM common_model.customer WHERE TRUE", "a cohort is one query", 1),
        ("SELECT customer_key FROM common_model.customer; SELECT 1", "a cohort is one query", 1),
        ("", "a cohort is one query", 1),
        ("SELECT customer_key FROM\nWHERE", "not SQL", 2),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_line(root: Path, sql: str, said: str, line: int) -> None:
    catalogue = _written(root, sql)
    with pytest.raises(DeclarationError, match=said) as wrong:
        read_cohort_query(catalogue, "some")
    assert wrong.value.where == f"sql/cohorts/some.sql:{line}"
    assert [str(problem) for problem in problems(catalogue)] == [str(error) for error in wrong.value.all()]


def test_a_file_whose_name_nobody_could_give_in_the_form_is_told(root: Path) -> None:
    catalogue = _written(root, "SELECT customer_key FROM common_model.customer", "Some-one")
    catalogue.cohort_path("some").unlink(missing_ok=True)
    assert [(p.problem, p.where) for p in problems(catalogue)] == [
        ("'Some-one' is not a name", "sql/cohorts/Some-one.sql:1")
    ]
    catalogue.cohort_path("Some-one").unlink()


def test_a_file_that_is_no_query_is_not_passed_over(root: Path) -> None:
    path = root / "sql" / "cohorts" / "ids.csv"
    path.write_text("17", encoding="utf-8")
    assert [(p.problem, p.where) for p in problems(Catalogue(root))] == [
        ("ids.csv is no query", "sql/cohorts/ids.csv:1")
    ]
    path.unlink()


def test_the_authors_text_stays_but_for_the_tables_names(root: Path) -> None:
    sql = "-- who; why\nSELECT a.customer_key FROM `common_model`.`account` AS a -- common_model.account\n"
    sql += "JOIN `common_model.customer` USING (customer_key)\nWHERE postcode = ';';\n-- end\n"
    found = read_cohort_query(_written(root, sql), "some").ids(Catalogue(root), CLOUD.table, most=10)
    assert "-- who; why\nSELECT a.customer_key FROM `project.test_common_model.account` AS a -- common_m" in found
    assert (
        "\nJOIN `project.test_common_model.customer` USING (customer_key)\nWHERE postcode = ';'\n)\nLIMIT 11" in found
    )
