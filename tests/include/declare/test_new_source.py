"""The contract that `new source` writes says what the catalog says, and what was guessed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.connections import EnvironmentConnections
from include.contract import Landed
from include.declare.landing import landing_text
from include.declare.source import contract_text, dataset_name
from include.errors import SourceRefused
from include.extract.catalog import Captures, Catalog, read_captures, read_catalog, read_unique_indexes
from include.extract.drift import compare
from include.extract.types import SourceColumn
from include.local.platform import Platform
from include.names import DatasetName
from include.steps.check import problems
from tests.conftest import World
from tests.include.declare.declaring import CASE, DATABASE, TEXT, case_table, new_source, write


def test_what_the_contract_says_follows_from_the_catalog(root: Path) -> None:
    catalogue = write(root, CASE, new_source(root, case_table()))
    contract = catalogue.dataset(CASE)
    assert (contract.key, contract.capture.method, contract.deletes) == (["CaseId"], "snapshot", "captured")
    assert contract.columns["CaseId"].collation == "case_insensitive"
    assert contract.columns["CustomerRef"].refers_to == "gentrack_customer"
    assert contract.columns["Subject"].privacy == "personal"
    assert (contract.zone, contract.columns["OpenedAt"].required) == ("Europe/London", True)
    assert compare(CASE, contract, case_table(), list(contract.columns)) == []


@pytest.mark.parametrize(
    ("column", "refers_to"),
    [
        (SourceColumn("CustomerRef", "varchar", collation=TEXT), "gentrack_customer"),
        (SourceColumn("CustomerRef", "int"), None),  # another type than that key
        (SourceColumn("CustomerId", "int"), None),  # a key of another system
        (SourceColumn("AccountId", "varchar", collation=TEXT), None),  # the key of two datasets of this system
    ],
)
def test_a_reference_is_guessed_where_one_dataset_of_the_system_has_such_a_key(
    root: Path, column: SourceColumn, refers_to: str | None
) -> None:
    twin = Catalogue(root).dataset_path(DatasetName("mis", "gentrack_account"))
    shutil.copytree(twin.parent, twin.parent.with_name("gentrack_twin"))
    catalog = Catalog([SourceColumn("CaseId", "int", nullable=False), column], ["CaseId"])
    assert write(root, CASE, new_source(root, catalog)).dataset(CASE).columns[column.name].refers_to == refers_to


def test_a_key_keeps_the_cases_that_its_collation_tells_and_refers_to_nobody(root: Path) -> None:
    key = SourceColumn("CustomerRef", "varchar", nullable=False, collation="Latin1_General_CS_AS")
    found = write(root, CASE, new_source(root, Catalog([key], ["CustomerRef"]))).dataset(CASE)
    assert (found.columns["CustomerRef"].collation, found.columns["CustomerRef"].refers_to) == ("case_sensitive", None)
    assert found.owner == Catalogue(root).dataset(DatasetName("mis", "gentrack_customer")).owner


def test_what_was_guessed_is_called_a_guess(root: Path) -> None:
    lines = new_source(root, case_table()).splitlines()
    assert [line.split(":")[0].strip() for line in lines if "# a guess" in line] == [
        "owner",
        "zone",
        "CustomerRef",
        "Subject",
    ]


def test_a_rowversion_makes_it_a_capture_of_what_changed(root: Path) -> None:
    text = new_source(root, case_table(SourceColumn("RowVer", "timestamp", nullable=False)))
    contract = write(root, CASE, text).dataset(CASE)
    assert (contract.position_column, contract.deletes) == ("RowVer", "key_scan")
    assert "RowVer" not in contract.columns


@pytest.mark.parametrize(
    ("captures", "version", "capture"),
    [
        (Captures(change_tracking=True, cdc=True), "RowVer", {"method": "change_tracking"}),
        (Captures(cdc=True), "RowVer", {"method": "rowversion", "column": "RowVer"}),
        (Captures(cdc=True), None, {"method": "cdc", "instance": "Salesforce_Case"}),
    ],
    ids=["change tracking", "rowversion", "cdc"],
)
def test_the_best_capture_that_the_table_allows_is_declared(
    root: Path, captures: Captures, version: str | None, capture: dict[str, str]
) -> None:
    more = [SourceColumn(version, "timestamp", nullable=False)] if version else []
    catalogue = write(root, CASE, new_source(root, case_table(*more), captures=captures))
    contract = catalogue.dataset(CASE)
    assert contract.capture.model_dump() == capture
    assert contract.deletes == ("key_scan" if capture["method"] == "rowversion" else "captured")
    assert list(problems(catalogue)) == []


def test_what_captures_a_table_is_read_from_the_catalog(platform: Platform) -> None:
    settings, made = EnvironmentConnections(platform.environment()).sql_server("mis"), f"{DATABASE}_captured"
    with connect(settings, "master") as session:
        session.execute(f"CREATE DATABASE {made}")
        session.execute(f"ALTER DATABASE {made} SET CHANGE_TRACKING = ON")
    with connect(settings, made) as session:
        session.execute("EXEC sys.sp_cdc_enable_db")
        for name in ("Plain", "Tracked", "Captured"):
            session.execute(f"CREATE TABLE dbo.{name} (Id int NOT NULL PRIMARY KEY)")
        session.execute("ALTER TABLE dbo.Tracked ENABLE CHANGE_TRACKING")
        session.execute(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Captured', @role_name = NULL,"
            " @supports_net_changes = 0"
        )
        found = {
            name: read_captures(session, f"{made}.dbo.{name}") for name in ("Plain", "Tracked", "Captured", "None")
        }
    assert found == {
        "Plain": Captures(),
        "Tracked": Captures(change_tracking=True),
        "Captured": Captures(cdc=True),
        "None": Captures(),
    }


def test_a_column_that_cannot_be_carried_is_left_out_and_says_why(root: Path) -> None:
    text = new_source(root, case_table(SourceColumn("Any", "sql_variant"), SourceColumn("a b", "int")))
    assert "# Any is sql_variant: each row may be of another type; have a computed column or a view" in text
    assert "# a b is int: no column of BigQuery may be called so; have a view that gives it another name" in text
    assert set(write(root, CASE, text).dataset(CASE).columns) == {
        "CaseId",
        "CustomerRef",
        "Subject",
        "OpenedAt",
        "Order",
        "On",
    }


def test_each_type_gets_its_best_declared_type(root: Path) -> None:
    more = (
        SourceColumn("Amount", "decimal", 38, 10),
        SourceColumn("Seen", "datetimeoffset", fraction=3, nullable=False),
        SourceColumn("Exact", "datetime2", fraction=7),
        SourceColumn("Place", "geography"),
    )
    contract = write(root, CASE, new_source(root, case_table(*more))).dataset(CASE)
    assert [contract.columns[column.name].type for column in more] == ["BIGNUMERIC", "TIMESTAMP", "STRING", "BYTES"]
    offset = contract.columns["Seen_offset_minutes"]
    assert (offset.type, offset.required, offset.offset_of) == ("INT64", True, "Seen")
    assert compare(CASE, contract, case_table(*more), list(contract.columns)) == []


def test_a_column_that_changes_without_its_row_is_left_out_only_where_changed_rows_are_read(root: Path) -> None:
    age, version = SourceColumn("Age", "int", trait="volatile"), SourceColumn("V", "timestamp", nullable=False)
    assert "# Age is int: it is computed from more than its row, so that it changes while V stays" in new_source(
        root, case_table(age, version)
    )
    assert "Age" in write(root, CASE, new_source(root, case_table(age))).dataset(CASE).columns


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (SourceColumn("Id", "float", nullable=False), "Id is float, which cannot be a key"),
        (SourceColumn("Id", "sql_variant", nullable=False), "Id is sql_variant, which cannot be a key"),
        (SourceColumn("Id", "varchar", nullable=False, collation="Latin1_General_CI_AI"), "ignores accents"),
    ],
)
def test_a_key_that_cannot_be_compared_is_refused(root: Path, column: SourceColumn, says: str) -> None:
    with pytest.raises(SourceRefused, match=says):
        new_source(root, Catalog([column], ["Id"]))


def test_a_table_without_a_key_is_refused_and_says_what_to_do(root: Path) -> None:
    columns = [SourceColumn("A", "int", nullable=False), SourceColumn("B", "int")]
    with pytest.raises(SourceRefused, match="neither a primary key nor a unique index") as refused:
        new_source(root, Catalog(columns, []), [["B"]])  # NULL may be there once
    assert "HAVING COUNT(*) > 1" in refused.value.remedy
    assert "key: [A]\n" in new_source(root, Catalog(columns, []), [["B"], ["A"]])
    columns.append(SourceColumn("No", "int", nullable=False))
    assert 'key: ["No"]\n' in new_source(root, Catalog(columns, []), [["A", "No"], ["No"]])  # the shortest


def test_a_missing_table_is_refused(root: Path) -> None:
    with pytest.raises(SourceRefused, match=r"there is no table OldDB\.Salesforce\.Case"):
        new_source(root, Catalog([], []))


def test_a_real_catalog_gives_key_types_and_unique_index(platform: Platform, root: Path) -> None:
    connections = World("declare", platform.environment()).connections
    with connect(connections.sql_server("mis"), "master") as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        session.execute(f"CREATE DATABASE {DATABASE}")
    with connect(connections.sql_server("mis"), DATABASE) as session:
        session.execute("CREATE TABLE dbo.Note (Body nvarchar(200) NULL, No int NOT NULL UNIQUE, Fee money NULL)")
        catalog = read_catalog(session, f"{DATABASE}.dbo.Note")
        unique = read_unique_indexes(session, f"{DATABASE}.dbo.Note")
    name = dataset_name("mis", [DATABASE, "dbo", "Note"], None)
    contract = write(
        root, name, contract_text(name, f"{DATABASE}.dbo.Note", catalog, unique, Catalogue(root), Captures())
    )
    found = contract.dataset(name)
    assert (str(name), found.key) == ("mis/note", ["No"])
    assert {column: declared.type for column, declared in found.columns.items()} == {
        "Body": "STRING",
        "No": "INT64",
        "Fee": "NUMERIC",
    }
    assert list(found.columns) == ["Body", "No", "Fee"]  # as the table has them


def test_a_landed_topic_is_declared_as_the_shipped_one_is(root: Path) -> None:
    shipped = Catalogue(root).dataset(DatasetName("platform", "account"))
    columns = {"kafka_key": "STRING", "kafka_data": "STRUCT"} | {n: c.type for n, c in shipped.columns.items()}
    assert "zone:" not in landing_text(DatasetName("platform", "x"), "landing.x", columns, Catalogue(root))
    with_time = columns | {"rung_at": "DATETIME"}
    assert "zone: Europe/London" in landing_text(DatasetName("platform", "x"), "landing.x", with_time, Catalogue(root))
    name = DatasetName("platform", "account2")
    text = landing_text(name, "platform_landing.account2", columns | {"lines": "ARRAY"}, Catalogue(root))
    found = write(root, name, text).dataset(name)
    assert isinstance(found.capture, Landed)
    assert isinstance(shipped.capture, Landed)
    others = [column for column in shipped.columns if column != "kafka_key"]
    nothing = " AND ".join(f"{column} IS NULL" for column in others)  # a live record lacks one or another, never all
    assert found.capture == shipped.capture.model_copy(update={"deleted_when": nothing})
    assert (found.key, found.deletes) == (shipped.key, shipped.deletes)
    assert {n: (c.type, c.privacy, c.refers_to) for n, c in found.columns.items()} == {
        n: (c.type, c.privacy, "account" if n == "account_id" else c.refers_to) for n, c in shipped.columns.items()
    }
    assert "# lines is ARRAY: not carried" in text


@pytest.mark.parametrize("columns", [None, {"a": "STRING"}, {"kafka_key": "STRING", "kafka_data": "STRING"}])
def test_a_table_that_nobody_landed_is_refused(root: Path, columns: dict[str, str] | None) -> None:
    with pytest.raises(SourceRefused):
        landing_text(DatasetName("platform", "x"), "platform_landing.x", columns, Catalogue(root))
