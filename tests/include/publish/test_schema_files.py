"""What was promised to consumers is written down, and nothing that breaks it passes."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from include.catalogue import ROOT, Catalogue
from include.errors import DeclarationError
from include.publish.schema_files import incompatible, schema_mistakes, write_schema, written
from include.publish.schemas import event_schema

TOPIC = "account.changes.v1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    return tmp_path


@pytest.fixture
def edit(root: Path) -> Callable[[str, str], Catalogue]:
    def change(old: str, new: str) -> Catalogue:
        path = root / "sql" / "common_model" / "account" / "contract.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return Catalogue(root)

    return change


def _mistakes(catalogue: Catalogue) -> list[DeclarationError]:
    return list(schema_mistakes(catalogue.entity_folder("account"), "account", catalogue.entity("account")))


def _write(catalogue: Catalogue) -> Path | None:
    return write_schema(catalogue.entity_folder("account"), "account", catalogue.entity("account"))


def test_every_shipped_contract_is_what_its_newest_file_says() -> None:
    catalogue = Catalogue()
    for entity in catalogue.published_entities():
        contract = catalogue.entity(entity)
        newest = written(catalogue.entity_folder(entity), catalogue.topic(entity))[-1]
        assert newest.schema == event_schema(entity, contract)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  postcode:       {type: STRING, privacy: personal, describes: null when unknown}\n", ""),
        ("  postcode: ", "  nickname:       {type: STRING}\n  postcode: "),
        ("pounds; negative when we owe", "pounds"),
        ("event: {topic: account.changes.v1}", "event: {topic: account.changes.v1, withhold: [address]}"),
        ("address:        {type: STRING, privacy: personal", "address:        {type: STRING, privacy: special"),
    ],
)
def test_what_consumers_survive_is_the_next_version(edit: Callable[[str, str], Catalogue], old: str, new: str) -> None:
    catalogue = edit(old.replace("null when unknown", '"null when unknown"'), new)
    (found,) = _mistakes(catalogue)
    assert "are not those of" in found.problem
    assert "it writes 2.avsc" in found.remedy
    path = _write(catalogue)
    assert path is not None
    assert path.name == "2.avsc"
    assert _mistakes(catalogue) == []
    assert _write(catalogue) is None


@pytest.mark.parametrize("to", ["STRING", "FLOAT64", "BIGNUMERIC", "INT64"])
def test_another_type_is_refused_at_its_line_with_what_to_do_instead(
    edit: Callable[[str, str], Catalogue], to: str
) -> None:
    catalogue = edit("balance_gbp:    {type: NUMERIC", f"balance_gbp:    {{type: {to}")
    (found,) = _mistakes(catalogue)
    assert found.problem.startswith("balance_gbp was decimal(38, 9), and is now ")
    assert found.where == "sql/common_model/account/contract.yaml:11"
    assert "account.changes.v2" in found.remedy
    with pytest.raises(DeclarationError, match="balance_gbp was"):
        _write(catalogue)


def test_what_was_taken_out_does_not_come_back_as_something_else(edit: Callable[[str, str], Catalogue]) -> None:
    line = "  balance_gbp:    {type: NUMERIC"
    _write(edit(line, "  money:          {type: NUMERIC"))
    catalogue = edit("  money:          {type: NUMERIC", "  balance_gbp:    {type: STRING")
    assert [e.problem.partition(":")[0] for e in _mistakes(catalogue)] == [
        "balance_gbp was decimal(38, 9), and is now string"
    ]


def test_a_new_version_of_the_topic_begins_anew(edit: Callable[[str, str], Catalogue], root: Path) -> None:
    edit("balance_gbp:    {type: NUMERIC", "balance_gbp:    {type: STRING")
    catalogue = edit("account.changes.v1", "account.changes.v2")
    assert "written down nowhere" in _mistakes(catalogue)[0].problem
    path = _write(catalogue)
    assert path == root / "sql/common_model/account/schemas/account.changes.v2/1.avsc"
    assert _mistakes(catalogue) == []


@pytest.mark.parametrize("broken", ["2.avsc", "1.avsc"])
def test_a_version_that_is_missing_or_broken_is_told(root: Path, broken: str) -> None:
    folder = root / "sql/common_model/account/schemas" / TOPIC
    if broken == "2.avsc":
        (folder / "1.avsc").rename(folder / broken)
    else:
        (folder / broken).write_text("{", encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"numbered|not a schema") as refused:
        written(root / "sql/common_model/account", TOPIC)
    assert refused.value.where == f"sql/common_model/account/schemas/{TOPIC}/{broken}:1"


def _schemas() -> list[dict[str, Any]]:
    """Of one record, with a field that is there, or not, or of another type; and of other names and keys."""
    found = []
    for kinds in itertools.product([None, "string", "long", "double", "bytes"], [None, "string"]):
        fields: list[dict[str, Any]] = [{"name": "thing_key", "type": "string"}]
        fields += [
            {"name": name, "type": ["null", kind], "default": None}
            for name, kind in zip("ab", kinds, strict=True)
            if kind
        ]
        found.append({"type": "record", "name": "Thing", "namespace": "common_model", "fields": fields})
    other_key = json.loads(json.dumps(found[0]).replace("thing_key", "key"))
    return [*found, other_key]


def test_it_is_never_milder_than_avro_itself() -> None:
    """Avro also promotes types (a long is read as a double): one way only, so that FULL compatibility is the same."""
    checker = ReaderWriterCompatibilityChecker()
    compared = 0
    for new, old in itertools.product(_schemas(), repeat=2):
        one, other = (avro.schema.make_avsc_object(schema) for schema in (new, old))
        both = [checker.get_compatibility(reader=a, writer=b).compatibility for a, b in ((one, other), (other, one))]
        ours = not list(incompatible(new, old))
        theirs = all(found is SchemaCompatibilityType.compatible for found in both)
        assert theirs or not ours, (new, old)
        if "bytes" not in json.dumps([new, old]):  # which Avro reads as strings, and the other way round
            assert ours == theirs, (new, old)
        compared += 1
    assert compared == 121
