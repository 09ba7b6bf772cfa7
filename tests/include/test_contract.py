"""A contract is right, or names the line that is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from include.catalogue import ROOT
from include.contract import (
    Capture,
    DatasetColumn,
    DatasetContract,
    EntityColumn,
    EntityContract,
    read_dataset,
    read_entity,
)
from include.contract.entity import Event, Retention
from include.errors import DeclarationError
from include.mapping import BESIDE

DATASET = """\
describes: One row per customer.
owner: somebody
table: CRM.dbo.Customer
key: [Id]
capture: {method: rowversion, column: RowVer}
deletes: key_scan
columns:
  Id: {type: INT64, required: true}
  Name: {type: STRING, privacy: personal}
"""
ENTITY = """\
describes: One row per customer.
owner: somebody
mastered: by_customer
precedence: [sse, mis]
event: {topic: customer.changes.v1, withhold: [birth_date]}
retention: {keep: 7y, after: birth_date}
columns:
  birth_date: {type: DATE, privacy: personal}
  health_note: {type: STRING, privacy: special}
  name: {type: STRING}
"""


ALWAYS = """\
describes: One row per reading.
owner: somebody
mastered: always
identified_by: [meter_id, read_at]
partitioned_by: read_at
precedence: [sse]
retention: {keep: 7y, after: read_at}
columns:
  meter_id: {references: meter, required: true}
  read_at: {type: TIMESTAMP, required: true}
  share: {type: FLOAT64, required: true}
