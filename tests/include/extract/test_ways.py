"""Every way of capture: after each batch we hold what the table holds, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.clients.sql_server import Session
from include.contract import DatasetContract
from include.errors import EpochBroken, SourceRefused, SourceUnavailable
from include.extract import clocks
from tests.include.extract.reading import Rows, Table, contract_of

WAYS: dict[str, tuple[dict[str, Any], object]] = {
    "rowversion": ({"method": "rowversion", "column": "rv"}, "key_scan"),
    "change_tracking": ({"method": "change_tracking"}, "captured"),
    "cdc": ({"method": "cdc", "instance": "dbo_cdc"}, "captured"),
    "timestamp": ({"method": "timestamp", "column": "at", "overlap": "2h", "full_every": "7d"}, "key_scan"),
}
CHANGES = {
    "nothing": "SELECT 1",
    "an update": "UPDATE {t} SET v = N'new', at = SYSDATETIME() WHERE id IN (2, 3)",
    "an update that changes nothing": "UPDATE {t} SET v = v, at = SYSDATETIME() WHERE id = 2",
    "an insert": "INSERT INTO {t} (id, v, at) VALUES (11, N'born', SYSDATETIME())",
    "a delete": "DELETE FROM {t} WHERE id = 4",
    "a delete and insert": "DELETE FROM {t} WHERE id = 5;"
    " INSERT INTO {t} (id, v, at) VALUES (5, N'again', SYSDATETIME())",
    "an insert and delete": "INSERT INTO {t} (id, v, at) VALUES (12, N'x', SYSDATETIME());"
    " DELETE FROM {t} WHERE id = 12",
    "another key": "UPDATE {t} SET id = 13, at = SYSDATETIME() WHERE id = 6",
    "two changes of a key": "UPDATE {t} SET v = N'one', at = SYSDATETIME() WHERE id = 7;"
    " UPDATE {t} SET v = N'two', at = SYSDATETIME() WHERE id = 7",
    "one transaction": "BEGIN TRANSACTION; UPDATE {t} SET v = N'a', at = SYSDATETIME() WHERE id = 8;"
    " DELETE FROM {t} WHERE id = 8; INSERT INTO {t} (id, v, at) VALUES (8, N'b', SYSDATETIME()); COMMIT TRANSACTION",
    "everybody": "DELETE FROM {t}",
}

MOMENT = "2020-01-01 00:00:00.1234567"
STOP_CDC = (
    "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'cdc', @capture_instance = N'dbo_cdc'"
)


def _make(session: Session, name: str, method: dict[str, Any], deletes: object) -> Table:
    if name == "cdc":
        with suppress(SourceRefused):
            session.execute(STOP_CDC)
    session.execute(f"DROP TABLE IF EXISTS dbo.[{name}]")
    session.execute(
        f"CREATE TABLE dbo.[{name}] (id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL, hidden nvarchar(20) NULL,"
        " at datetime2(7) NOT NULL, gone bit NULL, rv rowversion)"
    )
    session.execute(
        f"INSERT INTO dbo.[{name}] (id, v, hidden, at)"
        f" SELECT value, N'v', N'secret', CAST('{MOMENT}' AS datetime2(7)) FROM GENERATE_SERIES(1, 10)"
    )
    if name == "change_tracking":
        session.execute(f"ALTER TABLE dbo.[{name}] ENABLE CHANGE_TRACKING")
    if name == "cdc":
        session.execute(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'cdc', @role_name = NULL,"
            " @supports_net_changes = 1"
        )
    return Table(contract_of(name, method, deletes), session)


@pytest.fixture
def make(session: Session) -> Callable[[str], Table]:
    return lambda name: _make(session, name, *WAYS[name])


def _held(held: dict[int, Any], rows: Rows) -> dict[int, Any]:
    """What we hold after a window: rows over those before, less what is gone."""
    held |= rows.column("v")
    if "_is_gone" in rows.tables["rows"].column_names:
        held = {key: v for key, v in held.items() if not rows.column("_is_gone").get(key, False)}
    if "keys" in rows.tables:
        held = {key: v for key, v in held.items() if key in rows.ids("keys")}
    return held


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_window_we_hold_what_the_table_holds(
    make: Callable[[str], Table], writer: Session, name: str, change: str
) -> None:
    table = make(name)
    held = table.full().column("v")
    writer.execute("WAITFOR DELAY '00:00:00.010'")  # CDC tells moments apart by 3 ms
    for _ in range(2):  # and again, from where the first window ended
        writer.execute(CHANGES[change].format(t=f"dbo.[{name}]"))
        held = _held(held, table.window())
        assert held == dict(writer.rows(f"SELECT id, v FROM dbo.[{name}]"))
        if change not in ("an update", "an update that changes nothing", "two changes of a key", "nothing"):
            break


@pytest.mark.parametrize("name", ["change_tracking", "cdc", "timestamp"])
def test_no_unclaimed_column_is_named(make: Callable[[str], Table], writer: Session, name: str) -> None:
    table = make(name)
    rows = table.full()
    writer.execute(f"UPDATE dbo.[{name}] SET v = N'new', at = SYSDATETIME() WHERE id = 1")
    rows.queries += table.window().queries
    assert len([query for query in rows.queries if query.startswith("rows: SELECT")]) == 2
    assert not [query for query in rows.queries if "hidden" in query or "gone]" in query.replace("_is_gone]", "")]


@pytest.mark.parametrize("name", ["change_tracking", "cdc"])
def test_a_clean_up_past_our_position_is_refused_with_the_way_on(
    make: Callable[[str], Table], writer: Session, name: str
) -> None:
    table = make(name)
    table.full()
    writer.execute(f"UPDATE dbo.[{name}] SET v = N'lost' WHERE id = 1")
    writer.execute(f"UPDATE dbo.[{name}] SET v = N'kept' WHERE id = 2")
    if name == "cdc":
        newest = bytes(writer.scalar("SELECT sys.fn_cdc_get_max_lsn()")).hex()
        writer.execute(
            f"EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_cdc', @low_water_mark = 0x{newest}"
        )
    else:
        writer.execute("EXEC standin.clean_change_tracking @table = N'dbo.change_tracking'")
    with pytest.raises(EpochBroken, match="forgotten the changes since") as caught:
        table.window()
    assert "full_refresh" in caught.value.remedy
    table.full()
    writer.execute(f"UPDATE dbo.[{name}] SET v = N'after' WHERE id = 3")
    assert table.window().column("v")[3] == "after"


def test_a_truncation_is_noticed_though_our_version_is_still_valid(
    make: Callable[[str], Table], writer: Session
) -> None:
    table = make("change_tracking")
    writer.execute("UPDATE dbo.change_tracking SET v = N'tracked' WHERE id = 1")
    table.full()
    assert table.before is not None
    old_entry = replace(table.before, high={"version": table.before.high["version"]})
    writer.execute("TRUNCATE TABLE dbo.change_tracking")
    with pytest.raises(EpochBroken, match="the table was truncated") as caught:
        table.window()
    assert "full_refresh" in caught.value.remedy
    table.before = old_entry
    assert table.window().ids() == [], "the log did not have it then: nothing is compared"
    table.full()
    writer.execute("INSERT INTO dbo.change_tracking (id, v, at) VALUES (1, N'again', SYSDATETIME())")
    assert table.window().ids() == [1]


@pytest.mark.parametrize("name", ["change_tracking", "cdc"])
@pytest.mark.parametrize("kind", ["full", "window"])
def test_a_table_that_is_not_captured_any_more_is_refused(
    make: Callable[[str], Table], writer: Session, name: str, kind: str
) -> None:
    table = make(name)
    table.full()
    writer.execute(STOP_CDC if name == "cdc" else "ALTER TABLE dbo.change_tracking DISABLE CHANGE_TRACKING")
    with pytest.raises(SourceRefused, match=r"the source has no (change tracking|capture instance dbo_cdc)") as caught:
        table.window() if kind == "window" else table.full()
    assert "grants" in caught.value.remedy


@pytest.mark.parametrize("kind", ["full", "window"])
@pytest.mark.parametrize(
    ("captured", "net", "lacks"),
    [
        ("N'id'", 1, "column v in its capture instance dbo_cdc as it is now"),
        ("N'id, v'", 0, "net changes in its capture instance"),
    ],
    ids=["a column", "net changes"],
)
def test_what_an_instance_does_not_capture_is_refused_and_does_not_come_as_null(
    make: Callable[[str], Table], writer: Session, captured: str, net: int, lacks: str, kind: str
) -> None:
    table = make("cdc")
    table.full()
    writer.execute(STOP_CDC)
    writer.execute(
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'cdc', @role_name = NULL,"
        f" @supports_net_changes = {net}, @captured_column_list = {captured}"
    )
    with pytest.raises(SourceRefused, match=lacks) as caught:
        table.window() if kind == "window" else table.full()
    assert "grants" in caught.value.remedy


def test_after_a_full_cdc_waits_until_its_capture_has_passed_the_end_of_it(
    make: Callable[[str], Table], writer: Session
) -> None:
    """Else an image from before the full would be merged over a row that the full has read newer."""
    table = make("cdc")
    writer.execute("UPDATE dbo.cdc SET v = N'before' WHERE id = 1")
    table.full()
    assert table.before is not None
    began = table.before.high["lsn"]
    assert table.window().ids() == []
    assert table.before.high["lsn"] == began
    writer.execute("WAITFOR DELAY '00:00:00.050'")
    writer.execute("UPDATE dbo.cdc SET v = N'after' WHERE id = 2")
    assert table.window().column("v") == {2: "after"}
    assert "full_ended_at" not in table.before.high


def test_after_a_full_on_the_night_when_the_clocks_go_back_cdc_waits_for_an_hour_more(
    make: Callable[[str], Table], writer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was changed in the hour before has times up to an hour later than the full's end."""
    table, asked = make("cdc"), list[tuple[Any, ...]]()
    monkeypatch.setattr(clocks, "went_back", lambda *given: not asked.append(given))
    now = "SELECT CONVERT(varchar(23), DATEADD(hour, 1, GETDATE()), 126)"
    before = writer.scalar(now)
    table.full()
    assert table.before is not None
    assert before <= table.before.high["full_ended_at"] <= writer.scalar(now)
    ((utc, offset),) = asked
    assert abs(utc - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)
    assert offset == timedelta(0), "the stand-in's clock"
    writer.execute("WAITFOR DELAY '00:00:00.050'")
    writer.execute("UPDATE dbo.cdc SET v = N'perhaps of before' WHERE id = 2")
    assert table.window().ids() == []


