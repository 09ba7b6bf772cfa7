"""Is the made data the same everywhere, and could real servers hold it?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from datetime import date, datetime
from decimal import Decimal

import pytest

from include.catalogue import ROOT
from include.errors import RequestError
from include.local.estates import sse
from include.local.estates.dirt import current
from include.local.estates.every_table import SQL_SERVER_TABLES
from include.local.estates.generate import Estates, fingerprint, generate
from include.local.estates.tables import LANDING_TABLES

DEFAULT = "9c2015fea853050832abeb5ab7334a0dfd6e741ba71366fbb2b7753fca6083dd"


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


def test_the_customer_of_the_example_in_moves_md_is_prepared_and_no_open_account_of_his_differs(
    estates: Estates,
) -> None:
    examples = re.findall(r'"cohort": \["(\d+)"\]', (ROOT / "docs" / "moves.md").read_text(encoding="utf-8"))
    assert examples
    for customer in examples:
        held = [r for r in estates["Billing.dbo.Account"].records() if r["CustomerId"] == int(customer)]
        (record,) = (
            r for r in current(estates["platform_landing.customer"]) if r["imported_from"] == f"sse:{customer}"
        )
        there = [r for r in current(estates["platform_landing.account"]) if r["customer_id"] == record["customer_id"]]
        assert (record["is_active"], record["migrated_at"]) == (True, None)
        assert [r for r in held if r["ClosedOn"] == date(9999, 12, 31)] == []
        assert [r for r in there if r["closed_on"] is None] == []


def test_another_seed_makes_other_data() -> None:
    assert fingerprint(generate(seed=1, customers=40)) != fingerprint(generate(seed=2, customers=40))


def test_a_customer_is_the_same_in_a_smaller_estate(estates: Estates) -> None:
    small = generate(seed=1, customers=40)
    for table in ("CRM.dbo.Customer", "OldDB.Gentrack.Customer"):
        assert list(small[table].rows) == list(estates[table].rows)[:40]


@pytest.mark.parametrize(
    "table",
    ["CRM.dbo.ContactPreference", "Billing.dbo.Meter", "Billing.dbo.MeterReading", "Billing.dbo.Agreement"],
)
def test_what_belongs_to_a_customer_is_the_same_in_a_smaller_estate(estates: Estates, table: str) -> None:
    small = list(generate(seed=1, customers=40)[table].rows)
    assert small == list(estates[table].rows)[: len(small)]


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
        case "tinyint":
            return type(value) is int and 0 <= value < 256
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
            scale, whole = int(declared[3] or 4), int(declared[2] or 19) - int(declared[3] or 4)
            return isinstance(value, Decimal) and -value.as_tuple().exponent <= scale and abs(value) < 10**whole
        case "smallmoney":
            return isinstance(value, Decimal) and value == value.quantize(Decimal("0.0001")) and abs(value) < 214_748
        case "uniqueidentifier":  # in capitals, as SQL Server gives it
            return isinstance(value, str) and str(uuid.UUID(value)).upper() == value
        case "smalldatetime":  # rounded to a minute
            return type(value) is datetime and value.year >= 1900 and not value.second and not value.microsecond
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
        columns = [estates[table.name].column(name) for name in table.keys]
        keys = [tuple(str(value).rstrip().upper() for value in key) for key in zip(*columns, strict=True)]
        assert len(keys) == len(set(keys)), table.name


@pytest.mark.parametrize(
    ("accounts", "owner"), [("Billing.dbo.Account", "CustomerId"), ("OldDB.Gentrack.Account", "CustomerRef")]
)
def test_a_customer_has_one_to_three_accounts(estates: Estates, accounts: str, owner: str) -> None:
    customers = estates[accounts.replace("Account", "Customer").replace("Billing", "CRM")]
    held = Counter(str(ref).strip().upper() for ref in estates[accounts].column(owner))
    numbers = [held[str(key)] for key in customers.column(customers.table.key)]
    assert set(numbers) == {1, 2, 3}


FOREIGN = (  # place, column, place and column that it refers to, whether some are late on purpose
    ("CRM.dbo.Contact", "CustomerId", "CRM.dbo.Customer", "CustomerId", True),
    ("CRM.dbo.ContactPreference", "CustomerId", "CRM.dbo.Customer", "CustomerId", False),
    ("CRM.dbo.PriorityServices", "CustomerId", "CRM.dbo.Customer", "CustomerId", False),
    ("Billing.dbo.Payment", "AccountNo", "Billing.dbo.Account", "AccountNo", False),
    ("Billing.dbo.SupplyPoint", "AccountNo", "Billing.dbo.Account", "AccountNo", True),
    ("Billing.dbo.Meter", "SupplyPointId", "Billing.dbo.SupplyPoint", "SupplyPointId", False),
    ("Billing.dbo.MeterReading", "MeterId", "Billing.dbo.Meter", "MeterId", False),
    ("Billing.dbo.Agreement", "AccountNo", "Billing.dbo.Account", "AccountNo", False),
    ("Billing.dbo.Agreement", "SupplyPointId", "Billing.dbo.SupplyPoint", "SupplyPointId", False),
    ("Billing.dbo.Agreement", "TariffCode", "Billing.dbo.Tariff", "TariffCode", False),
    ("Billing.dbo.Bill", "AccountNo", "Billing.dbo.Account", "AccountNo", False),
    ("OldDB.Gentrack.Invoice", "AccountId", "OldDB.Gentrack.Account", "AccountId", False),
    ("OldDB.Salesforce.[Case]", "CustomerRef", "OldDB.Gentrack.Customer", "CustomerRef", False),
    ("OldDB.Salesforce.Complaint", "CustomerRef", "OldDB.Gentrack.Customer", "CustomerRef", False),
    ("OldDB.Salesforce.Task", "CaseId", "OldDB.Salesforce.[Case]", "CaseId", False),
)


@pytest.mark.parametrize(("table", "column", "parent", "key", "some_are_late"), FOREIGN, ids=str)
def test_a_foreign_id_is_there_or_late_on_purpose(
    estates: Estates, table: str, column: str, parent: str, key: str, some_are_late: bool
) -> None:
    there = {str(value).rstrip().upper() for value in estates[parent].column(key)}
    referred = [str(value).rstrip().upper() for value in estates[table].column(column) if value is not None]
    orphans = [value for value in referred if value not in there]
    assert len(orphans) == (sse.late_parents(2_000) if some_are_late else 0)


def test_a_late_supply_point_waits_for_an_account_of_a_customer_to_come(estates: Estates) -> None:
    there = set(estates["Billing.dbo.Account"].column("AccountNo"))
    late = {str(no) for no in estates["Billing.dbo.SupplyPoint"].column("AccountNo") if no and no not in there}
    coming = range(2_000, 2_000 + 2 * sse.late_parents(2_000))
    assert late <= {row[0] for index in coming for row in sse.accounts_of(1, index)}


def test_the_last_digit_of_an_mpan_checks_the_others(estates: Estates) -> None:
    """Meter Point Administration: the weighted sum of twelve digits, modulo 11, modulo 10. 99 is no distributor."""
    primes = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
    numbers = [str(mpan) for mpan in estates["Billing.dbo.SupplyPoint"].column("Mpan") if mpan]
    assert numbers
    assert all(re.fullmatch(r"99\d{11}", mpan) for mpan in numbers)
    assert all(
        sum(p * int(d) for p, d in zip(primes, mpan, strict=False)) % 11 % 10 == int(mpan[-1]) for mpan in numbers
    )


def test_there_are_about_eight_readings_per_customer(estates: Estates) -> None:
    assert 7.5 <= len(estates["Billing.dbo.MeterReading"].rows) / 2_000 <= 8.5


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
