"""Several publishers share an entity, and their number changes in the middle: nothing is lost, nothing repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.kafka_producer import TransactionalProducer
from include.errors import Fenced
from include.publish.position import Shard, named
from include.steps import publication
from include.steps import publish_entity as step
from include.steps.publish_claim import claim
from include.steps.request import Request
from tests.include.steps.way import Way, before_the_first

KEYS = 200


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "PATIENCE", 3.0)
    monkeypatch.setattr(step, "PER_TRANSACTION", 20)


def _changes(way: Way) -> int:
    """A change more of each of 200 keys, of all slots; the last number."""
    cloud, big_query = way.world.servers.cloud, way.world.servers.big_query
    ledger, log = cloud.table("ledger", "customer"), cloud.table("change_log", "customer")
    big_query.query(
        f"INSERT INTO `{log}` (change_number, changed_at, operation, is_event, customer_key, source_system) "
        "SELECT change_number + n, TIMESTAMP '2026-01-01 00:00:00+00', 'update', MOD(n, 10) > 0, "
        "TO_HEX(MD5(CAST(n AS STRING))), 'sse' "
        f"FROM `{ledger}` CROSS JOIN UNNEST(GENERATE_ARRAY(1, {KEYS})) AS n WHERE name = 'entity'"
    )
    big_query.query(f"UPDATE `{ledger}` SET change_number = change_number + {KEYS} WHERE name = 'entity'")
    return step.publications.progress(_publication(way, 1)).change_number


def _publication(way: Way, shards: int) -> publication.Publication:
    return replace(publication.publication(way.catalogue, way.world.servers, "customer"), shards=shards)


def _publish(way: Way, number: int, of: int) -> dict[str, Any]:
    return step.publish_entity(way.catalogue, way.world.servers, "customer", Request(), Shard(number, of))


def _all_once(way: Way, last: int) -> bool:
    """Whether each change with an event is on the topic once, and those of a key in the order of their numbers."""
    servers = way.world.servers
    log = servers.cloud.table("change_log", "customer")
    wanted = servers.big_query.query(f"SELECT change_number FROM `{log}` WHERE is_event AND change_number <= {last}")
    sent: dict[bytes, list[int]] = {}
    for event in servers.kafka.committed(servers.kafka_settings.topic("customer.changes.v1")):
        sent.setdefault(event.key(), []).append(int(dict(event.headers())["ce_id"].partition(b":")[2]))
    assert all(numbers == sorted(numbers) for numbers in sent.values())
    return sorted(n for numbers in sent.values() for n in numbers) == sorted(row["change_number"] for row in wanted)


def test_two_shards_send_each_change_once(way: Way) -> None:
    way.publish()
    last = _changes(way)
    assert claim(_publication(way, 2)) == {"entity": "customer", "shards": 2, "fenced": 1}
    told = [_publish(way, number, 2) for number in range(2)]
    assert all(one["events"] > 50 for one in told)
    assert sum(one["events"] for one in told) == KEYS * 9 / 10
    assert sum(one["without_event"] for one in told) == KEYS / 10
    assert [one["last_change"] for one in told] == [last, last]
    assert _all_once(way, last)
    assert claim(_publication(way, 2))["fenced"] == 0


def test_another_number_takes_over_while_one_shard_is_behind(way: Way) -> None:
    _changes(way)
    _publish(way, 1, 2)
    last = _changes(way)
    assert claim(_publication(way, 3))["fenced"] == 2
    told = [_publish(way, number, 3) for number in (2, 0, 1)]
    assert sum(one["events"] for one in told) < 2 * KEYS * 9 / 10
    assert _all_once(way, last)


def test_a_shard_of_an_old_number_that_begins_late_sends_nothing(way: Way) -> None:
    last = _changes(way)
    with pytest.raises(Fenced, match="published by another number of shards than 2"):
        _publish(way, 0, 2)
    for number in range(3):
        _publish(way, number, 3)
    assert _publish(way, 0, 2) == {
        "entity": "customer",
        "topic": way.world.servers.kafka_settings.topic("customer.changes.v1"),
        "fenced": True,
        "last_change": last,
    }
    assert _all_once(way, last)


def test_a_shard_of_an_old_number_that_awakes_after_the_claim_sends_nothing(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has looked at its positions, which name its number, and was stopped before its first transaction."""
    last = _changes(way)

    def take_over() -> None:
        claim(_publication(way, 2))
        for number in range(2):
            _publish(way, number, 2)

    before_the_first(monkeypatch, TransactionalProducer, "transaction", take_over)
    assert _publish(way, 0, 3)["fenced"]
    assert _all_once(way, last)


def test_who_claims_and_is_stopped_in_the_middle_claims_nothing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    last = _changes(way)

    def take_over() -> None:
        claim(_publication(way, 5))
        for number in range(5):
            _publish(way, number, 5)

    before_the_first(monkeypatch, TransactionalProducer, "transaction", take_over)
    assert claim(_publication(way, 3))["fenced"] == 0
    assert _positions(way) == {5}
    assert _publish(way, 0, 3)["fenced"]
    assert _all_once(way, last)


def test_one_publisher_for_all_shards_does_what_they_would(way: Way) -> None:
    last = _changes(way)
    _with_shards(way, 4)
    told = way.publish()
    assert (told["events"], told["without_event"], told["last_change"]) == (KEYS * 9 / 10, KEYS / 10, last)
    assert _positions(way) == {4}
    assert _all_once(way, last)


def _positions(way: Way) -> set[int]:
    """The numbers of shards that the positions name."""
    return named(publication.read_positions(_publication(way, 1)))


def _with_shards(way: Way, shards: int) -> None:
    path = way.catalogue.entity_path("customer")
    path.write_text(path.read_text().replace("event: {", f"event: {{shards: {shards}, "))
    way.catalogue = Catalogue(way.catalogue.sql.parent)
