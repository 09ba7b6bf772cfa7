"""A time limit of the client's ends what runs at the server, and the session goes on."""

from __future__ import annotations

import time

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

LONG = (
    "SELECT COUNT(*) FROM GENERATE_SERIES(1, 10000000) a CROSS JOIN GENERATE_SERIES(1, 10000000) b"
    " WHERE (a.value + b.value) % 7 = 3"
)


@pytest.mark.parametrize("sql", ["WAITFOR DELAY '00:00:20'", LONG], ids=["waiting", "working"])
def test_a_statement_that_lasts_too_long_is_cancelled(client: Asking, sql: str) -> None:
    client.connection.timeout = 1
    cursor, began = client.connection.cursor(), time.monotonic()
    with pytest.raises(Exception, match=r"(?i)timeout|expired"):
        cursor.execute(sql)
    assert time.monotonic() - began < 6
    assert client.one("SELECT 1") == 1
