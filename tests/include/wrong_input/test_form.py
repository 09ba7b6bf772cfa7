"""A form with a mistake is refused by the first task, before anything is read, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from include.errors import FormError
from tests.include.wrong_input.declared import Declared
from tests.include.wrong_input.witness import check_said

FORM = "where: the form of customer_base"


@pytest.mark.parametrize(
    ("given", "problem", "remedy"),
    [
        ({"dry_run": "true"}, "dry_run is 'true'", "give true or false"),
        ({"full_refresh": 1}, "full_refresh is 1", "give true or false"),
        ({"only": ["sse/payment"]}, "only: the use case does not claim sse/payment", "it claims: sse/customer"),
        ({"only": "sse/customer"}, "only is not a list of texts", 'write ["sse/customer"]'),
        ({"only": ""}, "only is not a list of texts", 'write ["sse/customer"]'),
        ({"only": [["sse/customer"]]}, "is not a list of texts", 'write ["sse/customer"]'),
        ({"allow_deletions": "sse/customer=1"}, "is not a list of texts", 'write ["sse/customer=123"]'),
        (
            {"allow_deletions": ["sse/customer"]},
            "'sse/customer' is not understood",
            "write <system>/<dataset>=<number>",
        ),
        (
            {"allow_deletions": ["sse/customer=-1"]},
            "'sse/customer=-1' is not understood",
            "the number that the refused",
        ),
        ({"allow_deletions": ["sse/customer=²"]}, "'sse/customer=²' is not understood", "<system>/<dataset>=<number>"),
        ({"allow_deletions": ["sse/payment=1"]}, "does not claim sse/payment", "it claims: sse/customer"),
        ({"cohort": "7"}, "cohort is not a list of texts", 'write ["1000017"]'),
        ({"cohort": ["", ""]}, "cohort has empty lines alone", "write ids, or leave the field out"),
        ({"cohort": [7]}, "is not a list of texts", 'write ["1000017"]'),
        ({"cohort": ["7"], "cohort_query": "some"}, "cohort and cohort_query both name customers", "give one of them"),
        ({"cohort": ["7"], "full_refresh": True}, "full_refresh asks for every row, and a cohort", "or for some"),
        ({"cohort": [str(each) for each in range(1001)]}, "cohort has 1,001 ids", "its path into cohort_file"),
        ({"cohort_file": "june.csv"}, "cohort_file is 'june.csv'", "below cohorts/ that ends in .csv or .xlsx"),
        ({"cohort_file": "cohorts/june.xls"}, "cohort_file is 'cohorts/june.xls'", "ends in .csv or .xlsx"),
        ({"cohort_file": "cohorts/../sse/customer/x.csv"}, "cohort_file is 'cohorts/..", "below cohorts/"),
        ({"cohort_file": ["cohorts/june.csv"]}, "cohort_file is no name", "write one name"),
        ({"cohort_query": " "}, "cohort_query is no name", "write one name, or leave the field out"),
        ({"allow_deletions": ["sse/customer=1", "sse/customer=2"]}, "names sse/customer twice", "give one number"),
    ],
)
def test_a_form_value_out_of_range(declared: Declared, given: dict[str, Any], problem: str, remedy: str) -> None:
    check_said(declared.refused_by_the_task(given), FormError, problem, FORM, remedy)


def test_an_unknown_form_key(declared: Declared) -> None:
    words = ("the form has no field dry_rum", FORM, "use dry_run, full_refresh, only, allow_deletions")
    check_said(declared.refused_by_the_task({"dry_rum": True}), FormError, *words)
