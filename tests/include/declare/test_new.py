"""What `new` writes is right as it stands, says what it has guessed, and overwrites nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.clients.sql_server import connect
from include.contract import Landed, Privacy, read_dataset
from include.declare.case import case_text
from include.declare.entity import entity_text
from include.declare.files import snake, write_new
from include.declare.guesses import privacy_of
from include.declare.landing import landing_text
from include.declare.mapping import mapping_text
from include.declare.source import contract_text, dataset_name
from include.declare.use_case import Wanted, use_case_text
from include.errors import RequestError, SourceRefused
from include.extract.capture import read_catalog, read_unique_indexes
from include.extract.drift import Catalog, compare
from include.extract.types import SourceColumn
from include.local.platform import Platform
from include.names import DatasetName, MappingName
from include.publish.schema_files import write_schema
from include.steps.check import problems
from tests.conftest import World

DATABASE = "declared"
CASE = DatasetName("mis", "salesforce_case")
MAPPING = MappingName("interaction", CASE)
TEXT = "SQL_Latin1_General_CP1_CI_AS"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("sql", "dags"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _case_table(*more: SourceColumn) -> Catalog:
    return Catalog(
        [
            SourceColumn("CaseId", "char", nullable=False, collation=TEXT),
            SourceColumn("CustomerRef", "varchar", collation=TEXT),
            SourceColumn("Subject", "nvarchar", collation=TEXT),
            SourceColumn("OpenedAt", "datetime2", fraction=3, nullable=False),
            SourceColumn("Order", "int"),
            SourceColumn("On", "bit"),
            *more,
        ],
        ["CaseId"],
    )


def _write(root: Path, dataset: DatasetName, text: str) -> Catalogue:
    write_new(Catalogue(root).dataset_path(dataset), text)
    return Catalogue(root)


def _new_source(root: Path, catalog: Catalog, unique: list[list[str]] | None = None) -> str:
    return contract_text(CASE, "OldDB.Salesforce.Case", catalog, unique or [], Catalogue(root))


def test_from_a_table_to_a_use_case_each_file_is_right_as_it_stands(root: Path) -> None:
    catalogue = _write(root, CASE, _new_source(root, _case_table()))
    assert list(problems(catalogue)) == []
    write_new(catalogue.entity_folder("interaction") / "contract.yaml", entity_text("interaction", CASE, catalogue))
    catalogue = Catalogue(root)
    write_schema(catalogue.entity_folder("interaction"), "interaction", catalogue.entity("interaction"))
    assert list(problems(catalogue)) == []
    write_new(catalogue.mapping_path(MAPPING), mapping_text(MAPPING, catalogue))
    assert list(problems(Catalogue(root))) == []
    wanted = Wanted("agent_service", [MAPPING], "agents", 5, 3, "0 5 * * *", "6h")
    write_new(root / "dags" / "agent_service.py", use_case_text(wanted, Catalogue(root)))
    catalogue = Catalogue(root)
    assert list(problems(catalogue)) == []
    assert catalogue.claimed(CASE) == ["CaseId", "CustomerRef", "Subject", "OpenedAt", "Order", "On"]
    assert catalogue.use_case("agent_service").publishes == ["interaction"]


def test_a_use_case_is_written_as_the_formatter_would_have_it(root: Path) -> None:
    mappings = [m for m in Catalogue(root).mapping_names() if m.source.system != "mis"]
    text = use_case_text(Wanted("again", mappings, "agents", 5, 3, None, "6h"), Catalogue(root))
    (root / "again.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--config", str(ROOT / "pyproject.toml"), "again.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_contract_says_follows_from_the_catalog(root: Path) -> None:
    catalogue = _write(root, CASE, _new_source(root, _case_table()))
    contract = catalogue.dataset(CASE)
    assert (contract.key, contract.capture.method, contract.deletes) == (["CaseId"], "snapshot", "captured")
    assert contract.columns["CaseId"].collation == "case_insensitive"
    assert contract.columns["CustomerRef"].refers_to == "gentrack_customer"
    assert contract.columns["Subject"].privacy == "personal"
    assert (contract.zone, contract.columns["OpenedAt"].required) == ("Europe/London", True)
    assert compare(CASE, contract, _case_table(), list(contract.columns)) == []


def test_what_was_guessed_is_called_a_guess(root: Path) -> None:
    lines = _new_source(root, _case_table()).splitlines()
    assert [line.split(":")[0].strip() for line in lines if "# a guess" in line] == [
        "owner",
        "zone",
        "CustomerRef",
        "Subject",
    ]


def test_a_rowversion_makes_it_a_capture_of_what_changed(root: Path) -> None:
    text = _new_source(root, _case_table(SourceColumn("RowVer", "timestamp", nullable=False)))
    contract = _write(root, CASE, text).dataset(CASE)
    assert (contract.position_column, contract.deletes) == ("RowVer", "key_scan")
    assert "RowVer" not in contract.columns


def test_a_column_that_cannot_be_carried_is_left_out_and_says_why(root: Path) -> None:
    text = _new_source(root, _case_table(SourceColumn("Any", "sql_variant"), SourceColumn("a b", "int")))
    assert "# Any is sql_variant: each row may be of another type; have a computed column or a view" in text
    assert "# a b is int: no column of BigQuery may be called so; have a view that gives it another name" in text
    assert set(_write(root, CASE, text).dataset(CASE).columns) == {
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
    contract = _write(root, CASE, _new_source(root, _case_table(*more))).dataset(CASE)
    assert [contract.columns[column.name].type for column in more] == ["BIGNUMERIC", "TIMESTAMP", "STRING", "BYTES"]
    offset = contract.columns["Seen_offset_minutes"]
    assert (offset.type, offset.required, offset.offset_of) == ("INT64", True, "Seen")
    assert compare(CASE, contract, _case_table(*more), list(contract.columns)) == []


def test_a_column_that_changes_without_its_row_is_left_out_only_where_changed_rows_are_read(root: Path) -> None:
    age, version = SourceColumn("Age", "int", trait="volatile"), SourceColumn("V", "timestamp", nullable=False)
    assert "# Age is int: it is computed from more than its row, so that it changes while V stays" in _new_source(
        root, _case_table(age, version)
    )
    assert "Age" in _write(root, CASE, _new_source(root, _case_table(age))).dataset(CASE).columns


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
        _new_source(root, Catalog([column], ["Id"]))


def test_a_table_without_a_key_is_refused_and_says_what_to_do(root: Path) -> None:
    columns = [SourceColumn("A", "int", nullable=False), SourceColumn("B", "int")]
    with pytest.raises(SourceRefused, match="neither a primary key nor a unique index") as refused:
        _new_source(root, Catalog(columns, []), [["B"]])  # NULL may be there once
    assert "HAVING COUNT(*) > 1" in refused.value.remedy
    assert "key: [A]\n" in _new_source(root, Catalog(columns, []), [["B"], ["A"]])


def test_a_missing_table_is_refused(root: Path) -> None:
    with pytest.raises(SourceRefused, match=r"there is no table OldDB\.Salesforce\.Case"):
        _new_source(root, Catalog([], []))


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
    contract = _write(root, name, contract_text(name, f"{DATABASE}.dbo.Note", catalog, unique, Catalogue(root)))
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
    name = DatasetName("platform", "account2")
    text = landing_text(name, "platform_landing.account2", columns | {"lines": "ARRAY"}, Catalogue(root))
    found = _write(root, name, text).dataset(name)
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


def test_an_entity_whose_rows_refer_to_no_customer_is_refused(root: Path) -> None:
    catalog = Catalog([SourceColumn("Id", "int", nullable=False), SourceColumn("AccountId", "varchar")], ["Id"])
    catalogue = _write(root, CASE, _new_source(root, catalog))
    with pytest.raises(RequestError, match="says whose payment it is") as refused:
        entity_text("payment", CASE, catalogue)
    assert "cannot be an entity yet" in refused.value.remedy


def test_a_mapping_says_what_it_could_not_find(root: Path) -> None:
    write_new(root / "sql" / "common_model" / "note" / "contract.yaml", entity_text("note", None, Catalogue(root)))
    name = MappingName("note", DatasetName("sse", "account"))
    text = mapping_text(name, Catalogue(root))
    assert "  CustomerId               AS customer_id,\n" in text
    assert "  CAST(NULL AS TIMESTAMP)  AS recorded_at  -- to do: no column of sse/account has this name\n" in text
    with pytest.raises(RequestError, match="no column of sse/customer refers to one"):
        mapping_text(MappingName("note", DatasetName("sse", "customer")), Catalogue(root))


def test_two_columns_of_one_name_are_not_lost_in_silence(root: Path) -> None:
    taken = SourceColumn("OpenedDate", "datetime2", fraction=3), SourceColumn("InteractionKey", "int")
    catalogue = _write(root, CASE, _new_source(root, _case_table(*taken)))
    text = entity_text("interaction", CASE, catalogue)
    for column, name in (("OpenedDate", "opened_at"), ("InteractionKey", "interaction_key")):
        assert f"  # to do: {column} is left out, {name} is taken; if it is needed, name it otherwise\n" in text
    assert text.count("\n  opened_at:") == 1
    write_new(catalogue.entity_folder("interaction") / "contract.yaml", text)
    mapping = mapping_text(MAPPING, Catalogue(root))
    (line,) = (line for line in mapping.splitlines() if " AS opened_at" in line)
    assert line.endswith("-- to do: or OpenedDate?")


def test_a_case_holds_as_it_stands(root: Path) -> None:
    text = case_text(MappingName("account", DatasetName("sse", "account")), Catalogue(root))
    assert "  CustomerId: 1\n" in text
    assert "  customer_id: 1\n" in text
    assert "  # account_number: to do: what comes of AccountNo\n" in text


def test_nothing_is_overwritten(root: Path) -> None:
    path = Catalogue(root).dataset_path(DatasetName("sse", "customer"))
    before = path.read_text(encoding="utf-8")
    with pytest.raises(RequestError, match=r"sql/sources/sse/customer/contract\.yaml is there already"):
        write_new(path, "describes: something else")
    assert path.read_text(encoding="utf-8") == before
    assert read_dataset(path).table == "CRM.dbo.Customer"


@pytest.mark.parametrize(
    ("column", "privacy"),
    [
        ("Surname", "personal"),
        ("FullName", "personal"),
        ("e_mail", "personal"),
        ("DateOfBirth", "personal"),
        ("NINumber", "personal"),
        ("NationalInsuranceNo", "personal"),
        ("Supply_Address", "personal"),
        ("IBAN", "personal"),
        ("PostCode", "personal"),
        ("PriorityServiceCode", "special"),
        ("IsVulnerable", "special"),
        ("HealthNote", "special"),
        ("Status", "none"),
        ("ProductName", "none"),
        ("Balance", "none"),
        ("CreatedAt", "none"),
        ("Cardinality", "none"),
    ],
)
def test_a_name_betrays_what_is_personal(column: str, privacy: Privacy) -> None:
    assert privacy_of(column) == privacy


@pytest.mark.parametrize(
    ("source", "ours"),
    [("AddressLine1", "address_line1"), ("IBANNumber", "iban_number"), ("Supply_Address", "supply_address")],
)
def test_names_are_spelt_in_our_way(source: str, ours: str) -> None:
    assert snake(source) == ours
