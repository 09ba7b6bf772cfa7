"""What `new` writes is right as it stands, says what it has guessed, and overwrites nothing."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.cli import main
from include.clients.sql_server import connect
from include.connections import EnvironmentConnections
from include.contract import Landed, Privacy, read_dataset
from include.declare.case import case_text
from include.declare.entity import entity_text
from include.declare.files import snake, write_new
from include.declare.guesses import privacy_of
from include.declare.landing import landing_text
from include.declare.mapping import mapping_text
from include.declare.source import contract_text, dataset_name
from include.declare.use_case import Wanted, claims, use_case_text
from include.errors import RequestError, SourceRefused
from include.extract.catalog import Captures, Catalog, read_captures, read_catalog, read_unique_indexes
from include.extract.drift import compare
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
    for dataset in ("salesforce_task", "salesforce_case"):  # they are written here
        shutil.rmtree(tmp_path / "sql" / "sources" / "mis" / dataset)
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


def _new_source(
    root: Path, catalog: Catalog, unique: list[list[str]] | None = None, captures: Captures | None = None
) -> str:
    return contract_text(CASE, "OldDB.Salesforce.Case", catalog, unique or [], Catalogue(root), captures or Captures())


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


def test_two_mappings_of_a_dataset_claim_what_either_reads_and_an_entity_of_two_is_published_once(root: Path) -> None:
    write_new(root / "sql" / "common_model" / "note" / "contract.yaml", entity_text("note", None, Catalogue(root)))
    note, account = (MappingName(entity, DatasetName("sse", "account")) for entity in ("note", "account"))
    write_new(Catalogue(root).mapping_path(note), mapping_text(note, Catalogue(root)))
    catalogue = Catalogue(root)
    alone = claims(Wanted("x", [account], "agents", 5, 3, None, "6h"), catalogue)
    other = MappingName("account", DatasetName("mis", "gentrack_account"))
    wanted = Wanted("x", [account, other, note], "agents", 5, 3, None, "6h")
    assert claims(wanted, catalogue)[note.source] == alone[note.source] != []
    assert 'publishes=["account", "note"],' in use_case_text(wanted, catalogue)


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
    assert _write(root, CASE, _new_source(root, catalog)).dataset(CASE).columns[column.name].refers_to == refers_to


def test_a_key_keeps_the_cases_that_its_collation_tells_and_refers_to_nobody(root: Path) -> None:
    key = SourceColumn("CustomerRef", "varchar", nullable=False, collation="Latin1_General_CS_AS")
    found = _write(root, CASE, _new_source(root, Catalog([key], ["CustomerRef"]))).dataset(CASE)
    assert (found.columns["CustomerRef"].collation, found.columns["CustomerRef"].refers_to) == ("case_sensitive", None)
    assert found.owner == Catalogue(root).dataset(DatasetName("mis", "gentrack_customer")).owner


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
    catalogue = _write(root, CASE, _new_source(root, _case_table(*more), captures=captures))
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
    columns.append(SourceColumn("No", "int", nullable=False))
    assert 'key: ["No"]\n' in _new_source(root, Catalog(columns, []), [["A", "No"], ["No"]])  # the shortest


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
    contract = _write(
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


def test_an_entity_after_a_dataset_keeps_what_is_known_of_its_columns(root: Path) -> None:
    twice = SourceColumn("InteractionKey", "int")  # what we call our own key
    moment = SourceColumn("ClosedDate", "datetime2", fraction=3)
    catalogue = _write(root, CASE, _new_source(root, _case_table(twice, moment)))
    write_new(catalogue.entity_folder("interaction") / "contract.yaml", entity_text("interaction", CASE, catalogue))
    found = Catalogue(root).entity("interaction")
    assert list(found.columns) == ["case_id", "customer_id", "subject", "opened_at", "order", "on", "closed_at"]
    assert (found.columns["subject"].privacy, found.retention.after) == ("personal", "opened_at")
    assert found.precedence[0] == "mis"
    text = mapping_text(MAPPING, Catalogue(root))
    assert "  NULLIF(TRIM(Subject), '')" in text
    assert "-- Not used, so not claimed: InteractionKey." in text


def test_a_reference_that_two_columns_could_give_and_a_type_that_does_not_fit_are_not_guessed(root: Path) -> None:
    both = SourceColumn("PayerRef", "varchar", collation=TEXT)
    text = _new_source(root, _case_table(both))
    catalogue = _write(root, CASE, text)
    write_new(catalogue.entity_folder("interaction") / "contract.yaml", entity_text("interaction", CASE, catalogue))
    path = Catalogue(root).entity_folder("interaction") / "contract.yaml"
    entity = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(order:\s+\{type: )INT64", r"\1DATE", entity), encoding="utf-8")
    assert re.search(
        r"CAST\(NULL AS DATE\) +AS `order`, +-- to do: Order is INT64\n", mapping_text(MAPPING, Catalogue(root))
    )
    contract = Catalogue(root).dataset_path(CASE)
    refers = re.sub(r"(PayerRef:\s+\{type: STRING)", r"\1, refers_to: gentrack_customer", text)
    contract.write_text(refers, encoding="utf-8")
    with pytest.raises(RequestError, match="CustomerRef, PayerRef of mis/salesforce_case all refer to one"):
        mapping_text(MAPPING, Catalogue(root))


def test_a_mapping_says_what_it_could_not_find(root: Path) -> None:
    write_new(root / "sql" / "common_model" / "note" / "contract.yaml", entity_text("note", None, Catalogue(root)))
    name = MappingName("note", DatasetName("sse", "account"))
    text = mapping_text(name, Catalogue(root))
    assert "  CustomerId               AS customer_id,\n" in text
    assert "  CAST(NULL AS TIMESTAMP)  AS recorded_at  -- to do: no column of sse/account has this name\n" in text
    with pytest.raises(RequestError, match="no column of sse/customer refers to one"):
        mapping_text(MappingName("note", DatasetName("sse", "customer")), Catalogue(root))


def test_another_systems_own_id_is_its_key_and_what_a_value_means_stands_beside_its_line(root: Path) -> None:
    catalogue = Catalogue(root)
    text = entity_text("credit", DatasetName("sse", "account"), catalogue)
    write_new(catalogue.entity_folder("credit") / "contract.yaml", text)
    mapping = mapping_text(MappingName("credit", DatasetName("mis", "gentrack_account")), Catalogue(root))
    lines = {line.partition(" AS ")[2].partition(",")[0].split(" ")[0]: line for line in mapping.splitlines()}
    assert lines["account_no"].split(None, 2)[0] == "NULLIF(TRIM(AccountId),"
    assert lines["account_no"].endswith("AS account_no,  -- a guess: the key of mis/gentrack_account")
    assert lines["closed_on"].endswith("AS closed_on,  -- to do: 9999-12-31 means open")
    assert lines["balance"].endswith("AS balance,")  # what its contract says is no other reading of a value
    assert "Not used, so not claimed: Supply_Address." in mapping


def test_the_rule_of_reuse_is_said_whole_wherever_it_is_said(root: Path) -> None:
    wanted = Wanted("again", [MappingName("account", DatasetName("sse", "account"))], "agents", 5, 3, None, "6h")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
        main(["new", "use-case", "--help"])
    for said in (use_case_text(wanted, Catalogue(root)), readme, " ".join(shown.getvalue().split())):
        assert re.search(r"within .{0,80}mappings? .{0,20}has not merged", " ".join(said.split()))


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
    tells = {name: Catalogue(root).mapping(name).tells_presence for name in Catalogue(root).mapping_names()}
    assert set(tells.values()) == {True, False}
    for name, itself in tells.items():
        assert ("  is_present: true\n" in case_text(name, Catalogue(root))) is not itself


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
