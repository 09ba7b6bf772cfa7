"""Does each contract say what its table is, and is each way of capture there for a reason?"""

from __future__ import annotations

import re

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.connections import EnvironmentConnections
from include.extract.capture import database_of
from include.extract.catalog import read_catalog
from include.extract.drift import compare, standing
from include.names import DatasetName

CATALOGUE = Catalogue()
EXTRACTED = [name for name in CATALOGUE.dataset_names() if name.system != "platform"]
CONTRACTS = {name: CATALOGUE.dataset(name) for name in EXTRACTED}
by_dataset = pytest.mark.parametrize("name", EXTRACTED, ids=str)


@by_dataset
def test_a_contract_is_what_the_catalog_of_its_table_says(estates: EnvironmentConnections, name: DatasetName) -> None:
    """Types, NULL, key and collation of every column."""
    contract = CONTRACTS[name]
    with connect(estates.sql_server(name.system), database_of(contract.table)) as session:
        catalog = read_catalog(session, contract.table)
    compare(name, contract, catalog, [*contract.columns, *filter(None, [contract.position_column])])
    assert standing(contract, catalog) == []


@by_dataset
def test_what_is_never_null_at_the_source_is_required_here(estates: EnvironmentConnections, name: DatasetName) -> None:
    """A promise that is not taken is one that mappings cannot build on."""
    contract = CONTRACTS[name]
    with connect(estates.sql_server(name.system), database_of(contract.table)) as session:
        never = {column.name for column in read_catalog(session, contract.table).columns if not column.nullable}
    assert [column for column in never & contract.columns.keys() if not contract.columns[column].required] == []


@pytest.mark.parametrize(
    ("place", "method", "mark"),
    [
        ("Billing", "change_tracking", "SELECT t.name FROM sys.change_tracking_tables AS c JOIN sys.tables AS t "
         "ON t.object_id = c.object_id"),
        ("CRM", "change_tracking", "SELECT t.name FROM sys.change_tracking_tables AS c JOIN sys.tables AS t "
         "ON t.object_id = c.object_id"),
        ("OldDB", "cdc", "SELECT name FROM sys.tables WHERE is_tracked_by_cdc = 1"),
    ],
)  # fmt: skip
def test_the_owner_records_the_changes_that_a_contract_reads(
    estates: EnvironmentConnections, place: str, method: str, mark: str
) -> None:
    wanted = {
        contract.table.split(".")[2]
        for contract in CONTRACTS.values()
        if contract.capture.method == method and database_of(contract.table) == place
    }
    with connect(estates.sql_server("mis" if place == "OldDB" else "sse"), place) as session:
        assert {str(name) for (name,) in session.rows(mark)} == wanted != set()


def test_each_way_of_capture_and_each_way_to_learn_of_deletions_is_used() -> None:
    assert {contract.capture.method for contract in CONTRACTS.values()} == {
        *("snapshot", "rowversion", "change_tracking", "cdc", "timestamp")
    }
    assert {contract.deletes_by for contract in CONTRACTS.values()} == {"never", "captured", "key_scan", "flagged_by"}


def test_the_register_of_priority_services_is_a_special_category() -> None:
    columns = CATALOGUE.dataset(DatasetName("sse", "priority_services")).columns
    assert {name for name, column in columns.items() if column.privacy != "special"} == {"PsrId"}


@pytest.mark.parametrize(
    "name", [name for name in EXTRACTED if CONTRACTS[name].capture.method != "rowversion"], ids=str
)
def test_a_contract_says_why_it_is_captured_as_it_is(name: DatasetName) -> None:
    """Where there is no rowversion, or another way was chosen."""
    text = CATALOGUE.dataset_path(name).read_text(encoding="utf-8")
    assert re.search(r"^(capture:|  \{method:).*# .{20,}$", text, re.MULTILINE)
