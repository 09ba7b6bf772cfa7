"""What must a source give us? (T-SQL: SELECT on exactly the columns that are read, and what the catalog check needs)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.catalogue import Catalogue
from include.contract import Landed
from include.extract.query import quoted
from include.names import DatasetName
from include.steps.grants import Accounts


def lines(catalogue: Catalogue, system: str, accounts: Accounts) -> Iterator[str]:
    """T-SQL for a system's owner; it can be run again, and takes back what nobody claims any more.

    VIEW DEFINITION shows no row; without it the catalog hides what is not granted, and the check of the contract would
    take those columns for missing. VIEW ANY DATABASE shows no row either; without it (public has it unless it was
    revoked) sys.database_recovery_status is empty, and nobody would see that a database was restored.
    """
    reader, live = quoted(accounts.runner), claimed(catalogue)
    for database, names in sorted(_databases(catalogue, system).items()):
        yield f"USE {quoted(database)};"
        if any(name in live for name in names):
            yield from _database(catalogue, database, names, accounts.runner)
        else:
            yield f"DROP USER IF EXISTS {reader}; -- nobody claims anything of {', '.join(map(str, names))}"
    if any(catalogue.dataset(name).position_column for name in live if name.system == system):
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


def _database(catalogue: Catalogue, database: str, names: Sequence[DatasetName], account: str) -> Iterator[str]:
    reader, literal, live = quoted(account), account.replace("'", "''"), claimed(catalogue)
    yield f"IF DATABASE_PRINCIPAL_ID(N'{literal}') IS NULL CREATE USER {reader} FOR LOGIN {reader};"
    for name in names:
        yield from _table(catalogue, name, reader) if name in live else _given_up(catalogue, name, reader)
    yield f"ALTER DATABASE {quoted(database)} SET ALLOW_SNAPSHOT_ISOLATION ON;"


def _given_up(catalogue: Catalogue, name: DatasetName, reader: str) -> Iterator[str]:
    contract = catalogue.dataset(name)
    table = ".".join(quoted(part) for part in contract.table.split(".")[1:])
    yield f"-- {name}: nobody claims it"
    yield f"REVOKE SELECT ON OBJECT::{table} ({_list(contract.read_columns(list(contract.columns)))}) FROM {reader};"
    yield f"REVOKE VIEW DEFINITION ON OBJECT::{table} FROM {reader};"


def _table(catalogue: Catalogue, name: DatasetName, reader: str) -> Iterator[str]:
    contract = catalogue.dataset(name)
    table = ".".join(quoted(part) for part in contract.table.split(".")[1:])
    read = contract.read_columns(catalogue.claimed(name))
    given_back = [column for column in contract.columns if column not in read]
    yield f"-- {name}"
    yield f"GRANT SELECT ON OBJECT::{table} ({_list(read)}) TO {reader};"
    if given_back:
        yield f"REVOKE SELECT ON OBJECT::{table} ({_list(given_back)}) FROM {reader};"
    yield f"GRANT VIEW DEFINITION ON OBJECT::{table} TO {reader};"


def _list(columns: Sequence[str]) -> str:
    return ", ".join(quoted(column) for column in columns)


def claimed(catalogue: Catalogue) -> list[DatasetName]:
    """The datasets that live use cases read."""
    return sorted({dataset for case in catalogue.use_cases.values() for dataset in case.datasets})
