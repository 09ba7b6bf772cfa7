"""What `new` writes is right as it stands, says what it has guessed, and overwrites nothing."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.cli import main
from include.contract import Privacy, read_dataset
from include.declare.case import case_text
from include.declare.entity import entity_text
from include.declare.files import snake, write_new
from include.declare.guesses import privacy_of
from include.declare.mapping import mapping_text
from include.declare.use_case import Wanted, claims, use_case_text
from include.errors import RequestError
from include.extract.catalog import Catalog
from include.extract.types import SourceColumn
from include.names import DatasetName, MappingName
from include.publish.schema_files import write_schema
from include.steps.check import problems
from tests.include.declare.declaring import CASE, MAPPING, TEXT, case_table, new_source, write


def test_from_a_table_to_a_use_case_each_file_is_right_as_it_stands(root: Path) -> None:
    catalogue = write(root, CASE, new_source(root, case_table()))
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


def test_what_has_no_event_is_left_out_of_what_a_new_use_case_publishes(root: Path) -> None:
    special = MappingName("priority_service", DatasetName("sse", "priority_services"))
    contact = MappingName("contact", DatasetName("sse", "contact"))
    for mappings, topics in (([special, contact], '["contact"]'), ([special], "[]")):
        text = use_case_text(Wanted("xy", mappings, "agents", 5, 3, None, "6h"), Catalogue(root))
        assert f"publishes={topics},\n" in text
        (root / "dags" / "xy.py").write_text(text, encoding="utf-8")
        assert list(problems(Catalogue(root))) == []


def test_a_use_case_is_written_as_the_formatter_would_have_it(root: Path) -> None:
    mappings = [m for m in Catalogue(root).mapping_names() if m.source.system != "mis"]
    text = use_case_text(Wanted("again", mappings, "agents", 5, 3, None, "6h"), Catalogue(root))
    (root / "again.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--config", str(ROOT / "pyproject.toml"), "again.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_entity_whose_rows_refer_to_no_customer_is_refused(root: Path) -> None:
    catalog = Catalog([SourceColumn("Id", "int", nullable=False), SourceColumn("Ref", "varchar")], ["Id"])
    catalogue = write(root, CASE, new_source(root, catalog))
    with pytest.raises(RequestError, match="says whose credit it is") as refused:
        entity_text("credit", CASE, catalogue)
    assert "What belongs to no customer is `mastered: always`" in refused.value.remedy


def test_an_entity_may_belong_to_a_customer_through_its_account(root: Path) -> None:
    catalogue = Catalogue(root)
    text = entity_text("credit", DatasetName("sse", "payment"), catalogue)
    write_new(catalogue.entity_folder("credit") / "contract.yaml", text)
    assert Catalogue(root).customer_through("credit") == ["account_id", "customer_id"]


def test_an_entity_after_a_dataset_keeps_what_is_known_of_its_columns(root: Path) -> None:
    twice = SourceColumn("InteractionKey", "int")  # what we call our own key
    moment = SourceColumn("ClosedDate", "datetime2", fraction=3)
    catalogue = write(root, CASE, new_source(root, case_table(twice, moment)))
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
    text = new_source(root, case_table(both))
    catalogue = write(root, CASE, text)
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
    catalogue = write(root, CASE, new_source(root, case_table(*taken)))
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
