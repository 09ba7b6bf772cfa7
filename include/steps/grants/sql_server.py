"""What must a source give us? (T-SQL: SELECT on exactly the columns that are read, and what the catalog check needs)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.catalogue import Catalogue
from include.contract import ChangeDataCapture, ChangeTracking, DatasetContract, Landed
from include.extract.query import quoted
from include.names import DatasetName
from include.steps.grants import Accounts


def lines(catalogue: Catalogue, system: str, accounts: Accounts) -> Iterator[str]:
    """T-SQL for a system's owner: one batch, which can be run again.

    In each database the account's user is made anew, so that it has what is printed and nothing else, whatever was
    granted for columns and contracts that are gone; a mistake in the middle leaves that database as it was. VIEW
    DEFINITION shows no row; without it the catalog hides what is not granted, and the check of the contract would take
    those columns for missing. VIEW ANY DATABASE shows no row either; without it (public has it unless it was revoked)
    sys.database_recovery_status is empty, and nobody would see that a database was restored.
    """
    reader, live = quoted(accounts.runner), claimed(catalogue)
    yield "SET XACT_ABORT ON;"
    for database, names in sorted(_databases(catalogue, system).items()):
        read = [name for name in names if name in live]
        yield f"USE {quoted(database)};"
        yield "BEGIN TRANSACTION;"
        yield f"DROP USER IF EXISTS {reader};"
        if read:
            yield f"CREATE USER {reader} FOR LOGIN {reader};"
        for name in names:
            yield from _table(catalogue, name, reader) if name in read else [f"-- {name}: nobody claims it"]
        yield "COMMIT TRANSACTION;"
        if read:
            yield f"ALTER DATABASE {quoted(database)} SET ALLOW_SNAPSHOT_ISOLATION ON;"
    if any(catalogue.dataset(name).has_position for name in live if name.system == system):
        yield "USE [master];"
        yield f"GRANT VIEW ANY DATABASE TO {reader};"


def _databases(catalogue: Catalogue, system: str) -> dict[str, list[DatasetName]]:
    """The system's datasets that have a contract, by database."""
    found: dict[str, list[DatasetName]] = {}
    spelt: dict[str, str] = {}  # a database is one, however contracts spell it
    for name in catalogue.dataset_names():
        contract = catalogue.dataset(name)
        if name.system == system and not isinstance(contract.capture, Landed):
            database = contract.table.partition(".")[0]
            found.setdefault(spelt.setdefault(database.lower(), database), []).append(name)
    return found


def _table(catalogue: Catalogue, name: DatasetName, reader: str) -> Iterator[str]:
    contract = catalogue.dataset(name)
    table = ".".join(quoted(part) for part in contract.table.split(".")[1:])
    read = contract.in_table(contract.read_columns(catalogue.claimed(name)))
    named = list(dict.fromkeys([*read, *([contract.split_by] if contract.split_by else [])]))  # in a WHERE alone
    yield f"-- {name}"
    yield f"GRANT SELECT ON OBJECT::{table} ({', '.join(map(quoted, named))}) TO {reader};"
    yield f"GRANT VIEW DEFINITION ON OBJECT::{table} TO {reader};"
    if isinstance(contract.capture, ChangeTracking):
        database = quoted(contract.table.split(".")[0])
        yield f"GRANT VIEW CHANGE TRACKING ON OBJECT::{table} TO {reader};"
        yield "-- once, if it is not there; what is older than the retention must be read anew as a whole:"
        yield f"-- ALTER DATABASE {database} SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON);"
        yield f"-- ALTER TABLE {table} ENABLE CHANGE_TRACKING;"
    if isinstance(contract.capture, ChangeDataCapture):
        yield from _capture_instance(contract, contract.capture.instance, read, reader)


def _capture_instance(contract: DatasetContract, instance: str, read: Sequence[str], reader: str) -> Iterator[str]:
    """Its functions ask for SELECT on every captured column: so it may capture what is granted, and no more."""
    _, schema, bare = contract.table.split(".")
    values = {"source_schema": schema, "source_name": bare, "capture_instance": instance}
    named = ", ".join(f"@{name} = {_text(value)}" for name, value in values.items())
    columns = _text(", ".join(map(quoted, read)))
    for view in ("captured_columns", "change_tables"):  # they hold no row: what is captured, and how
        yield f"GRANT SELECT ON OBJECT::[cdc].[{view}] TO {reader};"
    yield "-- once, if it is not there or has other columns (then under another name, which the contract says); of a"
    yield "-- partitioned table with @allow_partition_switch = 0, because rows that are switched in are not captured:"
    yield "-- EXEC sys.sp_cdc_enable_db;"
    yield f"-- EXEC sys.sp_cdc_enable_table {named}, @role_name = NULL, @captured_column_list = {columns};"


def _text(value: str) -> str:
    return "N'" + value.replace("'", "''") + "'"


def claimed(catalogue: Catalogue) -> list[DatasetName]:
    """The datasets that live use cases read."""
    return sorted({dataset for case in catalogue.use_cases.values() for dataset in case.datasets})
