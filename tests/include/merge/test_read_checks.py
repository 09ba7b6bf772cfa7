"""A file of checks is read as it is meant, and what is wrong with it has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.errors import DeclarationError
from include.merge.checks import read_checks
from include.steps.check import problems
from tests.declarations import copied


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("declared"))


def _written(root: Path, text: str) -> Catalogue:
    (root / "sql" / "common_model" / "account" / "checks.sql").write_text(text, encoding="utf-8")
    return Catalogue(root)


def test_each_check_says_how_much_it_matters_and_why(root: Path) -> None:
    text = """-- Of accounts.

-- fail small: money has bounds
SELECT account_key FROM changed WHERE balance_gbp > 9;
-- warn held: customers may be late
SELECT account_key, changed_at AS since
FROM common_model.account;
"""
    small, held = read_checks(_written(root, text), "account")
    assert (small.level, small.name, small.why, small.tells_since) == ("fail", "small", "money has bounds", False)
    assert (held.level, held.name, held.line, held.tells_since) == ("warn", "held", 5, True)


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("SELECT account_key FROM changed;", "each check has a line above it", 1),
        ("-- fail Small: x\nSELECT account_key FROM changed;", "each check has a line above it", 1),
        ("-- fail small\nSELECT account_key FROM changed;", "each check has a line above it", 1),
        ("-- fail small: nobody's\nSELECT account_key FROM changed;", "a quote", 1),
        ("-- x\n-- fail small: y\nSELECT account_key FROM common_model.account;", "no table common_model.account", 3),
        ("-- fail small: y\nSELECT account_key\nFROM speaking;", "no table speaking", 3),
        ("-- warn small: y\nSELECT account_key FROM changed;", "no table changed", 2),
        ("-- warn small: y\nSELECT account_key FROM conformed.account;", "no table conformed.account", 2),
        ("-- fail small: y\nSELECT account_key FROM changed\nWHERE balance > 9;", "balance", 3),
        ("-- fail small: y\nSELECT customer_key FROM changed;", "the check gives customer_key", 1),
        ("-- fail small: y\nSELECT account_key, balance_gbp FROM changed;", "gives account_key, balance_gbp", 1),
        ("-- fail small: y\nSELECT account_key FROM changed LIMIT 1;", "another answer the next time", 2),
        ("-- fail small: y\nSELECT account_key FROM changed; SELECT 1;", "a check is one query", 1),
        ("-- fail small: y\nDELETE FROM changed WHERE TRUE;", "a check is one query", 1),
        (
            "-- fail a: y\nSELECT account_key FROM changed;\n-- fail a: z\nSELECT account_key FROM changed;",
            "two checks",
            3,
        ),
    ],
)
def test_what_is_wrong_with_a_check_is_told_with_its_line(root: Path, text: str, said: str, line: int) -> None:
    catalogue = _written(root, text)
    with pytest.raises(DeclarationError, match=said) as caught:
        read_checks(catalogue, "account")
    assert caught.value.where == f"sql/common_model/account/checks.sql:{line}"
    assert any(said in str(error) for error in problems(catalogue))
