"""Which rights does each system have to give us, and no more? (from the contracts and the live claims)

What is printed is for the system's owner, to run or to compare with what is there; nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings, KafkaSettings
from include.contract import Landed
from include.extract.query import quoted
from include.names import DatasetName
from include.publish.position import POSITIONS_TOPIC
from include.steps.deploy import DATASETS

_KAFKA_ACLS = "kafka-acls --bootstrap-server <bootstrap> --command-config <admin.properties> --add"


def sql_server(catalogue: Catalogue, system: str, reader: str) -> Iterator[str]:
    """T-SQL for a source system: SELECT on exactly the columns that are read.

    VIEW DEFINITION shows no row; without it the catalog hides what is not granted, and the check of the contract would
    take those columns for missing. VIEW ANY DATABASE shows no row either; without it (public has it unless it was
    revoked) sys.database_recovery_status is empty, and nobody would see that a database was restored.
    """
    databases: dict[str, list[DatasetName]] = {}
    for name in _claimed(catalogue):
        if name.system == system and not isinstance(catalogue.dataset(name).capture, Landed):
            databases.setdefault(catalogue.dataset(name).table.partition(".")[0], []).append(name)
    for database, names in sorted(databases.items()):
        yield f"USE {quoted(database)};"
        yield f"CREATE USER {quoted(reader)} FOR LOGIN {quoted(reader)};"
        for name in names:
            yield from _table(catalogue, name, reader)
        yield f"ALTER DATABASE {quoted(database)} SET ALLOW_SNAPSHOT_ISOLATION ON;"
    if any(catalogue.dataset(name).position_column for names in databases.values() for name in names):
        yield "USE [master];"
        yield f"GRANT VIEW ANY DATABASE TO {quoted(reader)};"


def _table(catalogue: Catalogue, name: DatasetName, reader: str) -> Iterator[str]:
    contract = catalogue.dataset(name)
    table = ".".join(quoted(part) for part in contract.table.split(".")[1:])
    columns = ", ".join(quoted(column) for column in contract.read_columns(catalogue.claimed(name)))
    yield f"-- {name}"
    yield f"GRANT SELECT ON OBJECT::{table} ({columns}) TO {quoted(reader)};"
    yield f"GRANT VIEW DEFINITION ON OBJECT::{table} TO {quoted(reader)};"


def big_query(catalogue: Catalogue, settings: GoogleCloudSettings, account: str) -> Iterator[str]:
    """gcloud commands, then GoogleSQL: jobs in the project, our datasets for writing, claimed landing tables for
    reading. `account` is a service account's e-mail address."""
    member = f"serviceAccount:{account}"
    for role in ("roles/bigquery.jobUser", "roles/bigquery.readSessionUser"):
        yield f"gcloud projects add-iam-policy-binding {settings.project} --member={member} --role={role}"
    for dataset in DATASETS:
        place = f"{settings.project}.{settings.dataset_prefix}{dataset}"
        yield f'GRANT `roles/bigquery.dataEditor` ON SCHEMA `{place}` TO "{member}";'
    for name in _claimed(catalogue):
        if isinstance(catalogue.dataset(name).capture, Landed):
            place = f"{settings.project}.{catalogue.dataset(name).table}"
            yield f'GRANT `roles/bigquery.dataViewer` ON TABLE `{place}` TO "{member}";'


def bucket(settings: GoogleCloudSettings, account: str) -> Iterator[str]:
    """gcloud commands: create and read all objects, delete parts alone; a log's entry can be neither deleted nor
    replaced."""
    command = f"gcloud storage buckets add-iam-policy-binding gs://{settings.bucket} --member=serviceAccount:{account}"
    for role in ("roles/storage.objectCreator", "roles/storage.objectViewer"):
        yield f"{command} --role={role}"
    condition = "expression=resource.name.extract('/parts/{part}') != '',title=parts-only"
    yield f'{command} --role=roles/storage.objectUser --condition="{condition}"'


def kafka(catalogue: Catalogue, settings: KafkaSettings, publisher: str, deployer: str) -> Iterator[str]:
    """kafka-acls commands: the publisher reads and writes its topics in its own transactions, the deployer makes the
    topics."""
    entities = sorted({entity for case in catalogue.use_cases.values() for entity in case.publishes})
    for entity in entities:
        identity = f"--transactional-id {settings.topic(entity)}/ --resource-pattern-type prefixed"
        yield f"{_KAFKA_ACLS} --allow-principal User:{publisher} --operation Describe --operation Write {identity}"
    topics = [settings.topic(catalogue.entity(entity).event.topic) for entity in entities]
    for topic in [settings.topic(POSITIONS_TOPIC), *topics]:
        rights = "--operation Describe --operation Read --operation Write"
        yield f"{_KAFKA_ACLS} --allow-principal User:{publisher} {rights} --topic {topic}"
        rights = "--operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs"
        yield f"{_KAFKA_ACLS} --allow-principal User:{deployer} {rights} --topic {topic}"
    yield f"{_KAFKA_ACLS} --allow-principal User:{publisher} --operation Read --group publisher"


def _claimed(catalogue: Catalogue) -> list[DatasetName]:
    return sorted({dataset for case in catalogue.use_cases.values() for dataset in case.datasets})
