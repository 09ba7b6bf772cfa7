"""Do the estates get onto the servers as they were made, and is nothing touched that no seed made?

They take the estates as they find them, whatever days have happened.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from include.clients.big_query import BigQuery
from include.clients.sql_server import connect
from include.connections import Connections
from include.errors import RequestError
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.generate import Estates, generate
from include.local.estates.landing import as_json
from include.local.estates.seed import seed
from include.local.estates.seed_landing import LandingDataset
from include.local.estates.seed_sql_server import Database, writing
from include.local.estates.seeded import SeededBy
from include.local.estates.tables import LANDING_TABLES, Table, TableData

THING = Table(
    "sse",
    "SeedTrial.dbo.Thing",
    (("Id", "int NOT NULL PRIMARY KEY"), ("Name", "nvarchar(20) NULL"), ("V", "rowversion")),
)
LANDED = Table("platform", "seed_trial.thing", LANDING_TABLES[0].columns)


@pytest.fixture(scope="module")
def made(seeded: SeededBy) -> Estates:
    return generate(seed=seeded.seed, customers=seeded.customers)


@pytest.mark.parametrize(
    ("name", "columns"),
    [  # columns that no business day changes
        ("CRM.dbo.Customer", "CustomerId, Title, Phone, DateOfBirth, NationalInsuranceNo"),
        ("Billing.dbo.Account", "AccountNo, CustomerId, OpenedOn, ClosedOn"),
        ("Billing.dbo.Payment", "PaymentId, AccountNo, Amount, PaidAt, Method"),
        ("OldDB.Gentrack.Customer", "CustomerRef, Email, BirthDate"),
        ("OldDB.Gentrack.Account", "AccountId, CustomerRef, OpenedOn, ClosedOn"),
        ("OldDB.Gentrack.Invoice", "InvoiceId, AccountId, Net, Vat"),
        ("OldDB.Salesforce.[Case]", "CaseId, CustomerRef, Subject, OpenedAt"),
        ("OldDB.Salesforce.Complaint", "ComplaintId, CustomerRef, Subject, OpenedAt, Redress"),
        ("OldDB.Salesforce.Task", "TaskId, CaseId, Subject, DueOn"),
        ("CRM.dbo.Contact", "ContactId, CustomerId, ContactType, Email, ValidFrom"),
        ("CRM.dbo.PriorityServices", "PsrId, CustomerId, NeedsCode, Details, ConsentGiven, RegisteredOn"),
        ("Billing.dbo.Tariff", "TariffCode, Name, Fuel, UnitRatePence, NightRatePence, ExitFee, ValidFrom, ValidTo"),
        ("Billing.dbo.SupplyPoint", "SupplyPointId, Fuel, Mpan, Mprn, GspGroup, ProfileClass, EffectiveFrom"),
        ("Billing.dbo.Meter", "MeterId, SupplyPointId, SerialNumber, MeterType, Registers, InstalledOn"),
        ("Billing.dbo.MeterReading", "ReadingId, MeterId, Register, ReadAt, Reading, ReadingType"),
        ("Billing.dbo.Agreement", "AgreementId, AccountNo, SupplyPointId, PaymentMethod, MonthlyAmount, SignedAt"),
        ("Billing.dbo.Bill", "BillId, AccountNo, PeriodFrom, PeriodTo, Net, Vat, BillType, IssuedAt, DueOn"),
    ],
)
def test_sql_server_gives_back_what_was_made(connections: Connections, made: Estates, name: str, columns: str) -> None:
    data, wanted = made[name], columns.split(", ")
    expected = {record[data.table.key]: tuple(record[c] for c in wanted) for record in data.records()}
    with connect(connections.sql_server(data.table.system), data.table.database) as session:
        rows = session.rows(f"SELECT {columns} FROM {data.table.local_name}")
    there = {row[0]: row for row in (tuple(map(_as_made, row)) for row in rows)}
    kept = there.keys() & expected.keys()
    assert len(kept) >= 0.9 * len(expected)
    assert [key for key in kept if there[key] != expected[key]] == []


def _as_made(value: Any) -> Any:
    """The driver gives a GUID as an object of its own."""
    return str(value).upper() if isinstance(value, uuid.UUID) else value


@pytest.mark.parametrize("table", LANDING_TABLES, ids=lambda table: str(table.name))
def test_the_landing_holds_what_was_made(connections: Connections, made: Estates, table: Table) -> None:
    big_query = BigQuery(connections.google_cloud())
    found = big_query.query(
        f"SELECT * FROM `{LandingDataset(big_query).table_id(table.name)}` "
        "WHERE kafka_data.insert_time < TIMESTAMP '2026-01-01 00:00:00+00'"
    )
    assert sorted(_comparable(row) for row in found) == sorted(
        _comparable(as_json(table, row)) for row in made[table.name].rows
    )


def _comparable(row: Mapping[str, Any]) -> str:
    """The row's values as text, money by its value and not by how many zeros a server writes."""
    flat = {name: value for name, value in row.items() if name != "kafka_data" and value is not None}
    flat |= row["kafka_data"]
    if "balance_gbp" in flat:
        flat["balance_gbp"] = Decimal(flat["balance_gbp"]).quantize(Decimal("0.0001"))
    return repr(sorted((name, v.isoformat() if isinstance(v, date) else str(v)) for name, v in flat.items()))


