"""Some customers between two windows: whatever the capture does, the common model says what the source holds."""

from __future__ import annotations

from typing import Any

import pytest

from include.clients.sql_server import Session, connect
from include.errors import TooManyDeletions
from tests.include.steps.captured import declare, insert, rename, some, source, take
from tests.include.steps.way import Way

GONE = {"sse/customer": 1}
ROWVERSION = "rowversion"
PAUSE = "WAITFOR DELAY '00:00:00.050'"


@pytest.mark.parametrize("name", [ROWVERSION, "cdc", "timestamp"])
def test_between_two_windows_a_cohort_takes_its_own_and_the_window_all_others(tracked: Way, name: str) -> None:
    """A cohort that moved the position would lose the change of customer 2 for ever."""
    if name == ROWVERSION:
        tracked.customers(range(1, 11), name)
    else:
        declare(tracked, name)
    take(tracked, full_refresh=True, allow_deletions=GONE)  # 11, of the way before
    tracked.sql(PAUSE)
    rename(tracked, 1, "One")
    rename(tracked, 2, "Two")
    tracked.sql("DELETE FROM dbo.Customer WHERE CustomerId = 3")
    insert(tracked, 11)
    before, cohort = source(tracked), some("11", "1", "3", "99")

    with pytest.raises(TooManyDeletions, match="1 of 2 known keys that were asked for of sse/customer"):
        tracked.extract(**cohort, dry_run=True)
    with pytest.raises(TooManyDeletions, match="1 of 2 known keys that were asked for of sse/customer"):
        tracked.extract(**cohort, allow_deletions={"sse/customer": 2})
    assert tracked.extract(**cohort, dry_run=True, allow_deletions=GONE)["deleted"] == 1
    told = take(tracked, **cohort, allow_deletions=GONE)
    counts = {key: told[key] for key in ("kind", "counted", "deleted", "absent")}
    assert counts == {"kind": "cohort", "counted": 2, "deleted": 1, "absent": 2}
    assert tracked.names() == {**before, "2": name}, "the cohort's own alone are as they are now"

    rename(tracked, 1, "Again")
    tracked.sql(PAUSE)
    rename(tracked, 11, "Later")
    told = take(tracked)
    assert (told["kind"], told["deleted"]) == ("window", 0)
    assert tracked.names() == source(tracked)
    assert (tracked.names()["2"], tracked.names()["1"]) == ("Two", "Again")


def test_what_cdc_has_not_captured_yet_does_not_come_over_what_the_cohort_has_read(
    tracked: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capture lags: it has come as far as the older of two changes, and the cohort has read the newer."""
    declare(tracked, "cdc")
    take(tracked, full_refresh=True, allow_deletions=GONE)
    tracked.sql(PAUSE)
    rename(tracked, 1, "Older")
    with connect(tracked.world.connections.sql_server("sse"), tracked.database) as session:
        captured = session.scalar("SELECT sys.fn_cdc_get_max_lsn()")
    tracked.sql(PAUSE)
    rename(tracked, 1, "Newer")
    take(tracked, **some("1"))
    assert tracked.names()["1"] == "Newer"

    shipped = Session.scalar

    def scalar(self: Session, sql: str, params: Any = ()) -> Any:
        return captured if "fn_cdc_get_max_lsn" in sql else shipped(self, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "scalar", scalar)
        assert tracked.extract()["counted"] == 0
        assert tracked.extract(dry_run=True)["rows"] == 0, "what the window has waited for the next one waits for, too"
    tracked.load()
    tracked.merge()
    assert tracked.names()["1"] == "Newer"
    tracked.sql(PAUSE)
    rename(tracked, 2, "After")
    assert take(tracked)["counted"] == 2
    assert tracked.names() == source(tracked)
