"""`sse/customer` by each way of capture, and what the source holds."""

from __future__ import annotations

import re
from typing import Any

from include.catalogue import Catalogue
from include.clients.sql_server import connect
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


def declare(way: Way, name: str) -> None:
    capture, deletes, enable = WAYS[name]
    path = way.catalogue.dataset_path(SSE)
    text = re.sub(r"capture: .*", f"capture: {capture}", path.read_text(encoding="utf-8"))
    path.write_text(re.sub(r"deletes: .*", f"deletes: {deletes}", text), encoding="utf-8")
    way.catalogue = Catalogue(way.catalogue.sql.parent)
    way.customers(range(1, 11), name)
    if enable:
        way.sql(enable)


def take(way: Way, **request: object) -> dict[str, object]:
    told = way.extract(**request)
    way.load()
    way.merge()
    return told


def source(way: Way) -> dict[str, str]:
    with connect(way.world.connections.sql_server("sse"), way.database) as session:
        return {str(key): name for key, name in session.rows("SELECT CustomerId, Surname FROM dbo.Customer")}


def some(*ids: str) -> dict[str, Any]:
    """The form's fields."""
    return {"cohort": ids, "only": ("sse/customer",)}


def rename(way: Way, customer: int, surname: str) -> None:
    way.sql(f"UPDATE dbo.Customer SET Surname = N'{surname}', CreatedAt = GETDATE() WHERE CustomerId = {customer}")


def insert(way: Way, customer: int) -> None:
    row = f"({customer}, N'Born', 'A', GETDATE())"
    way.sql(f"INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES {row}")