def test_a_window_that_waits_is_not_taken_for_a_capture_that_stands_still(
    make: Callable[[str], Table], writer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a cohort it begins, and waits, where yesterday's window ended."""
    table = make("cdc")
    table.full()
    assert table.before is not None
    table.before = replace(table.before, high={**table.before.high, "full_ended_at": "2999-01-01T00:00:00"})
    writer.execute("WAITFOR DELAY '00:00:00.050'")
    writer.execute("UPDATE dbo.cdc SET v = N'captured' WHERE id = 1")
    newest, shipped, asked = writer.scalar("SELECT sys.fn_cdc_get_max_lsn()"), Session.rows, list[bytes]()

    def rows(session: Session, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        asked.extend(params if "fn_cdc_map_lsn_to_time" in sql else ())
        return shipped(session, sql, params)

    monkeypatch.setattr(Session, "rows", rows)
    assert table.window().ids() == []
    assert asked == [newest]
    assert newest.hex() > table.before.high["lsn"]


def test_a_capture_that_stands_still_is_not_taken_for_a_quiet_source(
    make: Callable[[str], Table], writer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in's never does: its newest entry is said to be of three hours ago."""
    table = make("cdc")
    table.full()
    shipped = Session.rows

    def rows(session: Session, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        found = shipped(session, sql, params)
        if "fn_cdc_map_lsn_to_time" in sql:
            ((newest, now),) = found
            assert now - newest < timedelta(minutes=1)
            return [(now - timedelta(hours=3), now)]
        return found

    monkeypatch.setattr(Session, "rows", rows)
    with pytest.raises(SourceUnavailable, match=r"CDC has captured nothing for 3\.0 hours") as caught:
        table.window()
    assert "SQL Server Agent" in caught.value.remedy


def test_a_moment_keeps_its_hundred_nanoseconds_and_the_overlap_is_read_again(
    make: Callable[[str], Table], writer: Session
) -> None:
    table = make("timestamp")
    table.full()
    assert table.before is not None
    assert table.before.high == {"moment": MOMENT}
    late = "INSERT INTO dbo.timestamp (id, v, at) VALUES ({}, N'late', CAST('{}' AS datetime2(7)))"
    writer.execute(late.format(20, "2019-12-31 22:00:00.1234567"))  # exactly the overlap older
    writer.execute(late.format(21, "2019-12-31 22:00:00.1234566"))  # older: the next full finds it
    assert {20} == set(table.window().ids()) - set(range(1, 11))


@pytest.mark.parametrize("future", ["DATEADD(hour, 20, SYSDATETIME())", "CAST('9999-12-31' AS datetime2(7))"])
def test_a_row_of_the_future_does_not_end_the_windows(
    make: Callable[[str], Table], writer: Session, future: str
) -> None:
    table = make("timestamp")
    writer.execute(f"UPDATE dbo.timestamp SET at = {future} WHERE id = 1")
    table.full()
    writer.execute("UPDATE dbo.timestamp SET v = N'now', at = SYSDATETIME() WHERE id = 2")
    assert table.window().column("v")[2] == "now"


def test_a_flag_is_read_though_nobody_claims_it(session: Session) -> None:
    contract: DatasetContract = contract_of("flagged", {"method": "rowversion", "column": "rv"}, {"flagged_by": "gone"})
    table = _make(session, "flagged", {"method": "rowversion", "column": "rv"}, {"flagged_by": "gone"})
    assert table.contract == contract
    assert table.full().column("gone") == dict.fromkeys(range(1, 11))
    session.execute("UPDATE dbo.flagged SET gone = 1 WHERE id = 3")
    assert table.window().column("gone") == {3: True}
