"""Each change once on the topic, whatever happens to the publisher; the tests of this file are steps of one story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pyarrow.compute as pc
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from include.clients.storage_read import StorageRead
from include.errors import EpochBroken, IntegrityError, NotDeployed, Unavailable
from include.publish.position import POSITIONS_TOPIC, Shard
from include.steps import publication, publish_window
from include.steps import publish_entity as step
from include.steps.deploy import apply_topics
from tests.include.steps.way import Way, before_the_first

_changes, _sent = Way.changes, Way.sent


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "PATIENCE", 3.0)


def _fencing_id(way: Way) -> str:
    return Shard(0, 1).transactional_id(way.world.servers.kafka_settings.topic("customer"))


def test_a_dry_run_counts_and_sends_nothing(way: Way) -> None:
    _changes(way, 20)
    assert way.publish(dry_run=True)["changes_waiting"] == 20
    assert _sent(way) == []


def test_every_change_is_sent_and_the_second_time_none(way: Way) -> None:
    assert way.publish()["events"] == 20
    told = way.publish()
    assert (told["events"], told["tombstones"], told["last_change"]) == (0, 0, 20)
    assert _sent(way) == list(range(1, 21))


def test_an_emptied_change_log_is_refused_as_what_it_is(way: Way) -> None:
    cloud, big_query = way.world.servers.cloud, way.world.servers.big_query
    ledger = cloud.table("ledger", "customer")
    big_query.query(f"UPDATE `{ledger}` SET change_number = change_number + 5 WHERE name = 'entity'")
    with pytest.raises(IntegrityError, match="does not have exactly the changes 21 to 25"):
        way.publish()
    big_query.query(f"UPDATE `{ledger}` SET change_number = change_number - 5 WHERE name = 'entity'")
    assert _sent(way) == list(range(1, 21))


def test_a_change_that_no_consumer_sees_moves_the_position_only(way: Way) -> None:
    _changes(way, is_event=False)
    told = way.publish()
    assert (told["events"], told["without_event"], told["last_change"]) == (0, 1, 21)
    assert way.publish()["without_event"] == 0


@pytest.mark.usefixtures("impatient")
def test_while_positions_are_hidden_by_an_open_transaction_nothing_is_sent(way: Way) -> None:
    _changes(way)
    with _open_transaction(way), pytest.raises(Unavailable, match="a transaction is open"):
        way.publish()
    assert way.publish()["events"] == 1
    assert _sent(way) == [*range(1, 21), 22]


@contextmanager
def _open_transaction(way: Way, transactional_id: str = "another/1/0") -> Iterator[None]:
    """Another entity's publisher (or one of a given id), in the middle of its own transaction."""
    settings = way.world.servers.kafka_settings
    producer = Producer({**settings.config, "transactional.id": transactional_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(settings.topic(POSITIONS_TOPIC), b"{}", b"another/0")
    producer.flush(30)
    yield
    with suppress(KafkaException):  # it was fenced, and its transaction ended
        producer.abort_transaction(30)


def test_who_is_fenced_waits_until_the_other_has_done_it(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    _changes(way)
    before_the_first(monkeypatch, step, "send", way.publish)
    told = way.publish()
    assert (told["fenced"], told["last_change"]) == (True, 23)
    assert _sent(way) == [*range(1, 21), 22, 23]


@pytest.mark.usefixtures("impatient")
def test_who_is_fenced_by_nobody_who_publishes_tries_again(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    _changes(way)
    before_the_first(monkeypatch, step, "send", lambda: way.world.servers.kafka.fence(_fencing_id(way)))
    with pytest.raises(Unavailable, match="ended our transaction at change 23, and nobody else publishes customer"):
        way.publish()
    assert way.publish()["events"] == 1
    assert _sent(way) == [*range(1, 21), 22, 23, 24]


def test_changes_that_others_made_and_sent_meanwhile_are_no_restore(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def others_go_on() -> None:
        _changes(way)
        way.publish()

    before_the_first(monkeypatch, publication, "records", others_go_on)
    told = way.publish()
    assert (told["events"], told["last_change"]) == (0, 25)
    assert _sent(way) == [*range(1, 21), 22, 23, 24, 25]


def test_a_change_log_with_a_hole_is_refused_and_nothing_of_it_is_sent(way: Way) -> None:
    _changes(way, 2)
    big_query, log = way.world.servers.big_query, way.world.servers.cloud.table("change_log", "customer")
    big_query.query(f"UPDATE `{log}` SET change_number = 1026 WHERE change_number = 26")
    with pytest.raises(IntegrityError, match="not have exactly the changes 26 to 27"):
        way.publish()
    assert max(_sent(way)) == 25
    big_query.query(f"UPDATE `{log}` SET change_number = 26 WHERE change_number = 1026")
    assert way.publish()["events"] == 2


@pytest.mark.usefixtures("impatient")
def test_what_a_killed_publisher_has_left_open_is_ended_before_the_positions_are_read(way: Way) -> None:
    _changes(way)
    with _open_transaction(way, _fencing_id(way)):
        assert way.publish()["events"] == 1
    assert _sent(way) == [*range(1, 21), *range(22, 29)]


def test_of_a_result_that_did_not_come_as_a_whole_nothing_is_sent(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    _changes(way, 2)
    shipped, before = StorageRead._read, _sent(way)
    monkeypatch.setattr(StorageRead, "_read", lambda self, table: (b.slice(1) for b in shipped(self, table)))
    with pytest.raises(IntegrityError, match="of 2 rows of a result 1 have come"):
        way.publish()
    assert _sent(way) == before


def test_fewer_events_than_were_counted_are_not_taken_for_all(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    before, shipped = _sent(way), step.look_ahead
    monkeypatch.setattr(step, "look_ahead", lambda waiting: replace(shipped(waiting), events=[3]))
    with pytest.raises(IntegrityError, match="gave 2 of 3 events"):
        way.publish()
    assert _sent(way) == before
    monkeypatch.setattr(step, "look_ahead", shipped)
    assert way.publish()["events"] == 2


def test_a_window_that_lost_a_change_on_its_way_is_not_sent_and_those_before_it_are(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three numbers are a window, two windows a query."""
    before, shipped = _sent(way), StorageRead._read
    _changes(way, 14)
    new = [*range(before[-1] + 1, before[-1] + 15)]
    monkeypatch.setattr(publish_window, "WINDOW", 3)
    monkeypatch.setattr(publish_window, "PER_QUERY", 2)
    with monkeypatch.context() as patch:
        lost = pc.field("change_number") == new[7]
        patch.setattr(StorageRead, "_read", lambda self, table: (b.filter(~lost) for b in shipped(self, table)))
        with pytest.raises(IntegrityError, match=f"gave the changes {new[6]} to {new[8]} not in order, or others"):
            way.publish()
        assert _sent(way) == [*before, *new[:6]]
    assert way.publish()["events"] == 8
    assert _sent(way) == [*before, *new]


def test_another_change_log_than_the_positions_were_made_from_is_refused(way: Way) -> None:
    big_query, ledger = way.world.servers.big_query, way.world.servers.cloud.table("ledger", "customer")
    big_query.query(f"UPDATE `{ledger}` SET epoch = 'restored' WHERE name = 'entity'")
    with pytest.raises(EpochBroken, match="from another change log"):
        way.publish()
    big_query.query(f"UPDATE `{ledger}` SET epoch = 'test' WHERE name = 'entity'")


def test_lost_positions_are_refused_because_every_event_would_be_repeated(way: Way) -> None:
    servers = way.world.servers
    topic = servers.kafka_settings.topic(POSITIONS_TOPIC)
    admin = AdminClient(dict(servers.kafka_settings.config))
    admin.delete_topics([topic])[topic].result(30)
    with pytest.raises(NotDeployed, match="no topic"):
        way.publish()
    apply_topics(way.catalogue, servers, lambda text: None)
    with pytest.raises(EpochBroken, match="no position"):
        way.publish()
    assert len(_sent(way)) == len(set(_sent(way)))
