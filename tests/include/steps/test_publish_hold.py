"""What a person holds is not published, by whoever it was begun, and is there once when it is let go; the tests of this
file are steps of one story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.clients.kafka import Kafka
from include.errors import HeldTooLong, NotDeployed, OnHold, Unavailable
from include.publish.hold import Hold
from include.publish.position import Shard
from include.steps import publication
from include.steps import publish_entity as step
from include.steps.publish_claim import claim
from include.steps.publish_hold import hold_publishing, let_go, publish_all
from include.steps.request import Request
from include.steps.status import entities, holds
from tests.include.steps.way import Way, before_the_first


def _hold(way: Way, why: str = "") -> Hold:
    return hold_publishing(way.catalogue, way.world.servers, "customer", why)


def _let_go(way: Way) -> Hold | None:
    return let_go(way.catalogue, way.world.servers, "customer")


def _row(way: Way) -> dict[str, Any]:
    """What `status` says."""
    return next(row for row in entities(way.catalogue, way.world.servers) if row["entity"] == "customer")


def test_who_publishes_when_it_is_held_commits_nothing_more(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "PER_TRANSACTION", 20)
    way.changes(60)

    def hold_before_the_second() -> None:
        before_the_first(monkeypatch, step, "send", lambda: _hold(way, "letters are wrong"))

    before_the_first(monkeypatch, step, "send", hold_before_the_second)
    with pytest.raises(OnHold, match=r"customer is held since .* UTC \(letters are wrong\)"):
        way.publish()
    assert way.sent() == list(range(1, 21))


def test_who_begins_while_it_is_held_sends_nothing(way: Way) -> None:
    way.changes(5)
    with pytest.raises(OnHold):
        way.publish()
    with pytest.raises(OnHold):
        step.claim_entity(way.catalogue, way.world.servers, "customer", Request())
    assert way.sent() == list(range(1, 21))


def test_a_dry_run_tells_what_is_held_and_how_much_waits(way: Way) -> None:
    told = way.publish(dry_run=True)
    assert told["changes_waiting"] == 45
    assert told["held_since"].endswith(" UTC")
    assert "letters" not in str(told), "what a person has written is no part of a summary"


def test_held_twice_it_is_held_since_the_first_time(way: Way) -> None:
    (first,) = holds(way.catalogue, way.world.servers)
    assert _hold(way).why == "letters are wrong"
    assert _hold(way, "addresses, too").began == first["since"]
    assert holds(way.catalogue, way.world.servers) == [{**first, "why": "addresses, too"}]


def test_let_go_each_change_is_sent_once(way: Way) -> None:
    waits = _row(way)
    assert (waits["published to"], waits["not yet"]) == (20, 45)
    assert waits["oldest (s)"] > 0
    before = _let_go(way)
    assert before is not None
    assert _let_go(way) is None
    told = way.publish()
    assert (told["events"], told["changes_waiting"], told["last_change"]) == (45, 45, 65)
    assert abs(told["oldest_waiting_s"] - waits["oldest (s)"]) < 600
    assert way.sent() == list(range(1, 66))
    now = _row(way)
    assert (now["published to"], now["not yet"], now["oldest (s)"]) == (65, 0, None)
    again = way.publish()
    assert (again["events"], again["changes_waiting"], again["oldest_waiting_s"]) == (0, 0, None)


def test_publishers_of_another_number_of_shards_than_the_contracts_are_held_too(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.changes(3)  # of a key of slot 29: they are the second one's
    servers = way.world.servers
    claim(replace(publication.publication(way.catalogue, servers, "customer"), shards=2))
    before_the_first(monkeypatch, step, "send", lambda: _hold(way))
    with pytest.raises(OnHold, match="nobody has said why"):
        step.publish_entity(way.catalogue, servers, "customer", Request(), Shard(1, 2))
    _let_go(way)
    assert way.sent() == list(range(1, 66))
    assert way.publish()["events"] == 3


def test_while_it_is_not_known_that_nobody_publishes_the_hold_is_said_to_be_half_done(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = Kafka.send

    def then_silent(self: Kafka, *record: Any) -> None:
        shipped(self, *record)
        monkeypatch.setattr(Kafka, "fence", silent)

    def silent(self: Kafka, transactional_id: str) -> None:
        raise Unavailable("the brokers are silent", where="Kafka", remedy="ask")

    monkeypatch.setattr(Kafka, "send", then_silent)
    with pytest.raises(Unavailable, match="is held, but who publishes it already may go on: the brokers are silent"):
        _hold(way)
    assert _let_go(way) is not None


def test_nothing_is_held_where_the_topics_are_nobodys(way: Way) -> None:
    elsewhere = way.with_connection("kafka_default", lambda given: given["extra"].update(topic_prefix="nobodys."))
    with pytest.raises(NotDeployed, match="topics"):
        _hold(elsewhere)


@pytest.mark.parametrize(
    ("held", "raised"),
    [
        ({"account": OnHold}, OnHold),
        ({"account": OnHold, "customer": HeldTooLong}, HeldTooLong),
        ({"account": HeldTooLong, "customer": OnHold}, HeldTooLong),
    ],
)
def test_of_several_entities_those_that_are_not_held_are_published(
    held: dict[str, type[OnHold | HeldTooLong]], raised: type[Exception]
) -> None:
    done = []

    def publish(entity: str) -> dict[str, Any]:
        if entity in held:
            raise held[entity]("held", where=entity, remedy="let it go")
        done.append(entity)
        return {"entity": entity}

    with pytest.raises(raised):
        publish_all(["account", "customer", "contact"], publish)
    assert done == [entity for entity in ("customer", "contact") if entity not in held]
