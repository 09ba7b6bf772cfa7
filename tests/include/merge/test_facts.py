"""What facts of the world identify is one row, whoever tells of it; when a fact is corrected its key follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from tests.conftest import World
from tests.declarations import PEOPLE, copied
from tests.include.merge.merging import (
    PLATFORM_ACCOUNT,
    SSE_ACCOUNT,
    SSE_AGREEMENT,
    SSE_METER,
    SSE_READING,
    Merging,
    platform_account,
    sse_account,
    sse_meter,
    sse_reading,
)

ENTITIES = (*PEOPLE, "agreement", "supply_point", "meter", "meter_reading")
MAY, JUNE = "2025-05-31T12:00:00", "2025-06-01T12:00:00"


@pytest.fixture(scope="module")
def merging_facts(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Merging:
    catalogue = Catalogue(copied(Path(tmp_path_factory.mktemp("facts")), *ENTITIES))
    return Merging(new_world("facts", catalogue).servers, catalogue)


@pytest.fixture
def merging(merging_facts: Merging) -> Iterator[Merging]:
    yield merging_facts
    merging_facts.clear()


def _readings(merging: Merging) -> dict[str, str]:
    """Key to moment and value."""
    rows = merging.rows("common_model", "meter_reading")
    return {row["meter_reading_key"]: f"{row['read_at']:%m-%d} {row['reading']:.0f}" for row in rows}


def test_a_reading_follows_the_serial_number_of_its_meter(merging: Merging) -> None:
    rows = [sse_reading(1, 7, MAY), sse_reading(2, 7, JUNE, "2.000"), sse_reading(3, 8, JUNE, "3.000")]
    merging.merge(SSE_READING, merging.batch(SSE_READING, 1, rows, full=True))
    early = _readings(merging)
    seen = merging.merge(SSE_METER, merging.batch(SSE_METER, 1, [sse_meter(7, " e1a "), sse_meter(8, "E2")], full=True))
    known = _readings(merging)
    assert (seen.inserted, seen.followed) == (2, 6)
    assert sorted(known.values()) == sorted(early.values()) == ["05-31 1", "06-01 2", "06-01 3"]
    assert not set(known) & set(early)
    written = merging.merge(SSE_METER, merging.batch(SSE_METER, 2, [sse_meter(7, "E1A", version=2)]))
    assert (written.rows_conformed, written.followed) == (0, 0)
    merging.merge(SSE_METER, merging.batch(SSE_METER, 3, [sse_meter(7, "E9", version=3)]))
    corrected = _readings(merging)
    assert len(set(corrected) & set(known)) == 1
    merging.merge(SSE_METER, merging.batch(SSE_METER, 4, [sse_meter(7, "E1A", version=4)]))
    assert _readings(merging) == known
    meters = {row["meter_key"] for row in merging.rows("common_model", "meter")}
    assert {row["meter_key"] for row in merging.rows("common_model", "meter_reading")} == meters
    assert merging.replayed("meter_reading") == merging.present("meter_reading")


def test_one_fact_that_two_records_tell_is_one_row_and_a_corrected_date_moves_it(merging: Merging) -> None:
    twice = [sse_reading(1, 7, JUNE, "5.000"), sse_reading(2, 7, JUNE, "6.000")]
    done = merging.merge(SSE_READING, merging.batch(SSE_READING, 1, twice, full=True))
    assert (done.inserted, done.contested, list(_readings(merging).values())) == (1, 1, ["06-01 5"])
    moved = merging.merge(SSE_READING, merging.batch(SSE_READING, 2, [sse_reading(1, 7, MAY, "5.000", 2)]))
    assert (moved.inserted, moved.updated, moved.removed) == (1, 1, 0)
    assert sorted(_readings(merging).values()) == ["05-31 5", "06-01 6"]
    gone = merging.merge(SSE_READING, merging.batch(SSE_READING, 3, [sse_reading(2, 7, JUNE, "6.000", 3)], full=True))
    assert (gone.removed, list(_readings(merging).values())) == (1, ["06-01 6"])
    assert len(merging.rows("conformed", "meter_reading")) == 1
    assert merging.replayed("meter_reading") == merging.present("meter_reading")


def test_an_agreement_follows_the_key_of_its_account(merging: Merging) -> None:
    merging.land(PLATFORM_ACCOUNT, 1, [platform_account("P1", "9", "sse:A1")])
    row = {"AgreementId": 1, "AccountNo": "a1 ", "SupplyPointId": 1, "TariffCode": "T", "StartsOn": "2025-01-01"}
    merging.merge(SSE_AGREEMENT, merging.batch(SSE_AGREEMENT, 1, [row | {"RowVer": 1}], full=True))
    joined = merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("A1", 4)], full=True))
    key = merging.key("P1", "account", "platform")
    assert (joined.followed, merging.key("A1", "account")) == (1, key)
    assert [row["account_key"] for row in merging.rows("common_model", "agreement")] == [key]
