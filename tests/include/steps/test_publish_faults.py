"""A broker that dies, a record that is too large, a publisher that awakes too late: nothing is green that was not sent,
and once the cause is gone each change is on the topic once. The tests of this file are steps of one story."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import Broker
from include.clients import kafka
from include.clients.kafka_producer import TransactionalProducer
from include.errors import Refused, TooLarge, Unavailable
from include.local.platform import Platform
from include.publish.position import POSITIONS_TOPIC
from include.steps import publish_entity as step
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from tests.conftest import bare_world
from tests.guard import guarded
from tests.include.steps.way import Way, declare_way
from tests.waiting import wait_until

PER_TRANSACTION, MORE = 5, 20
SECRET = "Verysecret"
Happens = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A broker that may die: nobody else's."""
    with guarded(tmp_path_factory.mktemp("own")) as own:
        own.up(only=["kafka"], report=lambda text: None)
        yield own


@pytest.fixture(scope="module")
def way(own: Platform, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """A world whose topics are on that broker; who publishes it is settled."""
    found = Way(bare_world(platform, "faults"), declare_way(Path(tmp_path_factory.mktemp("declarations"))))
    address = own.laptop.address("kafka")
    found = found.with_connection("kafka_default", lambda c: c["extra"].update({"bootstrap.servers": address}))
    for apply in (apply_tables, apply_topics, register_schemas):
        apply(found.catalogue, found.world.servers, lambda text: None)
    _changes(found, 1)
    assert found.publish()["events"] == 1
    return found


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Happens:
    """Something happens once, when a second transaction's events are at the broker and its positions not yet."""
    monkeypatch.setattr(step, "PER_TRANSACTION", PER_TRANSACTION)
    shipped, waiting, begun = TransactionalProducer.send_all, list[Callable[[], object]](), list[str]()

    def send_all(producer: TransactionalProducer, topic: str, records: Iterable[Any]) -> None:
        if waiting and topic.endswith(POSITIONS_TOPIC):
            begun.append(topic)
            if len(begun) == 2:
                assert producer._producer.flush(30) == 0
                waiting.pop()()
        shipped(producer, topic, records)

    monkeypatch.setattr(TransactionalProducer, "send_all", send_all)
    return waiting.append


def _changes(way: Way, count: int, family_name: str = f"'{SECRET}'") -> int:
    """The next changes, of a key each, as a merge leaves them; the last number."""
    cloud, big_query = way.world.servers.cloud, way.world.servers.big_query
    ledger, log = cloud.table("ledger", "customer"), cloud.table("change_log", "customer")
    rows = big_query.query(
        f"INSERT INTO `{log}` "
        "(change_number, changed_at, operation, is_event, customer_key, source_system, family_name) "
        "SELECT change_number + n, TIMESTAMP '2026-01-01 00:00:00+00', 'update', TRUE, "
        f"TO_HEX(MD5(CAST(n AS STRING))), 'sse', {family_name} "
        f"FROM `{ledger}` CROSS JOIN UNNEST(GENERATE_ARRAY(1, {count})) AS n WHERE name = 'entity'; "
        f"UPDATE `{ledger}` SET change_number = change_number + {count} WHERE name = 'entity'; "
        f"SELECT change_number FROM `{ledger}` WHERE name = 'entity'"
    )
    return int(rows[0]["change_number"])


def _sent(way: Way) -> list[int]:
    """The change numbers that a reader of committed records has, sorted."""
    topic = way.world.servers.kafka_settings.topic("customer.changes.v1")
    events = way.world.servers.kafka.committed(topic)
    return sorted(int(dict(event.headers())["ce_id"].decode().partition(":")[2]) for event in events)


def _tried_again[Result](what: Callable[[], Result]) -> Result:
    """As Airflow does, while a broker that has just begun does not know all of its topics yet."""
    found = list[Result]()

    def is_done() -> bool:
        with suppress(Unavailable):
            found.append(what())
        return bool(found)

    wait_until(is_done, "the broker answers")
    return found[0]


# -- one story, in this order
def test_a_broker_that_dies_within_a_transaction_and_is_back_in_time_is_waited_for(
    way: Way, own: Platform, in_the_middle: Happens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "TIMEOUT", 60.0)
    last, broker = _changes(way, MORE), Broker(own)
    coming = threading.Thread(target=broker.start)

    def dies() -> None:
        broker.kill()
        coming.start()

    in_the_middle(dies)
    told = way.publish()
    coming.join()
    assert (told["events"], told["last_change"]) == (MORE, last)
    assert _sent(way) == list(range(1, last + 1))


def test_a_broker_that_stays_away_fails_the_task_and_the_next_one_sends_the_rest(
    way: Way, own: Platform, in_the_middle: Happens, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, broker = _changes(way, MORE), Broker(own)
    with monkeypatch.context() as patch:
        patch.setattr(kafka, "TIMEOUT", 2.0)
        in_the_middle(broker.kill)
        with pytest.raises(Unavailable, match="Kafka did not answer within 2 s") as failed:
            way.publish()
    assert "tried again by itself; if it lasts, ask whether the brokers are up" in failed.value.remedy
    assert SECRET not in str(failed.value)
    broker.start()
    assert _tried_again(way.publish)["events"] == MORE - PER_TRANSACTION
    assert _sent(way) == list(range(1, last + 1))


def test_a_publisher_that_awakes_within_its_transaction_after_another_has_sent_all_commits_nothing(
    way: Way, in_the_middle: Happens
) -> None:
    last = _changes(way, MORE)
    in_the_middle(way.publish)
    told = way.publish()
    assert (told["fenced"], told["last_change"]) == (True, last)
    assert _sent(way) == list(range(1, last + 1))


def test_a_record_that_is_too_large_is_named_and_sent_once_there_is_room(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "PER_TRANSACTION", PER_TRANSACTION)
    before = _changes(way, PER_TRANSACTION)
    large = _changes(way, 1, f"REPEAT('{SECRET}', 110000)")
    last = _changes(way, 2)
    with pytest.raises(TooLarge, match=rf"the event customer:{large} of 1,1\d\d,\d\d\d bytes") as refused:
        way.publish()
    assert isinstance(refused.value, Refused)  # so it is not tried again by itself
    assert SECRET not in f"{refused.value} {refused.value.__cause__!r}"
    assert "raise the extra message.max.bytes of kafka_default" in refused.value.remedy
    assert _sent(way) == list(range(1, before + 1))
    roomy = way.with_connection("kafka_default", lambda c: c["extra"].update({"message.max.bytes": 3_000_000}))
    apply_topics(way.catalogue, roomy.world.servers, lambda text: None)
    assert roomy.publish()["events"] == 3
    assert _sent(way) == list(range(1, last + 1))


def test_a_topic_that_takes_less_than_the_client_sends_refuses_by_name_and_is_mended_by_the_deployment(
    way: Way,
) -> None:
    servers, last = way.world.servers, _changes(way, PER_TRANSACTION)
    large = _changes(way, 1, "TO_HEX(SHA512('x'))")
    topic = servers.kafka_settings.topic("customer.changes.v1")
    servers.kafka.alter(topic, {"max.message.bytes": "200"})
    with pytest.raises(TooLarge, match=f"Kafka does not take the event customer:{large} of"):
        way.publish()
    assert _sent(way) == list(range(1, last - PER_TRANSACTION + 1))
    apply_topics(way.catalogue, servers, lambda text: None)
    assert way.publish()["events"] == PER_TRANSACTION + 1
    assert _sent(way) == list(range(1, large + 1))
