"""A batch by hand: what a test does not care about is made up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from include.stage.log import Batch

READ_AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_batch(number: int, kind: str = "window", **more: Any) -> Batch:
    made: dict[str, Any] = {
        "dataset": "sse/customer",
        "number": number,
        "kind": kind,
        "window": {},
        "position": {},
        "epoch": {},
        "columns": {"CustomerId": "INT64", "Surname": "STRING"},
        "key": ("CustomerId",),
        "rows": 1,
        "counted": 1,
        "deleted": 0,
        "parts": (),
        "keys": None,
        "table": "CRM.dbo.Customer",
        "capture": {"method": "rowversion", "column": "RowVer"},
        "contract_hash": "",
        "query_hash": "",
        "attempt": "a-try",
        "read_at": READ_AT,
        "committed_at": READ_AT,
    }
    return Batch(**{**made, **more})
