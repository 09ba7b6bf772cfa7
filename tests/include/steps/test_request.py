"""The form's values are checked before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from include.catalogue import Catalogue
from include.errors import RequestError
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


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dryrun": True}, "the form has no field dryrun"),
        ({"dry_run": "true"}, "dry_run is 'true'"),
        ({"full_refresh": 1}, "full_refresh is 1"),
        ({"only": ["sse/payment"]}, "does not claim sse/payment"),
        ({"only": "sse/customer"}, "only is not a list"),
        ({"allow_deletions": ["sse/customer"]}, "'sse/customer' is not understood"),
        ({"allow_deletions": ["sse/customer=many"]}, "is not understood"),
        ({"allow_deletions": ["sse/payment=1"]}, "does not claim sse/payment"),
    ],
)
def test_a_wrong_value_says_what_to_do(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(given, CASE)
    assert says in caught.value.problem
    assert caught.value.where == "the form of customer_base"
    assert caught.value.remedy
