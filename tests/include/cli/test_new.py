"""What `new` and `local run` refuse at once: no server is asked, nothing is written."""

from __future__ import annotations

import socket

import pytest

from include.cli import main


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("new source sse CRM.dbo.Customer", "sql/sources/sse/customer/contract.yaml is there already"),
        (
            "new source mis OldDB.Gentrack.[Customer]",
            "sql/sources/mis/gentrack_customer/contract.yaml is there already",
        ),
        ("new source sse Customer", "'Customer' is not a table"),
        ("new source platform a.b.c", "write it as dataset.table"),
        ("new entity customer", "sql/common_model/customer/contract.yaml is there already"),
        ("new entity Customer", "'Customer' is not a name"),
        ("new entity payment --from sse/paiment", "there is no contract of sse/paiment"),
        ("new mapping person sse/customer", "there is no contract of person"),
        ("new mapping customer sse/customer", "from_sse_customer.sql is there already"),
        ("new use-case customer_base --mapping customer/from_sse_customer", "dags/customer_base.py is there already"),
        ("new use-case marketing", "say --mapping"),
        ("new case customer/from_sse_customer blank_surname", "blank_surname.yaml is there already"),
        ("new case customer/from_sse_nobody blank", "there is no contract of sse/nobody"),
        ("local run customer_bass", "no use case is called customer_bass"),
    ],
)
def test_a_slip_is_refused_in_words(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    assert main(words.split()) == 1
    assert says in capsys.readouterr().err
