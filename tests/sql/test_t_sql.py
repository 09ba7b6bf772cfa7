"""The T-SQL that we send: it parses, and it names no column that nobody claims."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from include.catalogue import Catalogue
from include.contract import Landed
from include.extract import capture, query
from include.extract.catalog import Catalog
from include.extract.cohort import Cohort, CohortReader
from include.extract.query import Query
from include.extract.rowversion import RowVersionWay
from include.names import DatasetName

CATALOGUE = Catalogue()
DATASETS = [n for n in CATALOGUE.dataset_names() if not isinstance(CATALOGUE.dataset(n).capture, Landed)]

NO_SESSION: Any = None
POSITIONS = {
    "rowversion": ({"rowversion": "00" * 8}, {"rowversion": "00" * 8}),
    "change_tracking": ({"version": "1"}, {"version": "2"}),
    "cdc": ({"lsn": "00" * 10}, {"lsn": "01" * 10}),
    "timestamp": ({"moment": "2020-01-01"}, {"moment": "2020-01-02"}),
}


ITS_OWN = ("SYS_CHANGE_VERSION", "SYS_CHANGE_OPERATION", "__$start_lsn", "__$seqval", "__$operation")
"""What change tracking and CDC say of a change; no column of a table."""


def tree(q: Query) -> exp.Expression:
    """sqlglot does not know CHANGETABLE: in its place stands a table with as many parameters."""
    known = re.sub(r"CHANGETABLE\(CHANGES ([^,]+), \?\)", r"(SELECT * FROM \1 WHERE ? > 0)", q.sql)
    return sqlglot.parse_one(known, read="tsql")


def queries(name: DatasetName) -> list[Query]:
    contract = CATALOGUE.dataset(name)
    columns = contract.read_columns(CATALOGUE.claimed(name))
    asked = [capture.rows_of(contract, columns, capture.Bounds("full", {}, {}, {}))]
    if contract.has_position:
        low, high = POSITIONS[contract.capture.method]
        window = capture.Bounds("window", low, high, {}, looks=contract.deletes == "key_scan")
        asked += [capture.rows_of(contract, columns, window), capture.keys_of(contract, window)]
    if contract.cohort_by in columns:
        catalog = Catalog([], [])
        cohort = Cohort(contract.cohort_by, (7, 8), "")
        asked += CohortReader(NO_SESSION, contract, cohort, catalog, {}, lambda rows: rows, "")._queries(columns)
    found = [q for q in asked if q]
    return (
        found
        + [query.count(q, contract.key[0]) for q in found]
        + [query.columns_of(contract.table), query.primary_key_of(contract.table)]
    )


def test_there_are_datasets_on_sql_server() -> None:
    assert len(DATASETS) >= 4


@pytest.mark.parametrize("name", DATASETS, ids=str)
def test_it_parses_with_as_many_parameters_as_are_given(name: DatasetName) -> None:
    for q in queries(name):
        assert isinstance(tree(q), exp.Select)
        assert len(list(tree(q).find_all(exp.Placeholder))) == len(q.params)


@pytest.mark.parametrize("name", DATASETS, ids=str)
def test_a_column_that_nobody_claims_is_never_named(name: DatasetName) -> None:
    contract = CATALOGUE.dataset(name)
    allowed = {*contract.read_columns(CATALOGUE.claimed(name)), *ITS_OWN}
    unclaimed = set(contract.columns) - allowed
    for q in queries(name)[: len(queries(name)) - 2]:
        named = {column.name for column in tree(q).find_all(exp.Column)}
        assert named <= allowed
        assert not named & unclaimed
        assert not tree(q).find(exp.Order)


def test_there_are_columns_that_nobody_claims() -> None:
    name = DatasetName("sse", "customer")
    assert {"Title", "Phone"} <= set(CATALOGUE.dataset(name).columns) - set(CATALOGUE.claimed(name))
    assert not any(column in q.sql for q in queries(name) for column in ("Title", "Phone"))


def test_a_column_whose_name_holds_a_word_of_sql_is_counted_like_any_other() -> None:
    rows = query.everything("a.b.c", ["Id", "VALID_FROM", "WHERE_TO"])
    assert query.count(rows, "Id").sql == "SELECT COUNT_BIG([Id]) FROM [a].[b].[c]"
    way = RowVersionWay("a.b.c", "Rv")
    window = way.window(["Id", "VALID_FROM"], {"rowversion": "01"}, {"rowversion": "02"}, {})
    assert window is not None
    assert query.count(window, "Id").sql.startswith("SELECT COUNT_BIG([Id]) FROM [a].[b].[c] WHERE [Rv] >=")
    assert query.count(window, "Id").params == (b"\x01", b"\x02")


def test_a_full_has_no_upper_bound() -> None:
    for name in DATASETS:
        contract = CATALOGUE.dataset(name)
        full = capture.rows_of(contract, contract.key, capture.Bounds("full", {}, {"rowversion": "00" * 8}, {}))
        assert full is not None
        assert "WHERE" not in full.sql


def test_names_with_brackets_are_quoted() -> None:
    assert query.everything("a.b.c]d", ["x]y"]).sql == "SELECT [x]]y] FROM [a].[b].[c]]d]"
