"""Does a business day happen at the servers as it says, once, and to the estates that it is of?

It takes the estates as it finds them, whatever days have happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from include.clients.big_query import BigQuery
from include.clients.sql_server import Session, connect
from include.connections import Connections
from include.errors import RequestError
from include.local.business_day import business_day
from include.local.estates import mis, sse
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.seed_landing import LandingDataset
from include.local.estates.seeded import SeededBy
from include.local.estates.tables import LANDING_TABLES


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
