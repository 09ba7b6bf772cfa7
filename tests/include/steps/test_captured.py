"""Each way of capture, the whole way: what the source holds is what the common model says, after every batch."""

from __future__ import annotations

import re

import pytest

from include.catalogue import Catalogue
from include.clients.sql_server import connect
from include.errors import TooManyDeletions
from tests.include.steps.way import SSE, Way

WAYS = {
    "snapshot": ("{method: snapshot}", "captured", ""),
    "change_tracking": ("{method: change_tracking}", "captured", "ALTER TABLE dbo.Customer ENABLE CHANGE_TRACKING"),
    "cdc": (
        "{method: cdc, instance: dbo_Customer}",
        "captured",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Customer', @role_name = NULL,"
        " @supports_net_changes = 1",
    ),
    "timestamp": ("{method: timestamp, column: CreatedAt, overlap: 2h, full_every: 7d}", "key_scan", ""),
}
CHANGES = (
    "UPDATE dbo.Customer SET Surname = N'One', CreatedAt = GETDATE() WHERE CustomerId = 1;"
    " UPDATE dbo.Customer SET Surname = N'Two', CreatedAt = GETDATE() WHERE CustomerId = 1",
    "DELETE FROM dbo.Customer WHERE CustomerId = 2",
    "DELETE FROM dbo.Customer WHERE CustomerId = 3;"
    " INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES (3, N'Again', 'A', GETDATE())",
    "UPDATE dbo.Customer SET CustomerId = 14, CreatedAt = GETDATE() WHERE CustomerId = 4",
    "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES (15, N'Gone', 'A', GETDATE());"
    " DELETE FROM dbo.Customer WHERE CustomerId = 15",
)


@pytest.fixture(scope="module")
def tracked(way: Way) -> Way:
    way.sql(f"ALTER DATABASE {way.database} SET CHANGE_TRACKING = ON")
    way.sql("EXEC sys.sp_cdc_enable_db")
    return way


def _declare(way: Way, name: str) -> None:
    capture, deletes, enable = WAYS[name]
    path = way.catalogue.dataset_path(SSE)
    text = re.sub(r"capture: .*", f"capture: {capture}", path.read_text(encoding="utf-8"))
    path.write_text(re.sub(r"deletes: .*", f"deletes: {deletes}", text), encoding="utf-8")
    way.catalogue = Catalogue(way.catalogue.sql.parent)
    way.customers(range(1, 11), name)
    if enable:
        way.sql(enable)


def _take(way: Way, **request: object) -> dict[str, object]:
    told = way.extract(**request)
    way.load()
    way.merge()
    return told


def _source(way: Way) -> dict[str, str]:
    with connect(way.world.connections.sql_server("sse"), way.database) as session:
        return {str(key): name for key, name in session.rows("SELECT CustomerId, Surname FROM dbo.Customer")}


@pytest.mark.parametrize("name", WAYS)
def test_what_the_source_holds_is_what_the_common_model_says(tracked: Way, name: str) -> None:
    _declare(tracked, name)
    allowed = {"sse/customer": 1}  # 14, of the way before; ours are ten again
    told = _take(tracked, allow_deletions=allowed)
    assert told["kind"] == "full"
    assert tracked.names() == dict.fromkeys(map(str, range(1, 11)), name) == _source(tracked)

    tracked.sql("WAITFOR DELAY '00:00:00.010'")
    for change in CHANGES:
        tracked.sql(change)
    expected = "full" if name == "snapshot" else "window"
    with pytest.raises(TooManyDeletions, match="2 of 10 known keys"):
        tracked.extract()
    with pytest.raises(TooManyDeletions, match="2 of 10 known keys"):
        tracked.extract(dry_run=True)
    told = _take(tracked, allow_deletions={"sse/customer": 2})
    assert (told["kind"], told["deleted"]) == (expected, 2)
    assert tracked.names() == _source(tracked)
    assert tracked.names()["1"] == "Two"

    told = _take(tracked)
    assert (told["kind"], told["deleted"]) == (expected, 0)
    assert tracked.names() == _source(tracked)
