"""Each mapping gives its entity's types, and makes of each row of `cases/` what is written there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.declare.case import case_text
from include.names import MappingName
from tests.sql.analyser import Analyser
from tests.sql.cases import Case, all_cases, differences, expected_types, read_case

CATALOGUE = Catalogue()
CASES = all_cases()
_WIDER = {("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("NUMERIC", "BIGNUMERIC")}
"""What GoogleSQL turns into each other by itself, without losing anything."""


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    found = Analyser()
    for name in CATALOGUE.dataset_names():
        columns = ", ".join(f"`{n}` {c.type}" for n, c in CATALOGUE.dataset(name).columns.items())
        found.create(f"CREATE TABLE `staging.{name.flat}` ({columns})")
    return found


def type_mistakes(name: MappingName, catalogue: Catalogue, analyser: Analyser) -> list[str]:
    """`path:line: what is wrong`, in the mapping's own lines."""
    mapping, place = catalogue.mapping(name), f"sql/common_model/{name}.sql"
    text = catalogue.mapping_path(name).read_text(encoding="utf-8")
    try:
        types = analyser.types(text.replace(f"FROM staging.{name.source.flat}", f"FROM `staging.{name.source.flat}`"))
    except Exception as error:  # noqa: BLE001 - the analyser's, whose words name line and column at their end
        said = getattr(error, "raw_error", str(error)).rpartition("Message: ")[2]
        found = re.search(r"\[at (\d+):\d+\]", said)
        return [f"{place}:{found[1] if found else 1}: {' '.join(said.partition(' [at ')[0].split())}"]
    wanted, wrong = expected_types(name, catalogue), []
    for output in mapping.outputs:
        pair = types[output.name], wanted[output.name]
        is_reference = output.name in catalogue.entity(name.entity).references
        if pair[0] != pair[1] and pair not in _WIDER and not is_reference:
            wrong.append(
                f"{place}:{output.line}: {output.name} is {pair[0]}, the contract of {name.entity} says {pair[1]}"
            )
    return wrong


@pytest.mark.parametrize("name", CATALOGUE.mapping_names(), ids=str)
def test_a_mapping_gives_the_types_of_its_entity(name: MappingName, analyser: Analyser) -> None:
    if wrong := type_mistakes(name, CATALOGUE, analyser):
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.mapping}-{case.path.stem}")
def test_a_row_becomes_what_its_case_says_and_the_same_the_second_time(case: Case, analyser: Analyser) -> None:
    if wrong := differences(case, CATALOGUE, analyser) or differences(case, CATALOGUE, analyser):
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize("name", CATALOGUE.mapping_names(), ids=str)
def test_every_mapping_has_a_case(name: MappingName) -> None:
    assert any(case.mapping == name for case in CASES), f"python -m include new case {name} <what the row is about>"


def test_every_column_of_every_shipped_mapping_is_looked_at_by_a_case() -> None:
    for name in CATALOGUE.mapping_names():
        seen = {column for case in CASES if case.mapping == name for column in case.expected}
        unseen = [column for column in CATALOGUE.entity(name.entity).columns if column not in seen]
        if unseen:
            where = f"tests/sql/cases/{name}"
            pytest.fail(
                f"{where}: no case says what becomes of {', '.join(unseen)}: add them to `expected`", pytrace=False
            )


def _changed(tmp_path: Path, old: str, new: str) -> Catalogue:
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    path = tmp_path / "sql" / "common_model" / "customer" / "from_sse_customer.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return Catalogue(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("NULLIF(DateOfBirth, DATE '1753-01-01')", "TRIM(DateOfBirth)", ":10: No matching signature for function TRIM"),
        (
            "NULLIF(DateOfBirth, DATE '1753-01-01')",
            "CreatedAt",
            ":10: birth_date is DATETIME, the contract of customer",
        ),
    ],
)
def test_a_wrong_type_is_told_at_the_mappings_line(
    tmp_path: Path, analyser: Analyser, old: str, new: str, says: str
) -> None:
    catalogue = _changed(tmp_path, old, new)
    found = type_mistakes(MappingName.parse("customer/from_sse_customer", "test"), catalogue, analyser)
    assert [says in line for line in found] == [True]


def test_a_case_that_does_not_hold_says_what_came(tmp_path: Path, analyser: Analyser) -> None:
    catalogue = _changed(tmp_path, "NULLIF(TRIM(Surname), '')", "TRIM(Surname)")
    case = next(case for case in CASES if case.path.stem == "blank_surname")
    (found,) = differences(case, catalogue, analyser)
    assert found.endswith('family_name became "", expected was NULL')
    assert found.startswith("tests/sql/cases/customer/from_sse_customer/blank_surname.yaml:11: ")


@pytest.mark.parametrize(
    ("given", "expected", "says"),
    [
        ("Surname: Doe", "family_name: Roe", ':3: family_name became "Doe", expected was "Roe"'),
        ("Surnam: Doe", "family_name: Doe", ":2: Surnam is no column of sse/customer"),
        ("Surname: Doe", "familyname: Doe", ":3: familyname is no column of customer"),
    ],
)
def test_what_does_not_hold_is_placed_at_its_key(
    tmp_path: Path, analyser: Analyser, monkeypatch: pytest.MonkeyPatch, given: str, expected: str, says: str
) -> None:
    """In braces, too, as the README writes a case."""
    monkeypatch.setattr("tests.sql.cases.ROOT", tmp_path)
    path = tmp_path / "customer" / "from_sse_customer" / "new.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"# one\ngiven: {{CustomerId: 1, {given}}}\nexpected: {{{expected}}}\n", encoding="utf-8")
    (found,) = differences(read_case(path), CATALOGUE, analyser)
    assert found.endswith(says)


@pytest.mark.parametrize("name", CATALOGUE.mapping_names(), ids=str)
def test_a_case_as_new_writes_it_holds(name: MappingName, tmp_path: Path, analyser: Analyser) -> None:
    path = tmp_path / name.entity / name.file_stem / "new.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(case_text(name, CATALOGUE), encoding="utf-8")
    case = read_case(path)
    assert case.given
    assert differences(case, CATALOGUE, analyser) == []
