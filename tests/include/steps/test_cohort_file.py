"""A list that people send is read exactly, or refused with its row; no cell of it is ever quoted."""

from __future__ import annotations

import datetime
import io
from typing import Any

import openpyxl
import pytest

from include.errors import FormError
from include.steps.cohort_file import ids_of_file

NAMES = ["CustomerId"]
SECRET = "Verysecret"


def _problem(problem: str, remedy: str) -> FormError:
    return FormError(problem, where="gs://bucket/cohorts/x", remedy=remedy)


def _csv(text: str | bytes, *, is_text: bool = True) -> dict[int, str]:
    data = text if isinstance(text, bytes) else text.encode()
    return ids_of_file(data, "cohorts/x.csv", NAMES, is_text, _problem)


def _workbook(*sheets: list[list[Any]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for index, rows in enumerate(sheets):
        sheet = book.active if index == 0 else book.create_sheet()
        assert sheet is not None
        for row in rows:
            sheet.append(row)
    book.save(file)
    return file.getvalue()


def _excel(*rows: list[Any], is_text: bool = False) -> dict[int, str]:
    return ids_of_file(_workbook(list(rows)), "cohorts/x.xlsx", NAMES, is_text, _problem)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("17\n18\n", {1: "17", 2: "18"}, id="one column needs no heading"),
        pytest.param("NA\nnull\n\n00012\n", {1: "NA", 2: "null", 4: "00012"}, id="words and zeros are what they are"),
        pytest.param("1e5\nTrue\n2024-01-01\n", {1: "1e5", 2: "True", 3: "2024-01-01"}, id="nothing is converted"),
        pytest.param("CustomerId\n17\n", {2: "17"}, id="a heading is no id"),
        pytest.param("\ufeffcustomerid \r\n17\r\n", {2: "17"}, id="as Excel saves it"),
        pytest.param(f'Name,CustomerId\n"{SECRET}, A",17\nB,18\n', {2: "17", 3: "18"}, id="the column by its name"),
        pytest.param("CustomerId,Note\n17,\n,\n18\n", {2: "17", 4: "18"}, id="a row without any value is none"),
        pytest.param("17 \n", {1: "17 "}, id="blanks are kept, to be refused"),
    ],
)
def test_a_csv_gives(text: str, found: dict[int, str]) -> None:
    assert _csv(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("CustomerId\n", "a heading and no row"),
        (f"17,{SECRET}\n", "none of its 2 columns is called CustomerId in the first row"),
        ("CustomerId,customerid\n1,2\n", "2 columns are called CustomerId"),
        (f"CustomerId,Name\n17,{SECRET}\n,{SECRET}\n", "row 3 has no id"),
        (f"17\n18,{SECRET}\n", "a row has more cells than the first"),
        (f'17\n"{SECRET}\n', "a quote is not closed"),
        (f"17;{SECRET}\n", "parted by semicolons or tabs"),
        ("Müller\n".encode("latin-1"), "the file is not UTF-8"),
    ],
)
def test_a_csv_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(FormError, match=said) as refused:
        _csv(text)
    assert SECRET not in f"{refused.value} {refused.value.__cause__}"


def test_a_workbook_gives_whole_numbers_and_texts() -> None:
    rows = ["Name", "CustomerId"], [SECRET, 17], [SECRET, 18.0], [None, None], [SECRET, "0019"]
    assert _excel(*rows) == {2: "17", 3: "18", 5: "0019"}


@pytest.mark.parametrize(
    ("cell", "is_text", "said"),
    [
        (17.5, False, "row 2 is neither a whole number nor text"),
        (True, False, "row 2 is neither a whole number nor text"),
        (datetime.datetime(2024, 1, 1), False, "row 2 is neither a whole number nor text"),
        (17, True, "row 2 is a number, and these ids are texts: Excel has dropped zeros"),
        (1234567890123456, False, "row 2 has more than 15 digits: Excel keeps no more"),
        (1e300, False, "row 2 has more than 15 digits"),
    ],
)
def test_a_number_that_excel_has_changed_is_refused(cell: Any, is_text: bool, said: str) -> None:
    with pytest.raises(FormError, match=said):
        _excel(["CustomerId"], [cell], is_text=is_text)


def test_of_two_filled_sheets_none_is_chosen() -> None:
    with pytest.raises(FormError, match="the workbook has 2 sheets with cells"):
        ids_of_file(_workbook([[1]], [[2]]), "cohorts/x.xlsx", NAMES, False, _problem)
    assert ids_of_file(_workbook([[1]], []), "cohorts/x.xlsx", NAMES, False, _problem) == {1: "1"}


@pytest.mark.parametrize("data", [b"", b"17\n18\n", b"PK\x03\x04 broken"])
def test_what_is_no_workbook_is_refused(data: bytes) -> None:
    with pytest.raises(FormError, match="no workbook that can be read"):
        ids_of_file(data, "cohorts/x.xlsx", NAMES, False, _problem)


def test_an_empty_workbook_is_not_everybody() -> None:
    with pytest.raises(FormError, match="the file is empty"):
        _excel()
