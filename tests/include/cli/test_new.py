"""What `new` and `local run` refuse at once: no server is asked, nothing is written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.cli import main
from tests.declarations import copied


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The declarations as shipped, for what is written."""
    copied(tmp_path)
    monkeypatch.setattr(Catalogue.__init__, "__defaults__", (tmp_path,))
    return tmp_path


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
        ("new entity credit --from sse/paiment", "there is no dataset sse/paiment, did you mean sse/payment"),
        (
            "new mapping credit sse/customer",
            "there is no entity credit\n  where: the command line\n  to do: correct the name, or "
            "begin it: `python -m include new entity credit`",
        ),
        ("new entity person --from sse/customer", "sse/customer holds the customers themselves"),
        ("new mapping custmer sse/customer", "there is no entity custmer, did you mean customer\n"),
        (
            "new use-case xy --mapping account/from_sse_acount",
            "there is no mapping account/from_sse_acount, did you mean "
            "account/from_sse_account\n  where: the command line",
        ),
        ("tail custmer", "there is no entity custmer, did you mean customer\n  where: the command line"),
        ("new mapping customer sse/customer", "from_sse_customer.sql is there already"),
        ("new use-case customer_base --mapping customer/from_sse_customer", "dags/customer_base.py is there already"),
        ("new use-case collections", "say --mapping"),
        ("new case customer/from_sse_customer blank_surname", "blank_surname.yaml is there already"),
        ("new case customer/from_sse_nobody blank", "there is no mapping customer/from_sse_nobody"),
        ("local run customer_bass", "no use case is called customer_bass, did you mean customer_base"),
    ],
)
def test_a_slip_is_refused_in_words(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    assert main(words.split()) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--schedule", "61 4 * * *", "schedule '61 4 * * *' is not a cron"),
        ("--freshness", "soon", "'soon' is not a duration"),
        ("--priority", "99", "priority is 99"),
        ("--owner", 'a"b', "not Python"),
    ],
)
def test_a_use_case_with_a_wrong_argument_is_not_written(
    root: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str
) -> None:
    assert main(["new", "use-case", "xy", "--mapping", "customer/from_sse_customer", option, value]) == 1
    told = capsys.readouterr()
    assert f"dags/xy.py is not written: {'' if 'Python' in says else 'use case xy: '}{says}" in told.err
    assert "where: the command line" in told.err
    assert told.out == ""
    assert not (root / "dags" / "xy.py").exists()


def test_what_is_left_to_do_is_told_with_its_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A silent NULL is no "no problems"."""
    assert main(["new", "entity", "credit", "--from", "sse/account"]) == 0
    assert main(["new", "mapping", "credit", "mis/gentrack_account"]) == 0
    told = capsys.readouterr().out
    mapping = "sql/common_model/credit/from_mis_gentrack_account.sql"
    assert f"{mapping} is written, and passes check; 5 to-dos left in it:\n{mapping}:4: -- Choices" in told
    lines = (root / mapping).read_text(encoding="utf-8").splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if "AS postcode" in line)
    assert main(["new", "use-case", "xy", "--mapping", "credit/from_mis_gentrack_account"]) == 0
    assert '"""Xy: to do: what for' in capsys.readouterr().out
    assert main(["check"]) == 0
    out = capsys.readouterr().out.splitlines()
    left = [line for line in out if line.startswith(f"{mapping}:{number}: CAST(NULL AS STRING) AS postcode -- to do")]
    assert len(left) == 1
    assert out[-1].endswith(f" use cases checked: no problems, {len(out) - 1} to-dos left")
