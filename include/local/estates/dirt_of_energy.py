"""How often is something wrong on purpose with supply, agreements and consents? (counted for `dirt.KINDS`)"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

from include.local.estates.generate import Estates

Counts = dict[str, int]


def codes_spelt_otherwise(estates: Estates) -> Counts:
    """In small letters, or without the zero that `char` then makes up for with a blank."""
    agreements = estates["Billing.dbo.Agreement"]
    return {
        "TariffCode": sum(str(code) != str(code).upper() for code in agreements.column("TariffCode")),
        "PaymentMethod": sum(code is not None and str(code).islower() for code in agreements.column("PaymentMethod")),
        "Register": sum(str(code).endswith(" ") for code in estates["Billing.dbo.MeterReading"].column("Register")),
        "NeedsCode": sum(str(code).endswith(" ") for code in estates["CRM.dbo.PriorityServices"].column("NeedsCode")),
    }


def serial_numbers_as_typed(estates: Estates) -> Counts:
    numbers = [str(number) for number in estates["Billing.dbo.Meter"].column("SerialNumber")]
    return {
        "in small letters": sum(number != number.upper() for number in numbers),
        "with a blank": sum(" " in number for number in numbers),
    }


def readings_that_fall(estates: Estates) -> Counts:
    """A register shows less than a quarter before: it clocked over, or was misread."""
    shown: dict[tuple[object, str], list[Decimal]] = defaultdict(list)
    for record in estates["Billing.dbo.MeterReading"].records():
        if isinstance(record["Reading"], Decimal):
            shown[record["MeterId"], str(record["Register"]).strip().zfill(2)].append(record["Reading"])
    falls = sum(after < before for values in shown.values() for before, after in pairwise(values))
    return {"Billing.dbo.MeterReading": falls}


def readings_that_failed(estates: Estates) -> Counts:
    return {"Billing.dbo.MeterReading": estates["Billing.dbo.MeterReading"].column("Reading").count(None)}


def flagged(estates: Estates) -> Counts:
    return {"CRM.dbo.Contact": estates["CRM.dbo.Contact"].column("IsDeleted").count(True)}


def late_accounts(estates: Estates) -> Counts:
    there = set(estates["Billing.dbo.Account"].column("AccountNo"))
    numbers = estates["Billing.dbo.SupplyPoint"].column("AccountNo")
    return {"Billing.dbo.SupplyPoint": sum(number is not None and number not in there for number in numbers)}
