"""Catalog and contract are compared before a row is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.catalogue import Catalogue
from include.contract import DatasetContract
from include.errors import DriftError
from include.extract.catalog import Catalog
from include.extract.changes import changed_types
from include.extract.drift import compare, conversions, standing
from include.extract.types import SourceColumn, Trait
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
    assert compare(NAME, CONTRACT, Catalog(THERE, []), COLUMNS) == []
    (note,) = standing(CONTRACT, Catalog(THERE, []))
    assert "rows of one key in one batch are quarantined" in note


@pytest.mark.parametrize(
    ("capture", "full_every", "notes"),
    [
        ({"method": "rowversion", "column": "RowVer"}, None, 1),
        ({"method": "cdc", "instance": "dbo_Customer"}, None, 1),
        ({"method": "rowversion", "column": "RowVer"}, "7d", 0),
        ({"method": "change_tracking"}, None, 0),  # SQL Server refuses to switch there
        ({"method": "snapshot"}, None, 0),
    ],
)
def test_what_is_switched_into_a_partition_is_noted_where_only_a_full_would_see_it(
    capture: dict[str, str], full_every: str | None, notes: int
) -> None:
    deletes = "key_scan" if capture["method"] == "rowversion" else "captured"
    given = {**CONTRACT.model_dump(), "capture": capture, "full_every": full_every, "deletes": deletes}
    contract = DatasetContract.model_validate(given)
    found = standing(contract, Catalog(THERE, ["CustomerId"], is_partitioned=True))
    assert ["ALTER TABLE … SWITCH" in note and "full_every" in note for note in found] == [True] * notes
    assert standing(contract, Catalog(THERE, ["CustomerId"])) == []


@pytest.mark.parametrize(
    ("catalog", "says"),
    [
        (Catalog([], []), "there is no table CRM.dbo.Customer, or it is hidden from us"),
        (_with(Surname=None, CreatedAt=None), "column Surname, CreatedAt is missing (there are: CustomerId, RowVer)"),
        (_with(Surname=None), "column Surname is missing"),
        (_with(Surname=SourceColumn("Surname", "vector")), "Surname is vector, which is not carried: its text has 8"),
        (
            _with(Surname=SourceColumn("Surname", "int")),
            "Surname is int there and STRING here: write Surname: {type: INT64, privacy: personal, desc",
        ),
        (
            _with(CreatedAt=SourceColumn("CreatedAt", "datetime2", fraction=7, nullable=False)),
            "CreatedAt is datetime2(7) there and DATETIME here: write CreatedAt: {type: STRING",
        ),
        (_with(CustomerId=SourceColumn("CustomerId", "int", nullable=True)), "CustomerId may be NULL at the source"),
        (_with(CreatedAt=SourceColumn("CreatedAt", "datetime", nullable=True)), "CreatedAt may be NULL at the source"),
        (_with(RowVer=SourceColumn("RowVer", "binary")), "RowVer is binary there: only a rowversion column grows"),
        (_with(RowVer=SourceColumn("RowVer", "int")), "RowVer is int there: only a rowversion column grows"),
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


BEFORE = Catalog(THERE, ["CustomerId"]).types()


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ({}, SourceColumn("Surname", "nvarchar"), None),
        (
            {"Surname": "varchar(50) X"},
            SourceColumn("Surname", "varchar", length=100, collation="X"),
            "varchar(100) X now: wider",
        ),
        ({"Surname": "varchar(max) X"}, SourceColumn("Surname", "text", collation="X"), "wider"),
        ({"Surname": "varchar(50) X"}, SourceColumn("Surname", "nvarchar", length=50), "wider"),
        ({"Surname": "nvarchar(50) not null"}, SourceColumn("Surname", "nvarchar", length=50), "may be NULL now"),
        ({"Surname": "nvarchar(50)"}, SourceColumn("Surname", "nvarchar", length=50, nullable=False), "never NULL now"),
    ],
)
def test_a_window_goes_on_from_a_narrower_type_and_says_both_sides(
    was: dict[str, str], now: SourceColumn, says: str | None
) -> None:
    notes = compare(NAME, CONTRACT, _with(Surname=now), COLUMNS, {**BEFORE, **was}, "window")
    assert (says is None) == (notes == [])
    assert says is None or (was["Surname"] in notes[0] and says in notes[0])


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("nvarchar(50)", SourceColumn("Surname", "nvarchar", length=20), "is nvarchar(20) now: narrower"),
        ("char(5) X", SourceColumn("Surname", "char", length=9, collation="X"), "is char(9) X now: another type"),
        ("varchar(9) X", SourceColumn("Surname", "varchar", length=9, collation="Y"), "now: another collation"),
        ("xml", SourceColumn("Surname", "nvarchar", length=-1), "is nvarchar(max) now: another type"),
        ("nvarchar(50)", SourceColumn("Surname", "varchar", length=50, collation="X"), "is varchar(50) X now"),
    ],
)
def test_a_window_stops_where_rows_read_before_may_be_others_now(was: str, now: SourceColumn, says: str) -> None:
    before, catalog = {**BEFORE, "Surname": was}, _with(Surname=now)
    with pytest.raises(DriftError) as caught:
        compare(NAME, CONTRACT, catalog, COLUMNS, before, "window")
    assert f"Surname was {was} when it was last read" in caught.value.problem
    assert says in caught.value.problem
    assert "full_refresh" in caught.value.remedy
    assert says in compare(NAME, CONTRACT, catalog, COLUMNS, before, "full")[0]


@pytest.mark.parametrize(
    ("was", "now", "is_wider"),
    [
        (SourceColumn("x", "int"), SourceColumn("x", "bigint"), True),
        (SourceColumn("x", "bigint"), SourceColumn("x", "int"), False),
        (SourceColumn("x", "decimal", 9, 2), SourceColumn("x", "decimal", 18, 2), True),
        (SourceColumn("x", "decimal", 9, 2), SourceColumn("x", "numeric", 11, 4), True),
        (SourceColumn("x", "decimal", 9, 2), SourceColumn("x", "decimal", 9, 4), False),
        (SourceColumn("x", "decimal", 9, 2), SourceColumn("x", "decimal", 18, 1), False),
        (SourceColumn("x", "datetime2", fraction=3), SourceColumn("x", "datetime2", fraction=6), True),
        (SourceColumn("x", "datetime2", fraction=6), SourceColumn("x", "datetime2", fraction=3), False),
        (SourceColumn("x", "datetime"), SourceColumn("x", "datetime2", fraction=3), False),
        (SourceColumn("x", "binary", length=4), SourceColumn("x", "varbinary", length=4), True),
        (SourceColumn("x", "binary", length=4), SourceColumn("x", "binary", length=8), False),
        (SourceColumn("x", "money"), SourceColumn("x", "smallmoney"), False),
    ],
)
def test_wider_means_that_every_value_is_still_the_same(was: SourceColumn, now: SourceColumn, is_wider: bool) -> None:
    found = changed_types([now], {"x": was.told()})
    assert bool(found.notes) == is_wider
    assert bool(found.refused) != is_wider


def test_a_column_that_is_new_at_the_source_is_noted_once() -> None:
    catalog = Catalog([*THERE, SourceColumn("Shoe", "int")], ["CustomerId"])
    assert compare(NAME, CONTRACT, catalog, COLUMNS, BEFORE, "window") == ["not in the contract, so never read: Shoe"]
    assert compare(NAME, CONTRACT, catalog, COLUMNS, catalog.types(), "window") == []


def test_a_column_that_changes_without_its_row_is_refused_where_only_changed_rows_are_read() -> None:
    with pytest.raises(DriftError, match=r"Surname is computed from more than its row.*method: snapshot"):
        compare(NAME, CONTRACT, _with(Surname=SourceColumn("Surname", "nvarchar", trait="volatile")), COLUMNS)
    assert compare(NAME, CONTRACT, _with(Surname=SourceColumn("Surname", "nvarchar", trait="computed")), COLUMNS) == []


@pytest.mark.parametrize(
    ("trait", "says"), [("masked", "masked for our login; have UNMASK granted"), ("encrypted", "it is encrypted")]
)
def test_values_that_our_login_would_not_see_are_refused(trait: Trait, says: str) -> None:
    with pytest.raises(DriftError, match=says):
        compare(NAME, CONTRACT, _with(Surname=SourceColumn("Surname", "nvarchar", trait=trait)), COLUMNS)


MOMENTS = DatasetContract.model_validate(
    CONTRACT.model_dump(exclude_defaults=True)
    | {
        "capture": {"method": "snapshot"},
        "deletes": "captured",
        "columns": {
            "CustomerId": {"type": "INT64", "required": True},
            "At": {"type": "TIMESTAMP", "required": True},
            "Offset": {"type": "INT64", "required": True, "offset_of": "At"},
        },
    }
)
AT = SourceColumn("At", "datetimeoffset", fraction=3, nullable=False)


def test_an_offset_is_read_from_its_column() -> None:
    catalog = Catalog([THERE[0], AT], ["CustomerId"])
    assert compare(NAME, MOMENTS, catalog, ["CustomerId", "Offset"]) == []
    assert conversions(MOMENTS, catalog, ["CustomerId", "Offset"]) == {"Offset": "DATEPART(tz, [At])"}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([replace(AT, type="datetime2")], "At is datetime2(3), which has no offset: take Offset out"),
        ([replace(AT, nullable=True)], "At may be NULL at the source: take `required: true` from Offset"),
        ([AT, SourceColumn("Offset", "int")], "Offset is a column of the table: give the offset of At another name"),
        ([], "column At is missing"),
    ],
)
def test_an_offset_that_cannot_be_read_is_refused(columns: list[SourceColumn], says: str) -> None:
    with pytest.raises(DriftError) as caught:
        compare(NAME, MOMENTS, Catalog([THERE[0], *columns], ["CustomerId"]), ["CustomerId", "Offset"])
    assert says in caught.value.problem
