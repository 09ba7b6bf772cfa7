"""Catalog and contract are compared before a row is read."""

from __future__ import annotations

import pytest

from include.catalogue import Catalogue
from include.errors import DriftError
from include.extract.drift import Catalog, compare
from include.extract.types import SourceColumn
from include.names import DatasetName

NAME = DatasetName("sse", "customer")
CONTRACT = Catalogue().dataset(NAME)
COLUMNS = ["CustomerId", "Surname", "CreatedAt", "RowVer"]
THERE = [
    SourceColumn("CustomerId", "int", nullable=False),
    SourceColumn("Surname", "nvarchar"),
    SourceColumn("CreatedAt", "datetime", nullable=False),
    SourceColumn("RowVer", "timestamp"),
]


def _with(**changes: SourceColumn | None) -> Catalog:
    columns = [changes.get(c.name, c) for c in THERE]
    return Catalog([c for c in columns if c is not None], ["CustomerId"])


def test_what_agrees_goes_on_and_new_columns_are_noted() -> None:
    catalog = Catalog([*THERE, SourceColumn("Shoe", "int")], ["CustomerId"])
    assert compare(NAME, CONTRACT, catalog, COLUMNS) == ["not in the contract, so never read: Shoe"]


def test_a_table_without_a_primary_key_is_noted() -> None:
    assert "a batch in which a key is doubled is not merged" in compare(NAME, CONTRACT, Catalog(THERE, []), COLUMNS)[0]


@pytest.mark.parametrize(
    ("catalog", "says"),
    [
        (Catalog([], []), "there is no table CRM.dbo.Customer, or it is hidden from us"),
        (_with(Surname=None, CreatedAt=None), "column Surname, CreatedAt is missing (there are: CustomerId, RowVer)"),
        (_with(Surname=None), "column Surname is missing"),
        (_with(Surname=SourceColumn("Surname", "xml")), "Surname is xml, which is not carried"),
        (
            _with(Surname=SourceColumn("Surname", "int")),
            "Surname is int there and STRING here: write Surname: {type: INT64}",
        ),
        (
            _with(CreatedAt=SourceColumn("CreatedAt", "datetime2", fraction=7, nullable=False)),
            "it keeps 100 ns, BigQuery 1 µs",
        ),
        (_with(CustomerId=SourceColumn("CustomerId", "int", nullable=True)), "CustomerId may be NULL at the source"),
        (_with(CreatedAt=SourceColumn("CreatedAt", "datetime", nullable=True)), "CreatedAt may be NULL at the source"),
        (_with(RowVer=SourceColumn("RowVer", "binary")), "RowVer is binary there: only a rowversion column grows"),
        (Catalog(THERE, ["CustomerId", "Surname"]), "write key: [CustomerId, Surname]"),
    ],
)
def test_what_differs_is_refused_with_both_sides_and_what_to_write(catalog: Catalog, says: str) -> None:
    with pytest.raises(DriftError) as caught:
        compare(NAME, CONTRACT, catalog, COLUMNS)
    assert says in caught.value.problem
    assert caught.value.where == "sql/sources/sse/customer/contract.yaml"


@pytest.mark.parametrize(
    ("collation", "says"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", None),
        ("Latin1_General_CS_AS", "write collation: case_sensitive, not case_insensitive"),
        ("Latin1_General_100_BIN2", "write collation: case_sensitive, not case_insensitive"),
        ("Latin1_General_CI_AI", "which ignores accents"),
    ],
)
def test_a_text_key_is_compared_as_the_source_compares_it(collation: str, says: str | None) -> None:
    name = DatasetName("sse", "account")
    contract = Catalogue().dataset(name)
    assert contract.columns["AccountNo"].collation == "case_insensitive"
    there = [SourceColumn("AccountNo", "varchar", nullable=False, collation=collation)]
    if says is None:
        assert compare(name, contract, Catalog(there, ["AccountNo"]), ["AccountNo"]) == []
        return
    with pytest.raises(DriftError) as caught:
        compare(name, contract, Catalog(there, ["AccountNo"]), ["AccountNo"])
    assert says in caught.value.problem


def test_all_differences_are_told_at_once() -> None:
    catalog = _with(Surname=None, CreatedAt=SourceColumn("CreatedAt", "date", nullable=False))
    with pytest.raises(DriftError, match=r"Surname is missing.*CreatedAt is date there and DATETIME here"):
        compare(NAME, CONTRACT, catalog, COLUMNS)
