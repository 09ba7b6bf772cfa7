"""A list is of one dataset's ids, each right and once; what cannot be read so is refused, never passed over."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.connections import EnvironmentConnections
from include.errors import DeclarationError, FormError
from include.extract.cohort import Cohort
from include.names import DatasetName
from include.steps import cohort_list
from include.steps.cohort_list import read_cohorts
from include.steps.cohort_space import check_known_to, check_spaces
from include.steps.request import Request
from include.steps.servers import Servers
from tests.declarations import copied

CATALOGUE = Catalogue()
CASE = CATALOGUE.use_case("customer_base")
SSE, MIS = ("sse/customer", "sse/account"), ("mis/gentrack_customer", "mis/gentrack_account")


def _read(*ids: str, only: tuple[str, ...] = SSE, catalogue: Catalogue = CATALOGUE) -> dict[DatasetName, Cohort]:
    """No server is asked for a list of the form."""
    case = catalogue.use_case("customer_base")
    return read_cohorts(catalogue, Servers(EnvironmentConnections({})), case, Request(only=only, cohort=ids))


def test_without_a_cohort_everybody_is_read() -> None:
    assert _read() == {}


def test_each_dataset_takes_the_ids_by_its_own_column_and_each_once() -> None:
    found = _read("12", "7", "12", "-3")
    digest = hashlib.sha256(b"-3\n7\n12").hexdigest()
    assert found == {DatasetName.parse(name, ""): Cohort("CustomerId", (-3, 7, 12), digest, 1) for name in SSE}
    assert _read("7", "12", "-3")[DatasetName("sse", "account")].digest == digest, "order and doubles do not count"


def test_two_texts_that_are_one_to_the_source_are_one_id() -> None:
    found = _read("ab1", "B2", "AB1", only=MIS)[DatasetName("mis", "gentrack_customer")]
    assert (found.column, found.ids, found.doubles) == ("CustomerRef", ("ab1", "B2"), 1)
    assert found.digest == _read("aB1", "b2", only=MIS)[DatasetName("mis", "gentrack_account")].digest


@pytest.mark.parametrize(
    "value", ["", " 7", "7 ", "seven", "7.0", "1,000", "007", "+7", "1e3", "²", "9223372036854775808", "0x1F", "-0"]
)
def test_what_is_no_whole_number_is_refused_without_a_word_of_it(value: str) -> None:
    with pytest.raises(FormError, match="line 2 of cohort is no whole number") as refused:
        _read("1", value)
    assert "a heading is called CustomerId" in refused.value.remedy
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize("value", ["", " A1", "A1 ", "A\t1", "A\x00", "A\u200b1"])
def test_a_text_with_blanks_around_it_is_refused(value: str) -> None:
    with pytest.raises(FormError, match="line 1 of cohort is empty, or has blanks"):
        _read(value, only=MIS)


def test_more_ids_than_a_full_is_cheaper_than_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort_list, "MOST", 3)
    assert len(_read("1", "2", "3")[DatasetName("sse", "customer")].ids) == 3
    with pytest.raises(FormError, match="the list has more than 3 ids"):
        _read("1", "2", "3", "4")


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ((), "platform/customer is read in place, never by customers; platform/account is read in place"),
        (("sse/customer", "platform/account"), "platform/account is read in place"),
        (
            ("sse/customer", "mis/gentrack_account"),
            "sse/customer takes ids of sse/customer; mis/gentrack_account takes ids of mis/gentrack_customer",
        ),
    ],
)
def test_datasets_that_the_list_does_not_fit_are_refused_with_those_that_it_may_be_of(
    only: tuple[str, ...], said: str
) -> None:
    with pytest.raises(FormError, match=said) as refused:
        _read("7", only=only)
    assert refused.value.where == "the form of customer_base"
    assert refused.value.remedy == (
        "choose with `only`: sse/customer, sse/account (ids of sse/customer); "
        "or mis/gentrack_customer, mis/gentrack_account (ids of mis/gentrack_customer)"
    )


def test_a_query_may_choose_for_several_systems_but_not_for_what_is_no_such_entity() -> None:
    spaces = check_spaces(CATALOGUE, CASE, Request(cohort_query="some", only=(*SSE, *MIS)))
    check_known_to(CATALOGUE, CASE, spaces, "customer")
    with pytest.raises(FormError, match="gives keys of account, but sse/customer takes ids of sse/customer"):
        check_known_to(CATALOGUE, CASE, spaces, "account")


@pytest.mark.parametrize("name", ["accounts_without_postcod", "../ledger/change_log"])
def test_a_query_that_is_not_there_is_told_with_those_that_are(name: str) -> None:
    request = Request(cohort_query=name, only=SSE)
    with pytest.raises(FormError, match=f"there is no query {name}") as refused:
        read_cohorts(CATALOGUE, Servers(EnvironmentConnections({})), CASE, request)
    assert refused.value.remedy == "name one of: accounts_without_postcode"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied(tmp_path)


def _with(root: Path, right: str, wrong: str) -> Catalogue:
    path = root / "sql" / "sources" / "sse" / "account" / "contract.yaml"
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return Catalogue(root)


def test_a_dataset_without_cohort_by_is_never_passed_over(root: Path) -> None:
    with pytest.raises(FormError, match="sse/account has no `cohort_by` in its contract"):
        _read("7", catalogue=_with(root, "cohort_by: CustomerId\n", ""))


def test_a_column_that_nobody_claims_is_not_named_to_the_source(root: Path) -> None:
    extra = "\n  ParentId:     {type: INT64, refers_to: customer}\n  OpenedOn:"
    catalogue = _with(root, "cohort_by: CustomerId\n", "cohort_by: ParentId\n")
    catalogue = _with(root, "\n  OpenedOn:", extra)
    with pytest.raises(FormError, match="sse/account has `cohort_by: ParentId`, which no use case claims"):
        _read("7", catalogue=catalogue)


def test_a_column_of_which_nobody_knows_whose_ids_it_holds_is_a_mistake_of_the_contract(root: Path) -> None:
    catalogue = _with(root, "cohort_by: CustomerId\n", "cohort_by: Postcode\n")
    with pytest.raises(DeclarationError, match="cohort_by names Postcode, of which nobody knows whose ids") as wrong:
        catalogue.dataset(DatasetName("sse", "account"))
    assert wrong.value.where == "sql/sources/sse/account/contract.yaml:8"