"""


def _dataset(folder: Path, text: str) -> Path:
    path = folder / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_right_contract_is_taken(tmp_path: Path) -> None:
    contract = read_dataset(_dataset(tmp_path, DATASET))
    assert contract.read_columns(["Name"]) == ["Id", "Name", "RowVer"]
    assert contract.deletions_allowed == 0.01
    assert contract.column_type("RowVer") == "BYTES"


def test_an_offset_is_made_of_its_moments_column(tmp_path: Path) -> None:
    more = "\n  At: {type: TIMESTAMP}\n  AtOffset: {type: INT64, offset_of: At}"
    contract = read_dataset(_dataset(tmp_path, DATASET.rstrip() + more))
    read = contract.read_columns(["AtOffset"])
    assert (read, contract.in_table(read)) == (["Id", "AtOffset", "RowVer"], ["Id", "At", "RowVer"])
    assert contract.in_table(["At", "AtOffset"]) == ["At"]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("owner: somebody", "owner: somebody\ncolour: red", 3, "colour: is not known here; there are: desc"),
        ("type: STRING, privacy", "type: VARCHAR, privacy", 9, "'VARCHAR' is not a type"),
        ("method: rowversion, column: RowVer", "method: telepathy", 5, "telepathy"),
        ("owner: somebody", "owner: somebody\nsplit_by: Name", 3, "which is STRING: it must be INT64 or DATE"),
        ("columns:\n  Id: {", "split_by: Id\ncolumns:\n  Id: {privacy: personal, ", 7, "Id, which is personal"),
        ("owner: somebody", "owner: somebody\nrows_per_range: 9", 3, "rows_per_range is for split_by alone"),
        ("deletes: key_scan", "deletes: captured", 6, "rowversion does not know deletes: captured"),
        ("key: [Id]", "key: [Nope]", 4, "key names Nope"),
        ("{type: INT64, required: true}", "{type: INT64}", 8, "must say required: true"),
        ("{type: INT64, required: true}", "{type: STRING, required: true}", 8, "must say its collation"),
        ("table: CRM.dbo.Customer", "table: Customer", 3, "table must be database.schema.table"),
        ("type: STRING", "type: DATETIME", 9, "needs `zone`"),
        ("deletes: key_scan", "deletes: key_scan\ndeletes_at_most: some", 7, "is not a percentage"),
        ("owner: somebody", "owner: somebody\nzone: Europe/Londn", 3, "'Europe/Londn' is no zone"),
        ("owner: somebody", "owner: somebody\nowner: else", 3, "'owner' is given twice"),
        ("  Name:", "  Na me:", 7, "'Na me' is not a column name"),
        ("key: [Id]", "key: [Id", 5, "not YAML"),
        ("owner: somebody", "owner: 2027-13-45", 2, "'2027-13-45' is no value"),
        ("owner: somebody", "owner: !mine x", 2, "'x' is no value"),
        ("key: [Id]", "key: Id x", 4, 'key: is "Id x": write a list: [a, b]'),
        ("owner: somebody", "owner: 7", 2, 'owner: is 7: write text in quotes: "7"'),
        ("deletes: key_scan", "deletes: key_scan\ndeletes_at_most: 1", 7, "is 1: write text, such as 1%"),
        ("required: true", "required: perhaps", 8, 'required: is "perhaps": write true or false'),
        ("columns:", "columns: 5\nx:", 7, "columns: is 5: write names with values"),
        ("{type: STRING, privacy: personal}", "{type: INT64, offset_of: Id}", 9, "which is no TIMESTAMP among the"),
        (
            "{type: STRING, privacy: personal}",
            "{type: STRING, offset_of: At}\n  At: {type: TIMESTAMP}",
            9,
            "type: INT64",
        ),
        (
            "{type: INT64, required: true}",
            "{type: INT64, required: true, offset_of: At}\n  At: {type: TIMESTAMP}",
            8,
            "it is no key, refers to nothing",
        ),
    ],
)
def test_a_wrong_contract_names_the_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in DATASET
    with pytest.raises(DeclarationError) as caught:
        read_dataset(_dataset(tmp_path, DATASET.replace(old, new)))
    assert says in caught.value.problem
    assert caught.value.where.endswith(f"contract.yaml:{line}")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = DATASET.replace("owner: somebody", "owner: 7\ncolour: red")
    with pytest.raises(DeclarationError) as caught:
        read_dataset(_dataset(tmp_path, text))
    told = [(error.where, error.problem.partition(":")[0]) for error in caught.value.all()]
    assert told == [("contract.yaml:2", "owner"), ("contract.yaml:3", "colour")]


def test_what_does_not_fit_together_is_told_beside_what_is_wrong_by_itself(tmp_path: Path) -> None:
    """Of what is wrong itself nothing else is told: Name could be of any type, `zone` may have been meant."""
    text = DATASET.replace("owner: somebody", "owner: 7\ncolour: red\nzone: Europe/Londn")
    text = text.replace("key: [Id]", "key: [Id, Name, Nope, At]").replace(
        "{type: INT64, required: true}", "{type: INT64}"
    )
    text = text.replace("deletes: key_scan", "deletes: captured").replace("type: STRING,", "type: VARCHAR,")
    with pytest.raises(DeclarationError) as caught:
        read_dataset(_dataset(tmp_path, text + "  At: {type: DATETIME, required: true, offset_of: Name}\n"))
    assert [(error.where.partition(":")[2], error.problem.partition(":")[0]) for error in caught.value.all()] == [
        ("2", "owner"),
        ("3", "colour"),
        ("4", "zone"),
        ("6", "key names Nope, which is not among the columns"),
        ("8", "rowversion does not know deletes"),
        ("10", "the key column Id must say required"),
        ("11", "columns.Name.type"),
        ("11", "the key column Name must say required"),
    ]


def test_an_entity_that_does_not_fit_together_is_told_beside_what_is_wrong_by_itself(tmp_path: Path) -> None:
    text = ENTITY.replace("keep: 7y", "keep: ever").replace("withhold: [birth_date]", "withhold: [nope]")
    with pytest.raises(DeclarationError) as caught:
        read_entity(_dataset(tmp_path, text.replace("precedence: [sse, mis]", "precedence: [sse, sse]")))
    assert [error.where.partition(":")[2] for error in caught.value.all()] == ["4", "5", "6"]


def test_a_missing_contract_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no such contract"):
        read_dataset(tmp_path / "contract.yaml")


def test_an_event_has_no_withheld_and_no_special_column(tmp_path: Path) -> None:
    contract = read_entity(_dataset(tmp_path, ENTITY))
    assert contract.published() == ["name"]
    assert list(contract.model_columns()) == ["birth_date", "health_note", "name"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("withhold: [birth_date]", "withhold: [nope]", "event.withhold names nope"),
        ("precedence: [sse, mis]", "precedence: [sse, sse]", "at most once"),
        ("topic: customer.changes.v1", "topic: Customer Changes", "event.topic"),
        ("name: {type: STRING}", "holder: {references: customer}", "must end in _id"),
    ],
)
def test_a_wrong_entity_contract_says_so(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_entity(_dataset(tmp_path, ENTITY.replace(old, new)))
    assert says in caught.value.problem


def test_an_entity_without_event_publishes_no_column(tmp_path: Path) -> None:
    contract = read_entity(_dataset(tmp_path, ALWAYS))
    assert (contract.event, contract.published()) == (None, [])
    assert (contract.identified_by, contract.partitioned_by) == (["meter_id", "read_at"], "read_at")
    assert [name for name, column in contract.columns.items() if column.required] == ["meter_id", "read_at", "share"]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("mastered: always", "mastered: by_customer", 4, "identified_by is for mastered: always"),
        ("mastered: always", "mastered: by_customer", 5, "partitioned_by is for mastered: always"),
        ("[meter_id, read_at]", "[meter_id, meter_id]", 4, "identified_by names meter_id twice"),
        ("[meter_id, read_at]", "[meter_id, nope]", 4, "identified_by names nope, which is not among"),
        ("[meter_id, read_at]", "[meter_id, share]", 4, "which is FLOAT64, and a key is compared as text"),
        ("meter, required: true", "meter", 9, "meter_id, which identified_by names, must say required: true"),
        ("partitioned_by: read_at", "partitioned_by: nope", 5, "partitioned_by names nope, which is not among"),
        ("partitioned_by: read_at", "partitioned_by: share", 5, "which must be a DATE or a TIMESTAMP"),
        ("TIMESTAMP, required: true", "TIMESTAMP", 10, "read_at, which partitioned_by names, must say required"),
        ("columns:", "consumers: [crm]\ncolumns:", 8, "consumers follow a topic"),
        ("  share:", "  same_as:", 11, "same_as is a name of our own tables"),
        ("  share:", "  valid_to:", 11, "valid_to is a name of our own tables"),
    ],
)
def test_what_identifies_and_parts_an_entity_must_be_its_columns(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in ALWAYS
    with pytest.raises(DeclarationError) as caught:
        read_entity(_dataset(tmp_path, ALWAYS.replace(old, new)))
    assert [error.where for error in caught.value.all() if says in error.problem] == [f"contract.yaml:{line}"]


def test_the_page_knows_each_key_and_each_way_of_capture() -> None:
    page = (ROOT / "docs" / "dataset-contract.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)[`,]", page)) | set(re.findall(r"\w+", "".join(re.findall(r"`\{(.*?)\}`", page))))
    methods = {get_args(kind.model_fields["method"].annotation)[0] for kind in get_args(get_args(Capture)[0])}
    assert len(methods) == 6
    assert {*DatasetContract.model_fields, *DatasetColumn.model_fields, *methods} - named == set()


def test_the_page_of_entities_knows_each_key_and_what_a_mapping_may_give_beside_them() -> None:
    page = (ROOT / "docs" / "entity-contract.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)[`:,]", page)) | set(re.findall(r"\w+", "".join(re.findall(r"`\{(.*?)\}`", page))))
    keys = (*EntityContract.model_fields, *EntityColumn.model_fields, *Event.model_fields, *Retention.model_fields)
    assert {*keys, *BESIDE} - named == set()
