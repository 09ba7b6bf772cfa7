"""A source that is not as declared: the message says where and what to do, and nothing is as if it had been read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from include.errors import DriftError, SourceRefused
from include.local.estates.t_sql import create_table
from include.local.estates.tables import SSE_CUSTOMER
from tests.include.steps.way import Way
from tests.include.wrong_input.witness import Witness

CONTRACT = "sql/sources/sse/customer/contract.yaml"


def _extract(way: Way) -> None:
    """From the source: the batch that waits would do otherwise."""
    way.extract(full_refresh=True)


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
