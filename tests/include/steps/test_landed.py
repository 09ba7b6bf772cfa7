"""Windows over a landing table: nothing that Kafka Connect lands late, twice or out of order is lost or doubled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from include.errors import DriftError, EpochBroken, IntegrityError, NotDeployed, SourceRefused, TooManyDeletions
from include.stage.log import Batch, DatasetLog
from tests.include.steps.way import LANDING, PLATFORM, Way

YOUNG, NOW = timedelta(minutes=1), timedelta(0)


def _read(way: Way, **request: bool) -> Batch:
    number = way.extract(PLATFORM, **request)["batch"]
    return DatasetLog(way.world.servers.bucket, PLATFORM).get(number)


def _merge(way: Way) -> dict[str, int]:
    way.load(PLATFORM)
    return way.merge(PLATFORM)


# -- one story, in this order
def test_the_first_window_is_the_whole_table(way: Way) -> None:
    way.new_landing_table()
    way.land(0, 100, 101, 103)  # 102 is a transaction's marker; its gap is old
    way.land(3, 0)
    batch = _read(way)
    assert batch.kind == "full"
    assert batch.window == {"0": [100, 104], "3": [0, 1]}
    assert batch.counted == 4
    assert _merge(way)["inserted"] == 4


def test_a_record_that_landed_twice_is_one(way: Way) -> None:
    way.land(0, 104)
    way.land(0, 104)
    batch = _read(way)
    assert (batch.window, batch.counted) == ({"0": [104, 105], "3": [1, 1]}, 1)
    assert _merge(way)["inserted"] == 1


def test_a_young_gap_stops_the_window_until_it_is_filled(way: Way) -> None:
    way.land(0, 105, 107, age=YOUNG)
    assert _read(way).window["0"] == [105, 106]
    assert _merge(way)["inserted"] == 1
    way.land(0, 106, age=YOUNG)
    assert _read(way).window["0"] == [106, 108]
    assert _merge(way)["inserted"] == 2


def test_a_record_that_lands_behind_the_window_is_merged_by_the_overlap(way: Way) -> None:
    way.land(0, 102, age=NOW)  # it was no marker after all: it landed after the last read
    batch = _read(way)
    assert (batch.window["0"], batch.counted) == ([108, 108], 0)
    assert _merge(way)["inserted"] == 1
    assert way.names()["k0-102"] == "name102"


def test_a_new_partition_begins_at_its_first_offset_and_a_silent_one_stays(way: Way) -> None:
    way.land(7, 40, 41)
    batch = _read(way)
    assert batch.window == {"0": [108, 108], "3": [1, 1], "7": [40, 42]}
    assert _merge(way)["inserted"] == 2


def test_a_tombstone_removes_and_a_later_record_brings_back(way: Way) -> None:
    way.land(3, 1, key="k3-0", customer_id=None, family_name=None)
    _read(way)
    assert _merge(way)["removed"] == 1
    way.land(3, 2, key="k3-0", customer_id="k3-0", family_name="Back")
    _read(way)
    assert _merge(way)["inserted"] == 1
    assert way.names()["k3-0"] == "Back"


def test_more_than_the_overlap_behind_is_never_lost_in_silence(way: Way) -> None:
    way.land(0, *range(1200, 1210))
    _read(way)
    _merge(way)
    way.land(0, 150, age=NOW)
    with pytest.raises(EpochBroken, match="1 records of partition 0 landed more than 1000 offsets behind") as refused:
        _read(way)
    assert "full_refresh" in refused.value.remedy


def test_a_full_never_gives_back_what_was_read_before_a_young_gap(way: Way) -> None:
    batch = _read(way, full_refresh=True)  # the gap before 150 is young: stopping there would bury 1200 to 1209
    assert (batch.kind, batch.window["0"]) == ("full", [100, 1210])
    merged = _merge(way)
    assert (merged["inserted"], merged["removed"]) == (1, 0)


def test_rows_that_vanish_between_extract_and_merge_are_noticed_and_nothing_is_merged(way: Way) -> None:
    table = f"{way.world.servers.cloud.project}.{LANDING}.customer"
    way.land(3, 3, 4)
    assert _read(way).counted == 2
    gone = "kafka_data.`partition` = 3 AND kafka_data.`offset` = 4"
    way.world.servers.big_query.query(f"DELETE FROM `{table}` WHERE {gone}")
    before = way.names()
    with pytest.raises(IntegrityError, match="records of platform/customer that were counted are gone"):
        _merge(way)
    assert way.names() == before
    way.land(3, 4)
    assert _merge(way)["inserted"] == 2


def test_a_mapping_that_begins_again_at_an_old_full_keeps_what_landed_late_before_it(way: Way) -> None:
    way.land(7, 38, key="late")
    _read(way)
    assert _merge(way)["inserted"] == 1
    ledger = way.world.servers.cloud.table("ledger", "customer")
    sql = f"UPDATE `{ledger}` SET mapping_hash = 'another' WHERE name = 'from_platform_customer'"
    way.world.servers.big_query.query(sql)
    again = _merge(way)
    assert (again["removed"], "late" in way.names()) == (0, True)
    assert again["rows_taken"] >= len(way.names())


def test_a_table_that_lost_rows_is_refused_with_the_number_until_a_person_allows_it(way: Way) -> None:
    big_query, before = way.world.servers.big_query, way.names()
    table = f"{way.world.servers.cloud.project}.{LANDING}.customer"
    big_query.query(f"DELETE FROM `{table}` WHERE kafka_data.`offset` IN (1200, 1201)")
    _read(way, full_refresh=True)
    with pytest.raises(TooManyDeletions, match=f"2 of {len(before)} known keys of platform/customer") as refused:
        _merge(way)
    assert "full_refresh and allow_deletions: platform/customer=2" in refused.value.remedy
    assert way.names() == before
    way.extract(PLATFORM, full_refresh=True, allow_deletions={"platform/customer": 2})
    assert _merge(way)["removed"] == 2


def test_a_topic_that_was_made_anew_is_noticed(way: Way) -> None:
    table = f"{way.world.servers.cloud.project}.{LANDING}.customer"
    way.world.servers.big_query.query(f"DELETE FROM `{table}` WHERE kafka_data.`partition` = 7")
    way.land(7, 0)
    with pytest.raises(EpochBroken, match="partition 7 ends at offset 1, but was read up to 42"):
        _read(way)


def test_rows_that_vanish_behind_the_overlap_are_noticed(way: Way) -> None:
    table = f"{way.world.servers.cloud.project}.{LANDING}.customer"
    way.world.servers.big_query.query(f"DELETE FROM `{table}` WHERE kafka_data.`offset` = 101")
    with pytest.raises(EpochBroken, match="1 records of partition 0 that were read are gone"):
        _read(way)


def test_a_table_that_was_made_anew_is_noticed(way: Way) -> None:
    way.new_landing_table()
    way.land(0, 5000)
    with pytest.raises(EpochBroken, match="the landing table was made anew"):
        _read(way)


def test_a_table_that_expires_its_rows_is_refused(way: Way) -> None:
    way.new_landing_table("OPTIONS (expiration_timestamp = TIMESTAMP '2099-01-01 00:00:00+00')")
    with pytest.raises(SourceRefused, match="expires its rows"):
        _read(way)


def test_a_table_without_a_claimed_column_is_refused(way: Way) -> None:
    table = way.new_landing_table()
    way.world.servers.big_query.query(f"ALTER TABLE `{table}` DROP COLUMN given_name")
    with pytest.raises(DriftError, match="column given_name is missing"):
        _read(way)


def test_a_claimed_column_of_another_type_is_refused(way: Way) -> None:
    table = way.new_landing_table()
    way.world.servers.big_query.query(f"ALTER TABLE `{table}` DROP COLUMN given_name")
    way.world.servers.big_query.query(f"ALTER TABLE `{table}` ADD COLUMN given_name INT64")
    with pytest.raises(DriftError, match="given_name is INT64 there and STRING here"):
        _read(way)


def test_a_missing_table_is_named(way: Way) -> None:
    way.world.servers.big_query.query(f"DROP TABLE `{way.world.servers.cloud.project}.{LANDING}.customer`")
    with pytest.raises(NotDeployed) as refused:
        _read(way)
    assert refused.value.where.endswith(f"{LANDING}.customer")


def test_a_key_in_two_partitions_or_an_offset_of_two_lives_is_refused(way: Way) -> None:
    way.new_landing_table()
    way.land(0, 1, key="k")
    way.land(1, 0, key="k")
    _read(way, full_refresh=True)
    with pytest.raises(IntegrityError, match="lies in two partitions"):
        _merge(way)
    way.new_landing_table()
    way.land(0, 1, key="k")
    way.land(0, 1, key="other")
    _read(way, full_refresh=True)
    with pytest.raises(IntegrityError, match="the topic was made anew"):
        _merge(way)
