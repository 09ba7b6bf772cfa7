"""Rights are exactly what is used: neither a column too few nor one too many."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings, KafkaSettings
from include.contract import Landed
from include.names import DatasetName
from include.steps import grants
from tests.sql.test_t_sql import DATASETS, queries

CATALOGUE = Catalogue()
CLOUD = GoogleCloudSettings("project", "EU", "staged", "shadow_")


@pytest.mark.parametrize("name", DATASETS, ids=str)
def test_exactly_the_columns_that_are_read_are_granted(name: DatasetName) -> None:
    lines = list(grants.sql_server(CATALOGUE, name.system, "reader"))
    (granted,) = (lines[at + 1] for at, line in enumerate(lines) if line == f"-- {name}")
    columns = set(re.findall(r"\[(\w+)\]", granted[granted.index("(") : granted.index(")")]))
    asked = queries(name)[:-2]  # without those of the catalog
    used = {c.name for q in asked for c in sqlglot.parse_one(q.sql, read="tsql").find_all(exp.Column)}
    position = {CATALOGUE.dataset(name).position_column} - {None}
    assert columns == used | position


def test_each_statement_is_in_the_database_of_its_table() -> None:
    lines = list(grants.sql_server(CATALOGUE, "sse", "reader"))
    at = {line: index for index, line in enumerate(lines)}
    assert at["USE [Billing];"] < at["-- sse/account"] < at["USE [CRM];"] < at["-- sse/customer"]


def test_nothing_may_write_at_a_source() -> None:
    for system in ("sse", "mis"):
        verbs = {line.split()[1] for line in grants.sql_server(CATALOGUE, system, "r") if line.startswith("GRANT")}
        assert verbs == {"SELECT", "VIEW"}


def test_landing_tables_are_read_one_by_one_and_our_datasets_written() -> None:
    text = "\n".join(grants.big_query(CATALOGUE, CLOUD, "us@project"))
    landing = [n for n in CATALOGUE.dataset_names() if isinstance(CATALOGUE.dataset(n).capture, Landed)]
    for name in landing:
        assert f"dataViewer` ON TABLE `project.{CATALOGUE.dataset(name).table}`" in text
    assert "ON SCHEMA `project.shadow_common_model`" in text
    assert "ON SCHEMA `project.platform_landing`" not in text


def test_only_parts_may_be_deleted() -> None:
    deleting = [line for line in grants.bucket(CLOUD, "us@project") if "objectUser" in line or "Admin" in line]
    assert len(deleting) == 1
    assert "extract('/parts/{part}') != ''" in deleting[0]


def test_a_publisher_never_makes_a_topic() -> None:
    lines = list(grants.kafka(CATALOGUE, KafkaSettings({}, "shadow."), "publisher", "deployer"))
    ours = [line for line in lines if "User:publisher" in line]
    assert not [line for line in ours if "Create" in line or "Alter" in line]
    assert [line for line in ours if "--topic shadow.publisher.positions" in line]
    assert [line for line in ours if "--transactional-id shadow.customer/" in line]
