"""Rights are exactly what is used: neither a column too few nor one too many."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlglot import exp

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings, KafkaSettings
from include.contract import Landed
from include.names import DatasetName
from include.steps.grants import Accounts, google, kafka, sql_server
from tests.declarations import copied
from tests.sql.test_t_sql import DATASETS, queries, tree

CATALOGUE = Catalogue()
CLOUD = GoogleCloudSettings("project", "EU", "staged", "shadow_")
ACCOUNTS = Accounts("us@project", "deployer@project", "analysts@company")


def granted(catalogue: Catalogue, name: DatasetName) -> set[str]:
    """The columns of a dataset that are granted."""
    lines = list(sql_server.lines(catalogue, name.system, ACCOUNTS))
    line = lines[lines.index(f"-- {name}") + 1]
    assert line.startswith("GRANT SELECT")
    return set(re.findall(r"\[(\w+)\]", line[line.index("(") : line.index(")")]))


def test_of_a_dataset_that_nobody_claims_nothing_is_granted() -> None:
    unclaimed = [name for name in DATASETS if not CATALOGUE.claimed(name)]
    lines = [line for system in ("sse", "mis") for line in sql_server.lines(CATALOGUE, system, ACCOUNTS)]
    assert [name for name in unclaimed if f"-- {name}" in lines] == []


@pytest.mark.parametrize("name", [name for name in DATASETS if CATALOGUE.claimed(name)], ids=str)
def test_exactly_the_columns_that_are_read_are_granted(name: DatasetName) -> None:
    asked = queries(name)[:-2]  # without those of the catalog; __$… is CDC's own
    used = {c.name for q in asked for c in tree(q).find_all(exp.Column)}
    position = {CATALOGUE.dataset(name).position_column} - {None}
    assert granted(CATALOGUE, name) == {column for column in used if not column.startswith("__$")} | position


def test_a_claim_more_is_granted_and_one_less_is_not(tmp_path: Path) -> None:
    copied(tmp_path)
    name, path = DatasetName("sse", "customer"), tmp_path / "dags" / "customer_base.py"
    text = path.read_text(encoding="utf-8")
    assert text.count('"Surname"') == 1
    path.write_text(text.replace('"Surname"', '"Title"'), encoding="utf-8")
    assert granted(Catalogue(tmp_path), name) == granted(CATALOGUE, name) - {"Surname"} | {"Title"}


@pytest.mark.parametrize("system", ["sse", "mis"])
def test_in_each_database_all_older_rights_end_in_the_act_that_grants_the_new_ones(system: str) -> None:
    lines = [line for line in sql_server.lines(CATALOGUE, system, ACCOUNTS) if not line.startswith("--")]
    assert lines[0] == "SET XACT_ABORT ON;"
    databases = "\n".join(lines).partition("USE [master]")[0].split("USE ")[1:]
    assert len(databases) == len({CATALOGUE.dataset(n).table.split(".")[0] for n in DATASETS if n.system == system})
    for text in databases:
        first, *grants, commit, snapshots = text.splitlines()[1:]
        assert (first, commit) == ("BEGIN TRANSACTION;", "COMMIT TRANSACTION;")
        assert grants[:2] == ["DROP USER IF EXISTS [us@project];", "CREATE USER [us@project] FOR LOGIN [us@project];"]
        assert {grant.split()[0] for grant in grants[2:]} == {"GRANT"}
        assert snapshots.endswith("SET ALLOW_SNAPSHOT_ISOLATION ON;")  # refused inside a transaction


@pytest.mark.parametrize(
    ("capture", "lines"),
    [
        (
            "{method: change_tracking}",
            [
                "GRANT VIEW CHANGE TRACKING ON OBJECT::[dbo].[Customer] TO [us@project];",
                "-- ALTER TABLE [dbo].[Customer] ENABLE CHANGE_TRACKING;",
            ],
        ),
        (
            "{method: cdc, instance: dbo_Customer}",
            [
                "GRANT SELECT ON OBJECT::[cdc].[captured_columns] TO [us@project];",
                "-- EXEC sys.sp_cdc_enable_db;",
                "-- EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Customer',"
                " @capture_instance = N'dbo_Customer', @role_name = NULL, @captured_column_list = N'[CustomerId],"
                " [FirstName], [Surname], [Email], [DateOfBirth], [Status], [CreatedAt]';",
            ],
        ),
    ],
)
def test_what_a_way_of_capture_needs_of_the_owner_is_printed(tmp_path: Path, capture: str, lines: list[str]) -> None:
    copied(tmp_path)
    path = tmp_path / "sql" / "sources" / "sse" / "customer" / "contract.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("{method: rowversion, column: RowVer}", capture).replace("key_scan", "captured"), encoding="utf-8"
    )
    printed = list(sql_server.lines(Catalogue(tmp_path), "sse", ACCOUNTS))
    assert [line for line in lines if line not in printed] == []
    assert "GRANT VIEW ANY DATABASE TO [us@project];" in printed


def test_an_account_of_any_name_is_quoted() -> None:
    text = "\n".join(sql_server.lines(CATALOGUE, "sse", Accounts("o]neil", "", "")))
    assert text.count("CREATE USER [o]]neil] FOR LOGIN [o]]neil];") == 2
    assert "[o]neil]" not in text


def test_what_nobody_claims_any_more_is_taken_back(tmp_path: Path) -> None:
    copied(tmp_path)
    contract = (tmp_path / "sql" / "sources" / "sse" / "customer" / "contract.yaml").read_text(encoding="utf-8")
    for dataset, table in (("former", "CRM.dbo.Former"), ("archive", "Archive.dbo.Customer")):
        path = tmp_path / "sql" / "sources" / "sse" / dataset / "contract.yaml"
        path.parent.mkdir()
        path.write_text(contract.replace("CRM.dbo.Customer", table), encoding="utf-8")
    lines = list(sql_server.lines(Catalogue(tmp_path), "sse", ACCOUNTS))
    assert set(lines) - set(sql_server.lines(CATALOGUE, "sse", ACCOUNTS)) == {
        "USE [Archive];",
        "-- sse/archive: nobody claims it",
        "-- sse/former: nobody claims it",
    }
    archive = lines.index("USE [Archive];")
    assert lines[archive + 2] == "DROP USER IF EXISTS [us@project];"
    assert lines[archive + 3 : archive + 5] == ["-- sse/archive: nobody claims it", "COMMIT TRANSACTION;"]


def test_a_database_that_contracts_spell_differently_is_one(tmp_path: Path) -> None:
    copied(tmp_path)
    contract = tmp_path / "sql" / "sources" / "sse" / "customer" / "contract.yaml"
    unclaimed = contract.parent.parent / "unclaimed" / "contract.yaml"
    unclaimed.parent.mkdir()
    text = contract.read_text(encoding="utf-8")
    unclaimed.write_text(text.replace("CRM.dbo.Customer", "crm.dbo.Other"), encoding="utf-8")
    lines = list(sql_server.lines(Catalogue(tmp_path), "sse", ACCOUNTS))
    assert [line.lower() for line in lines].count("use [crm];") == 1


def test_each_statement_is_in_the_database_of_its_table() -> None:
    lines = list(sql_server.lines(CATALOGUE, "sse", ACCOUNTS))
    at = {line: index for index, line in enumerate(lines)}
    assert at["USE [Billing];"] < at["-- sse/account"] < at["USE [CRM];"] < at["-- sse/customer"]


def test_a_landing_table_is_nothing_that_a_sql_server_grants() -> None:
    assert list(sql_server.lines(CATALOGUE, "platform", ACCOUNTS)) == ["SET XACT_ABORT ON;"]


def test_nothing_may_write_at_a_source() -> None:
    for system in ("sse", "mis"):
        lines = sql_server.lines(CATALOGUE, system, ACCOUNTS)
        assert {line.split()[1] for line in lines if line.startswith("GRANT")} == {"SELECT", "VIEW"}


def test_landing_tables_are_read_one_by_one() -> None:
    text = "\n".join(google.big_query(CATALOGUE, CLOUD, ACCOUNTS))
    landing = [n for n in CATALOGUE.dataset_names() if isinstance(CATALOGUE.dataset(n).capture, Landed)]
    assert landing
    for name in landing:
        assert f"dataViewer` ON TABLE `project.{CATALOGUE.dataset(name).table}`" in text
    assert "ON SCHEMA `project.platform_landing`" not in text


def test_people_read_the_common_model_and_nothing_else_of_ours() -> None:
    lines = [line for line in google.big_query(CATALOGUE, CLOUD, ACCOUNTS) if "group:" in line]
    to, kinds = 'TO "group:analysts@company";', {e: CATALOGUE.entity(e).is_special for e in CATALOGUE.entity_names()}
    assert [line for line in lines if line.startswith("GRANT")] == [
        line
        for dataset in ("common_model", "history")
        for line in (
            f"GRANT `roles/bigquery.metadataViewer` ON SCHEMA `project.shadow_{dataset}` {to}",
            *(
                f"GRANT `roles/bigquery.dataViewer` ON TABLE `project.shadow_{dataset}.{entity}` {to}"
                for entity, is_special in kinds.items()
                if not is_special
            ),
        )
    ]
    assert [entity for entity, is_special in kinds.items() if is_special] == ["priority_service"]
    assert [line for line in lines if not line.startswith("GRANT") and "roles/bigquery.jobUser" not in line] == []
    assert not [line for line in google.bucket(CLOUD, ACCOUNTS) if "group:" in line]


def test_a_long_lived_reader_reads_the_common_model_and_history_and_never_what_lies_behind_them() -> None:
    lines = list(google.readers(CATALOGUE, CLOUD, ["serviceAccount:crm@company"]))
    granted = {line.split("`")[3] for line in lines if line.startswith("GRANT")}
    assert "project.shadow_history.customer" in granted
    assert {place.split(".")[1] for place in granted} == {"shadow_common_model", "shadow_history"}
    assert not [place for place in granted if place.endswith(".priority_service")]
    text = "\n".join(lines)
    assert not re.search("shadow_(staging|conformed|identity|ledger|migration)", text)
    (shown,) = (line for line in lines if line.startswith("bq show"))  # the views read the log, the reader does not
    assert '"datasetId": "shadow_history"' in shown
    assert "crm@company" not in shown


def test_nobody_who_runs_may_change_the_salt_or_drop_a_table_that_is_kept() -> None:
    lines = [line for line in google.big_query(CATALOGUE, CLOUD, ACCOUNTS) if line.startswith("GRANT")]
    (salt,) = (line for line in lines if "shadow_identity.salt" in line)
    assert "dataViewer" in salt
    assert not [line for line in lines if "SCHEMA `project.shadow_identity`" in line]
    editing = [line for line in lines if "dataViewer" not in line and google.ROWS_ROLE not in line]
    assert editing == [
        'GRANT `roles/bigquery.dataEditor` ON SCHEMA `project.shadow_staging` TO "serviceAccount:us@project";'
    ]
    assert not [permission for permission in google.ROWS_PERMISSIONS if re.search("delete|create|update$", permission)]


def test_only_parts_may_be_deleted_or_replaced() -> None:
    lines = [line for line in google.bucket(CLOUD, ACCOUNTS) if "add-iam-policy-binding" in line]
    harmless = ("objectCreator", "objectViewer", "legacyBucketReader")  # none of them deletes, and who cannot, replaces
    (deleting,) = (line for line in lines if not any(role in line for role in harmless))
    assert f"roles/{google.PARTS_ROLE} " in deleting
    assert "extract('/parts/{part}') != ''" in deleting


def test_a_publisher_makes_no_topic_but_those_of_histories_and_a_consumer_never_writes() -> None:
    lines = list(kafka.lines(CATALOGUE, KafkaSettings({}, "shadow."), Accounts("publisher", "deployer", "")))
    ours = [line for line in lines if "User:publisher" in line]
    assert ours
    making = [line for line in ours if "Create" in line or "Alter" in line]
    assert all(line.endswith(".history. --resource-pattern-type prefixed") for line in making)
    assert making
    consumers = {name for entity in CATALOGUE.entity_names() for name in CATALOGUE.entity(entity).consumers}
    assert len(consumers) >= 3
    for consumer in consumers:
        theirs = [line for line in lines if f"User:{consumer} " in line]
        assert {word for line in theirs for word in re.findall(r"--operation (\w+)", line)} == {"Read"}
