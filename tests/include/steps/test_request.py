"""What the form asks for (what it may not ask for: tests/include/wrong_input/test_form.py)."""

from __future__ import annotations

from include.catalogue import Catalogue
from include.steps.request import Request, parse_request

CASE = Catalogue().use_case("customer_base")


def test_an_empty_form_asks_for_everything() -> None:
    request = parse_request({"dry_run": False, "full_refresh": False, "only": [], "allow_deletions": []}, CASE)
    assert request == Request()
    assert request.takes("sse/customer")


def test_the_values_are_taken() -> None:
    request = parse_request(
        {"dry_run": True, "full_refresh": True, "only": ["sse/customer"], "allow_deletions": ["sse/customer=12"]}, CASE
    )
    assert request == Request(True, True, ("sse/customer",), {"sse/customer": 12})
    assert not request.takes("sse/account")
    assert not request.is_for_some


def test_what_is_told_of_a_cohort_is_how_many_they_are() -> None:
    request = parse_request({"cohort": ["7", "8"], "only": ["sse/customer"], "cohort_file": None}, CASE)
    assert request.is_for_some
    assert request.told == {"only": ["sse/customer"], "cohort": "2 ids"}
    assert "'7'" not in repr(request)
    assert parse_request({"cohort_file": "cohorts/a b/june.xlsx"}, CASE).cohort_file == "cohorts/a b/june.xlsx"
    assert parse_request({"cohort_query": "some"}, CASE).is_for_some
