"""A declaration is right, or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from include.errors import DeclarationError
from include.use_case import UseCase

RIGHT: dict[str, Any] = {
    "name": "customer_base",
    "purpose": "Base records.",
    "owner": "a-team",
    "priority": 1,
    "tier": 1,
    "schedule": "0 4 * * *",
    "freshness": "6h",
    "claims": {"sse/customer": ["CustomerId"]},
    "merges": ["customer/from_sse_customer"],
    "publishes": ["customer"],
}


def test_a_right_declaration_is_taken() -> None:
    case = UseCase(**RIGHT)
    assert [str(d) for d in case.datasets] == ["sse/customer"]
    assert case.mappings[0].source == case.datasets[0]
    assert case.fresh_for.total_seconds() == 6 * 3600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Customer Base"}, "'Customer Base' is not a name"),
        ({"owner": " "}, "owner is empty"),
        ({"priority": 0}, "priority is 0"),
        ({"priority": "1"}, "priority is '1'"),
        ({"tier": 4}, "tier is 4"),
        ({"schedule": "every day"}, "'every day' is not a cron"),
        ({"schedule": "0 4 31 2 *"}, "'0 4 31 2 *' is not a cron"),
        ({"freshness": "6 hours"}, "'6 hours' is not a duration"),
        ({"claims": {"sse": ["x"]}}, "'sse' is not a dataset"),
        ({"claims": {"erp/customer": ["x"]}}, "'erp/customer' is not a dataset"),
        ({"claims": {"sse/customer": []}}, "has no column"),
        ({"claims": {"sse/customer": ["x", "x"]}}, "names x twice"),
        ({"merges": ["customer_from_sse"]}, "is not a mapping"),
        ({"merges": ["customer/from_mis_gentrack_customer"]}, "reads mis/gentrack_customer, which is not claimed"),
        ({"publishes": ["account"]}, "publishes account but merges nothing into it"),
        ({"publishes": ["customer", "customer"]}, "names customer twice"),
    ],
)
def test_a_wrong_declaration_says_what_where_and_what_to_do(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        UseCase(**{**RIGHT, **change})
    assert says in caught.value.problem
    assert caught.value.where.startswith("dags/")
    assert caught.value.remedy
