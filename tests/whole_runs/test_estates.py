"""Do the estates and their business days get onto the servers as they were made?

They take the estates as they find them, whatever days have happened.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from include.clients.big_query import BigQuery
from include.clients.sql_server import Session, connect
from include.connections import Connections, EnvironmentConnections
from include.errors import RequestError
from include.local.business_day import business_day
from include.local.estates import mis, sse
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.generate import Estates, generate
from include.local.estates.landing import as_json
from include.local.estates.seed import seed
from include.local.estates.seed_landing import LandingDataset
from include.local.estates.seed_sql_server import Database, marker_of, writing
from include.local.estates.seeded import SeededBy
from include.local.estates.tables import LANDING_TABLES, Table, TableData

THING = Table(
    "sse",
    "SeedTrial.dbo.Thing",
    (("Id", "int NOT NULL PRIMARY KEY"), ("Name", "nvarchar(20) NULL"), ("V", "rowversion")),
)
LANDED = Table("platform", "seed_trial.thing", LANDING_TABLES[0].columns)


@pytest.fixture(scope="module")
def connections(estates: EnvironmentConnections) -> Connections:
    return estates


@pytest.fixture(scope="module")
def seeded(connections: Connections) -> SeededBy:
    with connect(connections.sql_server("sse"), "CRM") as crm:
        marker = marker_of(crm)
    assert marker
    return marker


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


# --- a business day


@pytest.fixture(scope="module")
def day(connections: Connections, seeded: SeededBy) -> int:
    """A day that has not happened."""
    with connect(connections.sql_server("sse"), "CRM") as crm:
        return max(300, int(crm.scalar("SELECT MAX(Day) FROM dbo.BusinessDay") or 0)) + 1


@pytest.fixture(scope="module")
def before(connections: Connections, seeded: SeededBy) -> dict[str, Any]:
    return _state(connections)


@pytest.fixture(scope="module")
def marks(connections: Connections, seeded: SeededBy) -> tuple[int, bytes]:
    """Where change tracking of Billing and CDC of OldDB are before the day."""
    with (
        connect(connections.sql_server("sse"), "Billing") as billing,
        connect(connections.sql_server("mis"), "OldDB") as old,
    ):
        version = billing.scalar("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
        return int(version), bytes(old.scalar("SELECT sys.fn_cdc_get_max_lsn()"))


@pytest.fixture(scope="module")
def after(connections: Connections, counts: dict[str, int]) -> dict[str, Any]:
    return _state(connections)


@pytest.fixture(scope="module")
def counts(
    connections: Connections, seeded: SeededBy, before: dict[str, Any], marks: tuple[int, bytes], day: int
) -> dict[str, int]:
    return business_day(connections, seed=seeded.seed, day=day, report=print)


def _state(connections: Connections) -> dict[str, Any]:
    """All rows by table and key, and all landed offsets."""
    state: dict[str, Any] = {}
    for table in SQL_SERVER_TABLES:
        with connect(connections.sql_server(table.system), table.database) as session:
            columns = ", ".join(name for name, _ in table.columns)
            rows = session.rows(f"SELECT {columns} FROM {table.local_name}")
            width = len(table.primary_key)  # the columns of a longer key come first
            state[table.name] = {row[:width] if width else row[0]: row for row in rows}
    big_query = BigQuery(connections.google_cloud())
    for table in LANDING_TABLES:
        place = "kafka_data.partition AS part, kafka_data.offset AS place"
        rows = big_query.query(f"SELECT kafka_key, {place} FROM `{LandingDataset(big_query).table_id(table.name)}`")
        state[table.name] = {(row["part"], row["place"]): row["kafka_key"] for row in rows}
    return state


def test_every_usual_change_happens_at_least_five_times(counts: dict[str, int]) -> None:
    rare = ("deleted", "come back", "taken back", "prepared", "renumbered", "tariff")
    assert {kind: n for kind, n in counts.items() if n < 5 and not any(word in kind for word in rare)} == {}
    assert all(n >= 1 for kind, n in counts.items() if "deleted" in kind)


def test_the_sources_changed_as_the_day_says(
    after: dict[str, Any], counts: dict[str, int], before: dict[str, Any]
) -> None:
    old, new = before["CRM.dbo.Customer"], after["CRM.dbo.Customer"]
    assert len(old.keys() - new.keys()) == counts["sse: customers deleted"]
    assert len(new.keys() - old.keys()) == counts["sse: customers come back"] + counts["sse: new customers"]
    renamed = [key for key in old.keys() & new.keys() if old[key][3] != new[key][3]]
    assert len(renamed) == counts["sse: names changed"]
    paid = after["Billing.dbo.Payment"].keys() - before["Billing.dbo.Payment"].keys()
    assert len(paid) == counts["sse: payments"] + counts["sse: payments renumbered"]


LOST_AND_FOUND = (  # table, what takes a key away, what brings one
    ("CRM.dbo.Contact", (), ("new contacts",)),
    (
        "CRM.dbo.ContactPreference",
        ("consents deleted", "consents moved to another channel"),
        ("new consents", "consents moved to another channel"),
    ),
    ("CRM.dbo.PriorityServices", ("needs deleted",), ("new needs",)),
    ("Billing.dbo.Payment", ("payments deleted", "payments renumbered"), ("payments", "payments renumbered")),
    ("Billing.dbo.Tariff", ("tariffs no longer sold",), ("new tariff",)),
    ("Billing.dbo.MeterReading", (), ("meters read",)),
    ("Billing.dbo.Bill", ("bills deleted", "bills renumbered"), ("new bills", "bills replaced", "bills renumbered")),
    ("OldDB.Salesforce.[Case]", ("cases deleted", "cases renumbered"), ("new cases", "cases renumbered")),
    ("OldDB.Salesforce.Complaint", (), ("new complaints",)),
    ("OldDB.Salesforce.Task", (), ("new tasks",)),
    ("OldDB.Gentrack.Invoice", ("invoices deleted",), ("invoices",)),
)


@pytest.mark.parametrize(("table", "lost", "found"), LOST_AND_FOUND, ids=[table for table, *_ in LOST_AND_FOUND])
def test_a_table_loses_and_gains_the_keys_that_the_day_says(
    after: dict[str, Any],
    counts: dict[str, int],
    before: dict[str, Any],
    table: str,
    lost: Sequence[str],
    found: Sequence[str],
) -> None:
    system = "mis" if table.startswith("OldDB") else "sse"
    there, now = before[table].keys(), after[table].keys()
    assert len(there - now) == sum(counts[f"{system}: {kind}"] for kind in lost)
    assert len(now - there) == sum(counts[f"{system}: {kind}"] for kind in found)


@pytest.mark.parametrize("table", ["CRM.dbo.Contact", "Billing.dbo.MeterReading", "Billing.dbo.Agreement"])
def test_some_rows_are_written_again_as_they_are(
    after: dict[str, Any], counts: dict[str, int], before: dict[str, Any], table: str
) -> None:
    """Their rowversion grows, and nothing else of them."""
    kept = before[table].keys() & after[table].keys()
    same = [key for key in kept if before[table][key][:-1] == after[table][key][:-1]]
    again = [key for key in same if before[table][key] != after[table][key]]
    assert len(again) >= 5


def test_change_tracking_and_cdc_have_seen_what_the_day_did(
    connections: Connections, marks: tuple[int, bytes], counts: dict[str, int]
) -> None:
    """Net: a key that moved is one that went and one that came."""
    with connect(connections.sql_server("sse"), "Billing") as billing:
        seen = _operations(billing, f"SYS_CHANGE_OPERATION FROM CHANGETABLE(CHANGES dbo.Payment, {marks[0]}) AS c")
    moved = counts["sse: payments renumbered"]
    assert seen == {"I": counts["sse: payments"] + moved, "D": counts["sse: payments deleted"] + moved}
    with connect(connections.sql_server("mis"), "OldDB") as old:
        changes = "cdc.fn_cdc_get_net_changes_Salesforce_Case(@low, sys.fn_cdc_get_max_lsn(), N'all')"
        low = f"DECLARE @low binary(10) = sys.fn_cdc_increment_lsn(0x{marks[1].hex()}); "
        seen = _operations(old, f"__$operation FROM {changes}", low)
    moved = counts["mis: cases renumbered"]
    assert seen == {
        1: counts["mis: cases deleted"] + moved,
        2: counts["mis: new cases"] + moved,
        4: counts["mis: cases closed"] + counts["mis: cases written again unchanged"],
    }


def _operations(session: Session, what: str, declared: str = "") -> dict[Any, int]:
    return dict(Counter(row[0] for row in session.rows(f"{declared}SELECT {what}")))


def test_a_payment_and_its_balance_are_one(
    after: dict[str, Any], counts: dict[str, int], before: dict[str, Any]
) -> None:
    seen, moved = 0, {row[1:-1] for row in before["Billing.dbo.Payment"].values()}
    for key in after["Billing.dbo.Payment"].keys() - before["Billing.dbo.Payment"].keys():
        if after["Billing.dbo.Payment"][key][1:-1] in moved:
            continue
        _, account, amount, *_ = after["Billing.dbo.Payment"][key]
        was, now = (state["Billing.dbo.Account"].get(account) for state in (before, after))
        if was and was[2] is not None:
            assert now[2] == was[2] - amount
            seen += 1
    assert seen


def test_no_table_loses_more_than_one_percent(
    after: dict[str, Any], counts: dict[str, int], before: dict[str, Any]
) -> None:
    for table in SQL_SERVER_TABLES:
        lost = before[table.name].keys() - after[table.name].keys()
        assert len(lost) <= 0.01 * len(before[table.name]), table.name


def test_the_day_lands_behind_what_is_there_without_a_gap(
    after: dict[str, Any], counts: dict[str, int], before: dict[str, Any]
) -> None:
    for table in LANDING_TABLES:
        fresh = after[table.name].keys() - before[table.name].keys()
        for partition in {part for part, _ in fresh}:
            end = max(offset for part, offset in before[table.name] if part == partition)
            offsets = sorted(offset for part, offset in fresh if part == partition)
            assert offsets == list(range(end + 1, end + 1 + len(offsets)))


def test_late_parents_arrive(counts: dict[str, int], connections: Connections, seeded: SeededBy) -> None:
    with connect(connections.sql_server("sse"), "CRM") as crm, connect(connections.sql_server("mis"), "OldDB") as old:
        assert crm.rows(f"SELECT 1 FROM dbo.Customer WHERE CustomerId = {sse.customer_id(seeded.customers)}")
        assert old.rows(f"SELECT 1 FROM Gentrack.Customer WHERE CustomerRef = '{mis.customer_ref(seeded.customers)}'")


def test_the_same_day_does_not_happen_twice(
    connections: Connections, counts: dict[str, int], seeded: SeededBy, day: int
) -> None:
    before = _state(connections)
    assert business_day(connections, seed=seeded.seed, day=day, report=print) == {}
    assert _state(connections) == before


def test_a_day_of_other_estates_is_refused(connections: Connections, seeded: SeededBy, day: int) -> None:
    with pytest.raises(RequestError, match="from seed"):
        business_day(connections, seed=seeded.seed + 1, day=day + 1, report=print)


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