@pytest.mark.parametrize("database", ["CRM", "Billing", "OldDB"])
def test_snapshot_isolation_is_allowed(connections: Connections, seeded: SeededBy, database: str) -> None:
    system = "mis" if database == "OldDB" else "sse"
    with connect(connections.sql_server(system), database) as session, session.snapshot():
        tables = [table for table in SQL_SERVER_TABLES if table.database == database]
        assert all(session.scalar(f"SELECT COUNT(*) FROM {table.local_name}") for table in tables)


def test_a_second_seed_does_nothing(connections: Connections, seeded: SeededBy) -> None:
    said: list[str] = []
    seed(connections, customers=seeded.customers, seed=seeded.seed, report=said.append)
    assert said == [f"the estates are there: {seeded.customers:,} customers each, from seed {seeded.seed}"]


def test_another_seed_is_refused(connections: Connections, seeded: SeededBy) -> None:
    with pytest.raises(RequestError, match="make erase"):
        seed(connections, customers=seeded.customers, seed=seeded.seed + 1, report=print)


# --- what a seed may touch, tried on places of its own


@pytest.fixture
def trial(connections: Connections) -> Iterator[Database]:
    database = Database(connections.sql_server("sse"), "SeedTrial", (THING,))
    _drop(database)
    yield database
    _drop(database)


def _drop(database: Database) -> None:
    if database.is_there():
        with connect(database.settings, "master") as session:
            session.execute(f"DROP DATABASE {database.name}")


def test_a_seed_killed_in_the_middle_starts_over(trial: Database) -> None:
    trial.begin(1, 10)
    trial.write(TableData(THING, [(1, "left behind"), (2, "too")]))
    assert not trial.is_done(1, 10)
    trial.begin(1, 10)
    trial.write(TableData(THING, [(1, "whole")]))
    trial.finish(1, 10)
    assert trial.is_done(1, 10)
    assert _things(trial) == [(1, "whole")]


def test_rows_that_were_made_again_are_deleted_and_inserted_at_the_server(trial: Database) -> None:
    trial.begin(1, 10)
    with connect(trial.settings, trial.name) as session:
        last = int.from_bytes(session.scalar("SELECT @@DBTS"))
    trial.write(TableData(THING, [(1, "as it is"), (2, "untouched")], earlier=[(1, "as it was")]))
    assert _things(trial) == [(1, "as it is"), (2, "untouched")]
    with connect(trial.settings, trial.name) as session:
        versions = [int.from_bytes(v) - last for (v,) in session.rows("SELECT V FROM dbo.Thing ORDER BY Id")]
    assert versions == [2, 3], "version 1 is that of the row that was deleted"


@pytest.mark.parametrize("table", ["Thing", "Other"])
def test_a_database_with_tables_that_no_seed_made_is_not_touched(trial: Database, table: str) -> None:
    with connect(trial.settings, "master") as session:
        session.execute("CREATE DATABASE SeedTrial")
    with writing(trial.settings, trial.name) as session:
        session.execute(f"CREATE TABLE dbo.{table} (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL)")
        session.execute(f"INSERT INTO dbo.{table} (Id, Name) VALUES (1, N'somebody''s')")
    with pytest.raises(RequestError, match=rf"dbo\.{table} exist already"):
        trial.is_done(1, 10)
    assert _things(trial, table) == [(1, "somebody's")]


def _things(database: Database, table: str = "Thing") -> list[tuple[Any, ...]]:
    with connect(database.settings, database.name) as session:
        return session.rows(f"SELECT Id, Name FROM dbo.{table} ORDER BY Id")


def test_a_landing_killed_in_the_middle_starts_over(connections: Connections) -> None:
    big_query = BigQuery(connections.google_cloud())
    landing = LandingDataset(big_query, "seed_trial", (LANDED,))
    row = ("k", "t", 0, 0, None, *(None for _ in LANDED.written[5:]))
    landing.begin(1, 10)
    landing.append(LANDED, [row, row])
    assert not landing.is_done(1, 10)
    landing.begin(1, 10)
    landing.append(LANDED, [row])
    landing.finish(1, 10)
    assert landing.is_done(1, 10)
    assert big_query.query(f"SELECT COUNT(*) AS n FROM `{landing.table_id(LANDED.name)}`") == [{"n": 1}]
    big_query.query(f"DROP TABLE `{landing.table_id(LANDED.name)}`")
    big_query.query(f"DROP TABLE `{landing.table_id('seed_trial.seeded_by')}`")


def test_landed_rows_that_no_seed_made_are_not_touched(connections: Connections) -> None:
    big_query = BigQuery(connections.google_cloud())
    landing = LandingDataset(big_query, "seed_foreign", (LANDED,))
    big_query.create_dataset("seed_foreign")
    foreign = Table("platform", "seed_foreign.thing", LANDED.columns)
    big_query.query(f"CREATE OR REPLACE TABLE `{landing.table_id(foreign.name)}` (a INT64)")
    with pytest.raises(RequestError, match="seed_foreign"):
        LandingDataset(big_query, "seed_foreign", (foreign,)).is_done(1, 10)
    big_query.query(f"DROP TABLE `{landing.table_id(foreign.name)}`")
