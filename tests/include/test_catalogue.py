"""Declarations are read from the files alone, and one that is wrong stops nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.errors import DeclarationError
from include.names import DatasetName
from include.steps.check import problems
from tests.declarations import copied


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def (", "not Python"),
        ("UseCase(name='marketing')", "UseCase lacks purpose"),
        ("UseCase(name='marketing', tier=int('1'))", "'tier' is computed"),
    ],
)
def test_a_wrong_file_stops_only_itself(root: Path, text: str, says: str) -> None:
    (root / "dags" / "marketing.py").write_text(text, encoding="utf-8")
    catalogue = Catalogue(root)
    assert catalogue.use_case("customer_base").tier == 1
    assert "Surname" in catalogue.claimed(DatasetName("sse", "customer"))
    with pytest.raises(DeclarationError, match=says) as refused:
        catalogue.use_case("marketing")
    assert refused.value.where == "dags/marketing.py:1"
    assert [e.problem for e in problems(catalogue)] == [e.problem for e in refused.value.all()]


@pytest.mark.parametrize(
    "conversion",
    ["CreatedAt", "TIMESTAMP(CreatedAt)", "CAST(CreatedAt AS TIMESTAMP)", "TIMESTAMP(CreatedAt, 'America/New_York')"],
)
def test_a_moment_made_without_the_contracts_zone_is_a_mistake(root: Path, conversion: str) -> None:
    mapping = root / "sql" / "common_model" / "customer" / "from_sse_customer.sql"
    text = mapping.read_text(encoding="utf-8")
    assert list(problems(Catalogue(root))) == []
    mapping.write_text(text.replace("TIMESTAMP(CreatedAt, 'Europe/London')", conversion), encoding="utf-8")
    (found,) = problems(Catalogue(root))
    assert "registered_at is a moment" in found.problem
    assert "TIMESTAMP(CreatedAt, 'Europe/London')" in found.remedy
    assert found.where == "sql/common_model/customer/from_sse_customer.sql:11"


def test_a_system_without_a_place_in_the_precedence_is_a_mistake(root: Path) -> None:
    contract = root / "sql" / "common_model" / "account" / "contract.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("[sse, mis, platform]", "[sse, platform]"), encoding="utf-8")
    (found,) = problems(Catalogue(root))
    assert "account/from_mis_gentrack_account maps the system mis" in found.problem
    assert found.where == "sql/common_model/account/contract.yaml:4"


def test_a_claim_of_a_column_that_is_not_there_stops_only_who_claims_it(root: Path) -> None:
    file = (root / "dags" / "customer_base.py").read_text(encoding="utf-8")
    (root / "dags" / "wrong.py").write_text(
        file.replace('name="customer_base"', 'name="wrong"').replace('"Surname"', '"Shoesize"'), encoding="utf-8"
    )
    catalogue = Catalogue(root)
    assert "Surname" in catalogue.claimed(DatasetName("sse", "customer"))
    found = list(problems(catalogue))
    assert [error.where for error in found] == ["dags/wrong.py:30", "dags/wrong.py:30"]
    assert "claims sse/customer.Shoesize, which the contract does not have" in found[0].problem


def test_which_contracts_are_split_is_seen_without_understanding_them() -> None:
    catalogue = Catalogue()
    split = [name for name in catalogue.dataset_names() if catalogue.is_split(name)]
    assert split == [name for name in catalogue.dataset_names() if catalogue.dataset(name).split_by]
    assert DatasetName("sse", "meter_reading") in split
