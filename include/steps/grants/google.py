"""Who may do what in BigQuery and in the bucket? (gcloud commands, then GoogleSQL)

The runner may change rows, but it can neither drop nor alter a table outside of `staging`, nor touch the salt, nor
delete or replace a log's entry. People, and whatever reads us for long, read what `sql/readable.yaml` names, but for
entities with special category data: whoever needs one of those is given that table by its owner. Nobody but the two
accounts reads anything else of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import yaml

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings
from include.contract import Landed
from include.steps.environment import OBJECT
from include.steps.grants import Accounts
from include.steps.grants.sql_server import claimed

ROWS_ROLE, ROWS_PERMISSIONS = "migration_rows", ("bigquery.tables.getData", "bigquery.tables.updateData")
"""What DML needs, and no more: no predefined role has it without the right to drop the table."""
PARTS_ROLE, PARTS_PERMISSIONS = "migration_parts", ("storage.objects.delete",)
"""For parts that no entry will name: those of a lost race."""
_WHOLE_DATASETS = ("conformed", "common_model", "change_log", "ledger", "quarantine")
_VIEWER, _EDITOR = "roles/bigquery.dataViewer", "roles/bigquery.dataEditor"


def big_query(catalogue: Catalogue, settings: GoogleCloudSettings, accounts: Accounts) -> Iterator[str]:
    """Accounts are e-mail addresses: of service accounts, and of the analysts' group."""
    runner, deployer, analysts = _members(accounts)
    yield "# in a shell"
    yield _role(settings, ROWS_ROLE, ROWS_PERMISSIONS)
    for member, role in (
        (runner, "roles/bigquery.jobUser"),
        (runner, "roles/bigquery.readSessionUser"),
        (deployer, "roles/bigquery.user"),  # who makes a dataset owns it
        (analysts, "roles/bigquery.jobUser"),
    ):
        binding = f"--member={member} --role={role} --condition=None"
        yield f"gcloud projects add-iam-policy-binding {settings.project} {binding}"
    yield from _let_history_read(settings)
    yield "-- in BigQuery, once `tables apply` has made the datasets; again when there is a new entity"
    for role, kind, place, member in _grants(catalogue, settings, runner, analysts):
        yield f'GRANT `{role}` ON {kind} `{place}` TO "{member}";'


def _grants(
    catalogue: Catalogue, settings: GoogleCloudSettings, runner: str, analysts: str
) -> Iterator[tuple[str, str, str, str]]:
    rows = _name(settings, ROWS_ROLE)
    ours = f"{settings.project}.{settings.dataset_prefix}"
    yield _EDITOR, "SCHEMA", f"{ours}staging", runner
    for dataset in _WHOLE_DATASETS:
        yield rows, "SCHEMA", f"{ours}{dataset}", runner
    for entity in catalogue.entity_names():
        yield rows, "TABLE", settings.table("identity", entity), runner
    yield _VIEWER, "TABLE", settings.table("identity", "salt"), runner
    for table in ("authority", "move", "moved_customer"):
        yield rows, "TABLE", settings.table("migration", table), runner
    yield _VIEWER, "TABLE", settings.table("migration", "environment"), runner
    for name in claimed(catalogue):
        if isinstance(catalogue.dataset(name).capture, Landed):
            yield _VIEWER, "TABLE", f"{settings.project}.{catalogue.dataset(name).table}", runner
    yield from _reading(catalogue, settings, analysts)


def _reading(catalogue: Catalogue, settings: GoogleCloudSettings, member: str) -> Iterator[tuple[str, str, str, str]]:
    """Table by table, for special category data is given by its owner alone."""
    for dataset in readable(catalogue):
        place = f"{settings.project}.{settings.dataset_prefix}{dataset}"
        yield "roles/bigquery.metadataViewer", "SCHEMA", place, member
        for entity in catalogue.entity_names():
            if not catalogue.entity(entity).is_special:
                yield _VIEWER, "TABLE", settings.table(dataset, entity), member


def readable(catalogue: Catalogue) -> list[str]:
    """The datasets that others may read: who builds on anything else builds on what may change any day."""
    found: list[str] = yaml.safe_load((catalogue.sql / "readable.yaml").read_text(encoding="utf-8"))["datasets"]
    return found


def readers(catalogue: Catalogue, settings: GoogleCloudSettings, members: Sequence[str]) -> Iterator[str]:
    """What a long-lived dependant gets (`serviceAccount:…`, `group:…`), and no more."""
    yield from _let_history_read(settings)
    for member in members:
        yield (
            f"gcloud projects add-iam-policy-binding {settings.project} --member={member} "
            "--role=roles/bigquery.jobUser --condition=None"
        )
    yield "-- in BigQuery"
    for member in members:
        for role, kind, place, _ in _reading(catalogue, settings, member):
            yield f'GRANT `{role}` ON {kind} `{place}` TO "{member}";'


def _let_history_read(settings: GoogleCloudSettings) -> Iterator[str]:
    """Who may read a view may not read what it shows, unless that says so: SQL cannot grant it."""
    log, shown = f"{settings.project}:{settings.dataset_prefix}change_log", f"{settings.dataset_prefix}history"
    allowed = {"dataset": {"dataset": {"projectId": settings.project, "datasetId": shown}, "targetTypes": ["VIEWS"]}}
    yield "# in a shell, once `tables apply` has made the datasets: the views of history may read the change log"
    yield f"bq show --format=json {log} | jq '.access |= (. + [{json.dumps(allowed)}] | unique)' > access.json"
    yield f"bq update --source access.json {log}"


def bucket(settings: GoogleCloudSettings, accounts: Accounts) -> Iterator[str]:
    """gcloud commands. Conditions need uniform access; a binding without one must say so once there are others."""
    runner, deployer, _ = _members(accounts)
    address = f"gs://{settings.bucket}"
    yield f"gcloud storage buckets update {address} --uniform-bucket-level-access"
    yield _role(settings, PARTS_ROLE, PARTS_PERMISSIONS)
    parts = "expression=resource.name.extract('/parts/{part}') != '',title=parts-only"
    own = f"expression=resource.name.endsWith('/objects/{OBJECT}'),title=environment-only"
    for member, role, condition in (
        (runner, "roles/storage.objectCreator", "None"),
        (runner, "roles/storage.objectViewer", "None"),
        (runner, _name(settings, PARTS_ROLE), parts),
        (deployer, "roles/storage.objectCreator", own),
        (deployer, "roles/storage.objectViewer", own),
        (deployer, "roles/storage.legacyBucketReader", "None"),  # else what is not there yet is forbidden, not missing
    ):
        binding = f'--member={member} --role={role} --condition="{condition}"'
        yield f"gcloud storage buckets add-iam-policy-binding {address} {binding}"


def _role(settings: GoogleCloudSettings, name: str, permissions: tuple[str, ...]) -> str:
    return f"gcloud iam roles create {name} --project={settings.project} --permissions={','.join(permissions)}"


def _name(settings: GoogleCloudSettings, role: str) -> str:
    return f"projects/{settings.project}/roles/{role}"


def _members(accounts: Accounts) -> tuple[str, str, str]:
    return f"serviceAccount:{accounts.runner}", f"serviceAccount:{accounts.deployer}", f"group:{accounts.analysts}"
