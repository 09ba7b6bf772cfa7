"""A source that says no, or nothing: the message says where and what to do, and nothing is as if it had been read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.errors import DriftError, SourceRefused, SourceUnavailable
from include.local.estates.t_sql import create_table
from include.local.estates.tables import SSE_CUSTOMER
from include.local.laptop import free_ports
from tests.include.steps.way import Way
from tests.include.wrong_input.forbidding import forbidding
from tests.include.wrong_input.witness import Witness

CONTRACT = "sql/sources/sse/customer/contract.yaml"


def _extract(way: Way) -> None:
    """From the source: the batch that waits would do otherwise."""
    way.extract(full_refresh=True)


def test_a_source_that_is_down(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.clients.sql_server.LOGIN_TIMEOUT", 2)
    (port,) = free_ports(1)
    down = witness.with_connection("sse", lambda c: c.update(port=port))
    words = ("did not answer within 2 s", f"wrong_input on connection sse (127.0.0.1:{port})", "tried again by itself")
    began = time.monotonic()
    with witness.refused(SourceUnavailable, *words, "ask whether the server is up, and whether host and port"):
        try:
            _extract(down)
        finally:
            assert time.monotonic() - began < 12, "the driver's own 15 s were waited for"


def test_a_source_that_refuses_the_login(witness: Witness) -> None:
    wrong = witness.with_connection("sse", lambda c: c.update(password="hunter2-not-it"))
    words = ("Login failed for user 'sa'", "wrong_input on connection sse (127.0.0.1:", "correct login and password")
    with witness.refused(SourceRefused, *words, "connection sse, or have the login sa unlocked"):
        _extract(wrong)


def test_a_source_that_lacks_the_table(witness: Witness, tmp_path: Path) -> None:
    elsewhere = witness.with_declaration(tmp_path, CONTRACT, "wrong_input.dbo.Customer", "wrong_input.dbo.Nowhere")
    words = ("there is no table wrong_input.dbo.Nowhere, or it is hidden from us", CONTRACT, "correct `table`")
    with witness.refused(DriftError, *words, "python -m include grants sse --to"):
        _extract(elsewhere)


def test_a_source_that_lacks_the_column(witness: Witness, tmp_path: Path) -> None:
    columns = tuple(column for column in SSE_CUSTOMER.columns if column[0] != "Email")
    witness.way.sql(create_table(replace(SSE_CUSTOMER, name="wrong_input.dbo.Narrow", columns=columns)))
    narrow = witness.with_declaration(tmp_path, CONTRACT, "wrong_input.dbo.Customer", "wrong_input.dbo.Narrow")
    words = ("wrong_input.dbo.Narrow is not what the contract of sse/customer says: column Email is missing", CONTRACT)
    with witness.refused(DriftError, *words, "ask the owner what changed, correct the contract"):
        _extract(narrow)


def test_a_source_that_forbids_the_column(witness: Witness) -> None:
    said = (
        "The SELECT permission was denied on the column 'Email' of the object 'Customer', "
        "database 'wrong_input', schema 'dbo'."
    )
    words = (said, "wrong_input on connection sse (127.0.0.1:", "python -m include grants sse --to sa` prints")
    with _forbidding(witness, "Email", said) as way, witness.refused(SourceRefused, *words):
        _extract(way)


@contextmanager
def _forbidding(witness: Witness, column: str, said: str) -> Iterator[Way]:
    """The same way, to a source that forbids a column when it is named in a statement without parameters."""
    sse = witness.way.world.connections.sql_server("sse")
    with forbidding(sse.host, sse.port, column, said) as port:

        def through_it(connection: dict[str, Any]) -> None:
            connection.update(port=port)
            connection["extra"].update(Encrypt="no")

        yield witness.with_connection("sse", through_it)


def test_a_source_that_forbids_the_keys_when_the_rows_have_been_written(witness: Witness) -> None:
    said = "The SELECT permission was denied on the column 'CustomerId' of the object 'Customer'."
    with _forbidding(witness, "CustomerId", said) as way, witness.refused(SourceRefused, said):
        way.extract(run=replace(way.begin(), started_at=datetime.now(UTC) + timedelta(days=1)))  # nothing is fresh


def test_a_source_without_snapshot_isolation(witness: Witness) -> None:
    allow = "ALTER DATABASE [wrong_input] SET ALLOW_SNAPSHOT_ISOLATION"
    witness.way.sql(f"{allow} OFF")
    try:
        words = ("because snapshot isolation is not allowed in this database", "wrong_input on connection sse")
        with witness.refused(SourceRefused, *words, f"have the owner run {allow} ON"):
            _extract(witness.way)
    finally:
        witness.way.sql(f"{allow} ON")


def test_and_the_next_run_goes_on(witness: Witness) -> None:
    witness.goes_on()
