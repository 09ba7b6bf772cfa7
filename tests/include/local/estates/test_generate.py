"""Is the made data the same everywhere, and could real servers hold it?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from decimal import Decimal

import pytest

from include.errors import RequestError
from include.local.estates.generate import Estates, fingerprint, generate
from include.local.estates.tables import LANDING_TABLES, SQL_SERVER_TABLES

DEFAULT = "d533bf758672c35d7871234eebc41f856cf9d649b15a1592162c08823eefab0c"


def test_the_default_estates_are_the_same_on_every_machine(estates: Estates) -> None:
    assert fingerprint(estates) == DEFAULT, "made data has changed: if that is meant, write the new value here"


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_data_does_not_depend_on_pythons_hash_seed(hash_seed: str) -> None:
    program = "from include.local.estates.generate import *; print(fingerprint(generate(seed=5, customers=40)))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo"},
    )
    assert elsewhere.stdout.strip() == fingerprint(generate(seed=5, customers=40))


def test_another_seed_makes_other_data() -> None:
    assert fingerprint(generate(seed=1, customers=40)) != fingerprint(generate(seed=2, customers=40))


def test_a_customer_is_the_same_in_a_smaller_estate(estates: Estates) -> None:
    small = generate(seed=1, customers=40)
    for table in ("CRM.dbo.Customer", "OldDB.Gentrack.Customer"):
        assert list(small[table].rows) == list(estates[table].rows)[:40]


def test_an_estate_of_one_customer_can_be_made() -> None:
    assert len(generate(seed=1, customers=1)["CRM.dbo.Customer"].rows) == 1


@pytest.mark.parametrize("customers", [0, -1, 1_000_000])
def test_an_impossible_size_is_refused(customers: int) -> None:
    with pytest.raises(RequestError, match="--customers"):
        generate(seed=1, customers=customers)


def test_every_table_is_made(estates: Estates) -> None:
    assert {data.table for data in estates.tables.values()} == {*SQL_SERVER_TABLES, *LANDING_TABLES}
    assert all(data.rows for data in estates.tables.values())


@pytest.mark.parametrize("table", [*SQL_SERVER_TABLES, *LANDING_TABLES], ids=lambda table: str(table.name))
def test_every_value_fits_its_column(estates: Estates, table: object) -> None:
    data = next(data for data in estates.tables.values() if data.table is table)
    kinds = [kind for _, kind in data.table.columns if not kind.startswith("rowversion")]
    for row in (*data.rows, *data.earlier):
        misfits = [(kind, value) for kind, value in zip(kinds, row, strict=True) if not _fits(kind, value)]
        assert not misfits


def _fits(kind: str, value: object) -> bool:
    declared = re.match(r"(\w+)(?:\((\d+)(?:,(\d+))?\))?", kind)
    assert declared
    if value is None:
        return "NOT NULL" not in kind
    match declared[1]:
        case "int":
            return type(value) is int and abs(value) < 2**31
        case "bigint" | "INT64":
            return type(value) is int and abs(value) < 2**63
        case "bit" | "BOOL":
            return type(value) is bool
        case "char":
            return isinstance(value, str) and value.isascii() and len(value) == int(declared[2])
        case "varchar":
            return isinstance(value, str) and value.isascii() and len(value) <= int(declared[2])
        case "nvarchar":
            return isinstance(value, str) and len(value.encode("utf-16-le")) <= 2 * int(declared[2])
        case "money" | "decimal" | "NUMERIC":
            return isinstance(value, Decimal) and value == value.quantize(Decimal("0.0001")) and abs(value) < 10**9
        case "date" | "DATE":
            return type(value) is date
        case "datetime":  # rounded to .000, .003 or .007: whole seconds stay what they are
            return type(value) is datetime and value.year >= 1753 and not value.microsecond and not value.tzinfo
        case "datetime2":
            return type(value) is datetime and not value.microsecond % 1000 and not value.tzinfo
        case "TIMESTAMP":
            return type(value) is datetime and value.tzinfo is not None
    return isinstance(value, str)


def test_keys_are_unique_even_without_case_and_trailing_blanks(estates: Estates) -> None:
    for table in SQL_SERVER_TABLES:
        keys = [str(key).rstrip().upper() for key in estates[table.name].column(table.key)]
        assert len(keys) == len(set(keys)), table.name


@pytest.mark.parametrize(
    ("accounts", "owner"), [("Billing.dbo.Account", "CustomerId"), ("OldDB.Gentrack.Account", "CustomerRef")]
)
def test_a_customer_has_one_to_three_accounts(estates: Estates, accounts: str, owner: str) -> None:
    customers = estates[accounts.replace("Account", "Customer").replace("Billing", "CRM")]
    held = Counter(str(ref).strip().upper() for ref in estates[accounts].column(owner))
    numbers = [held[str(key)] for key in customers.column(customers.table.key)]
    assert set(numbers) == {1, 2, 3}


def test_nobody_real_can_be_meant(estates: Estates) -> None:
    """E-mail: RFC 2606. Telephone: Ofcom's numbers for drama. Insurance: QQ is never given. Postcodes: no such area."""
    patterns = {
        "Email": r".+@(example\.(com|org|net)|[a-z]+\.example)",
        "Phone": r"01632 960\d{3}|07700 900\d{3}",
        "NationalInsuranceNo": r"QQ \d\d \d\d \d\d [A-D]",
    }
    for column, pattern in patterns.items():
        values = [str(value) for value in estates["CRM.dbo.Customer"].column(column) if value is not None]
        assert all(re.fullmatch(pattern, value, re.IGNORECASE) for value in values), column
    postcodes = [str(code) for code in estates["Billing.dbo.Account"].column("Postcode") if code is not None]
    assert all(re.fullmatch(r"(ZZ|[QVX][A-Z]|X[A-Z])\d{1,2} \d[A-Z]{2}", code) for code in postcodes)


def test_nothing_was_made_after_the_reference_date(estates: Estates) -> None:
    for data in estates.tables.values():
        moments = [value for row in data.rows for value in row if isinstance(value, datetime)]
        assert all(moment.replace(tzinfo=None) < datetime(2026, 1, 1) for moment in moments), data.table.name
