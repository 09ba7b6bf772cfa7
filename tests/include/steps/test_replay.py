"""Events are sent once more: each key's last one, nobody is taken back, whoever is killed; steps of one story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from include.clients.kafka_producer import TransactionalProducer
from include.errors import EpochBroken, FormError, OnHold
from include.publish.position import POSITIONS_TOPIC
from include.run import Run
from include.steps import publication, publish_again, replay_make
from include.steps import publish_entity as step
from include.steps.deploy import apply_topics
from include.steps.publish_claim import claim
from include.steps.publish_hold import hold_publishing, let_go
from include.steps.replay_check import check_replay
from include.steps.replay_make import make_replay
from include.steps.replay_request import ReplayRequest, parse_replay
from include.steps.request import Request
from tests.include.steps.way import Way, before_the_first

KEYS, GONE = 200, 20
STATE = {"entity": "customer", "what": "current state", "why": "a consumer lost its state", "dry_run": False}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "PATIENCE", 3.0)
    for module in (step, replay_make):
        monkeypatch.setattr(module, "PER_TRANSACTION", 20)
    monkeypatch.setattr(publish_again, "WINDOW", 64)


def _request(way: Way, **form: Any) -> ReplayRequest:
    return parse_replay(STATE | form, way.catalogue.published_entities(), ["sse/customer"])


def _check(way: Way, run: str, **form: Any) -> dict[str, Any]:
    return check_replay(way.catalogue, way.world.servers, _run(run), _request(way, **form))


def _run(name: str) -> Run:
    return Run.begin("replay_events", name, 1)


def _replay(way: Way, run: str, **form: Any) -> dict[str, Any]:
    return make_replay(way.catalogue, way.world.servers, _request(way, **form), _check(way, run, **form))


def _topic(way: Way) -> str:
    return way.world.servers.kafka_settings.topic("customer.changes.v1")


def _sent(way: Way, topic: str = "") -> list[int]:
    """The change numbers on a topic, partition by partition in the order of the topic."""
    servers = way.world.servers
    events = servers.kafka.committed(topic or _topic(way))
    return [int(dict(event.headers())["ce_id"].decode().partition(":")[2]) for event in events]


def _state(way: Way) -> set[bytes]:
    """Whom a consumer has who begins now, and reads to the end."""
    state: set[bytes] = set()
    for event in way.world.servers.kafka.committed(_topic(way)):
        (state.discard if event.value() is None else state.add)(event.key())
    return state


def _empty_the_topic(way: Way) -> None:
    servers = way.world.servers
    topic = _topic(way)
    admin = AdminClient(dict(servers.kafka_settings.config))
    admin.delete_topics([topic])[topic].result(30)
    apply_topics(way.catalogue, servers, lambda text: None)


def test_of_what_was_never_published_nothing_is_sent_once_more(way: Way) -> None:
    with pytest.raises(FormError, match="nothing of customer was published yet"):
        _check(way, "r0")


def test_a_dry_run_counts_each_key_once_and_sends_nothing(way: Way) -> None:
    for operation, keys in (("insert", KEYS), ("update", KEYS), ("delete", GONE)):
        way.changes_of_keys(operation, keys)
    assert way.publish()["events"] == 2 * KEYS + GONE
    told = _check(way, "r1", dry_run=True)
    assert (told["events"], told["tombstones"]) == (KEYS, GONE)
    assert make_replay(way.catalogue, way.world.servers, _request(way, dry_run=True), told)["dry_run"]
    assert len(_sent(way)) == 2 * KEYS + GONE


def test_each_keys_last_event_is_sent_once_more_and_then_what_is_new(way: Way) -> None:
    before = _sent(way)
    way.changes_of_keys("update", 1)  # 421: of a key that is gone
    told = _replay(way, "r1")
    assert (told["sent_again"], told["events"]) == (KEYS, 1)
    last = [*range(KEYS + GONE + 1, 2 * KEYS + 1), *range(2 * KEYS + 1, 2 * KEYS + GONE + 1)]
    assert sorted(_sent(way)) == sorted([*before, *last, 421])
    assert len(_state(way)) == KEYS - GONE + 1


def test_the_same_run_once_more_sends_nothing(way: Way) -> None:
    before = len(_sent(way))
    assert "sent_again" not in _replay(way, "r1")
    assert len(_sent(way)) == before


def _kill_within(monkeypatch: pytest.MonkeyPatch, module: Any, begin: Callable[[], object]) -> None:
    """Whoever sends dies at its fourth transaction."""
    shipped, calls = module.send, []

    def killed(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        shipped(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "send", killed)
        with pytest.raises(KeyboardInterrupt):
            begin()


def test_who_is_killed_in_the_middle_is_followed_by_who_goes_on_there_and_sends_none_of_it_twice(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(_sent(way))
    _kill_within(monkeypatch, publish_again, lambda: _replay(way, "r2"))
    assert 0 < len(_sent(way)) - before <= 60
    assert len(_state(way)) == KEYS - GONE + 1
    servers, of_two = way.world.servers, replace(_publication(way), shards=2)
    claim(of_two)  # and the number of publishers changes in between
    told = [
        step.publish_entity(way.catalogue, servers, "customer", Request(), step.Shard(number, 2)) for number in (1, 0)
    ]
    assert len(_sent(way)) - before == KEYS
    assert all(one["sent_again"] for one in told)
    way.publish()
    assert len(_sent(way)) - before == KEYS


def _publication(way: Way) -> publication.Publication:
    return publication.publication(way.catalogue, way.world.servers, "customer")


def test_whoever_publishes_first_does_it_and_who_has_asked_waits_for_him(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(_sent(way))
    before_the_first(monkeypatch, publish_again, "send", way.publish)
    assert _replay(way, "r3")["fenced"]
    assert len(_sent(way)) - before == KEYS


def test_the_rows_of_some_customers_are_sent_once_more_and_an_unknown_one_is_told_by_its_place(way: Way) -> None:
    servers, before = way.world.servers, len(_sent(way))
    identity = servers.cloud.table("identity", "customer")
    log = servers.cloud.table("change_log", "customer")
    servers.big_query.query(
        f"INSERT INTO `{identity}` (system, id_space, source_key, customer_key, own_key, first_number, is_linked) "
        f"SELECT 'sse', 'customer', CAST(change_number AS STRING), customer_key, customer_key, 1, FALSE "
        f"FROM `{log}` WHERE change_number <= 30"
    )
    with pytest.raises(FormError, match=r"1 of the customers are unknown \(line 2 of cohort\)"):
        _check(way, "r4", ids_of="sse/customer", cohort=["5", "777", "25"])
    told = _replay(way, "r4", ids_of="sse/customer", cohort=["5", "25"])
    assert (told["sent_again"], len(_sent(way)) - before) == (2, 2)
    assert _sent(way).count(225) == 5


def test_one_for_everybody_takes_the_place_of_another_and_one_for_some_waits_or_is_given_up(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(_sent(way))
    _kill_within(monkeypatch, publish_again, lambda: _replay(way, "r41"))
    with pytest.raises(FormError, match=r"another replay \([0-9a-f]{12}\) is not done yet"):
        _check(way, "r42", ids_of="sse/customer", cohort=["5"])
    sent = len(_sent(way)) - before
    assert _replay(way, "r43")["sent_again"] == KEYS
    assert len(_sent(way)) - before - sent == KEYS
    _kill_within(monkeypatch, publish_again, lambda: _replay(way, "r44"))
    assert len(_replay(way, "r45", what="give up")["given_up"]) == 1
    before = len(_sent(way))
    way.publish()
    assert len(_sent(way)) == before
    with pytest.raises(FormError, match="no replay is waiting"):
        _check(way, "r46", what="give up")


def test_who_still_sends_an_older_request_when_a_new_one_comes_does_not_undo_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is at work on it between the new one's look and its word."""
    _kill_within(monkeypatch, publish_again, lambda: _replay(way, "r47"))
    before = len(_sent(way))

    def goes_on() -> None:
        _kill_within(monkeypatch, publish_again, way.publish)

    before_the_first(monkeypatch, replay_make, "_be_alone", goes_on)
    assert _replay(way, "r48")["sent_again"] == KEYS
    assert len(_sent(way)) - before > KEYS


def test_a_transaction_that_was_never_committed_is_sent_by_the_next_one(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calls, shipped = len(_sent(way)), [], TransactionalProducer.send_all

    def killed(self: Any, topic: str, records: Any) -> None:
        shipped(self, topic, records)
        calls.append(topic)
        if calls.count(_topic(way)) == 3:  # its events are handed over, its records are not
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TransactionalProducer, "send_all", killed)
        with pytest.raises(KeyboardInterrupt):
            _replay(way, "r49")
    assert len(_sent(way)) - before <= 40
    way.publish()
    assert len(_sent(way)) - before == KEYS


def test_while_the_topic_is_held_no_replay_is_asked_for_and_whoever_asks_is_told(way: Way) -> None:
    asked = _check(way, "r50", dry_run=True)
    hold_publishing(way.catalogue, way.world.servers, "customer", "nobody knows")
    for what in ("current state", "begin anew", "give up"):
        with pytest.raises(FormError, match="customer is held since"):
            _check(way, "r50", dry_run=True, what=what)
    with pytest.raises(FormError, match=r"no replay was asked for: let it go .*, then trigger this job again"):
        make_replay(way.catalogue, way.world.servers, _request(way), asked)
    let_go(way.catalogue, way.world.servers, "customer")
    assert "sent_again" not in way.publish()


def test_a_replay_that_was_asked_for_before_a_hold_waits_and_the_next_run_does_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold() -> None:
        hold_publishing(way.catalogue, way.world.servers, "customer", "nobody knows")

    before = len(_sent(way))
    before_the_first(monkeypatch, replay_make, "publish_shards", hold)
    with pytest.raises(OnHold):
        _replay(way, "r51")
    let_go(way.catalogue, way.world.servers, "customer")
    assert way.publish()["sent_again"] == KEYS
    assert len(_sent(way)) - before == KEYS


def test_a_topic_that_was_emptied_is_recognised_and_rebuilt_though_killed(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _state(way)
    _empty_the_topic(way)
    with pytest.raises(EpochBroken, match="events are gone") as refused:
        way.publish()
    assert "The topic was emptied or restored" in str(refused.value)
    with pytest.raises(EpochBroken, match="events are gone"):
        _check(way, "r5")
    _kill_within(monkeypatch, publish_again, lambda: _replay(way, "r5", topic_was_restored=True))
    assert _state(way) < state  # of a consumer that begins in the middle
    sent = len(_sent(way))
    way.changes_of_keys("update", 1)
    told = way.publish()
    assert (told["sent_again"], told["events"]) == (KEYS - sent, 1)
    assert _state(way) == state
    assert len(_sent(way)) == KEYS + 1
    assert way.publish()["events"] == 0


def test_another_topic_has_none_of_what_was_sent_and_is_refused(way: Way) -> None:
    way.changes_of_keys("update", 1)
    p = replace(_publication(way), topic=way.world.servers.kafka_settings.topic(POSITIONS_TOPIC))
    with pytest.raises(EpochBroken, match="has none of them"):
        publication.look(p)
    assert way.publish()["events"] == 1


def test_a_history_goes_to_a_topic_of_its_own_each_change_once_though_killed(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, history = len(_sent(way)), {"what": "history", "from_change": 101, "to_change": 300}
    told = _check(way, "r6", **history)
    assert (told["first_change"], told["last_change"], told["events"]) == (101, 300, 200)
    _kill_within(monkeypatch, replay_make, lambda: _replay(way, "r6", **history))
    assert len(_sent(way, told["topic"])) == 60
    assert _replay(way, "r6", **history)["events"] == 200
    assert sorted(_sent(way, told["topic"])) == list(range(101, 301))
    assert len(_sent(way)) == own
    assert way.world.servers.kafka.config(told["topic"])["retention.ms"] == str(7 * 86_400_000)


def test_all_begins_anew_on_an_empty_topic_alone(way: Way) -> None:
    with pytest.raises(FormError, match="has events"):
        _check(way, "r7", what="begin anew")
    state = _state(way)
    _empty_the_topic(way)
    told = _replay(way, "r7", what="begin anew")
    assert told["events"] == told["last_change"] == 423
    assert sorted(_sent(way)) == list(range(1, 424))
    assert _state(way) == state
    assert _replay(way, "r7", what="begin anew")["events"] == 0


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"entity": "interaktion"}, "entity is 'interaktion'"),
        ({"what": "all"}, "what is 'all'"),
        ({"from_change": 5}, "current state has no beginning and no end"),
        ({"what": "history", "from_change": 5, "to_change": 4}, "from_change comes after to_change"),
        ({"what": "history", "from_time": "yesterday"}, "from_time is no time"),
        ({"what": "history", "from_time": "2026-11-27T08:00:00"}, "from_time has no zone"),
        ({"what": "history", "cohort": ["a"]}, "history does not go with customers"),
        ({"cohort": ["a"], "topic_was_restored": True}, "lacks events of everybody"),
        ({"why": "because"}, "why has 7 characters"),
        ({"topic": "x"}, "the form has no field topic"),
    ],
)
def test_a_wrong_form_is_refused_with_what_is_wrong(way: Way, form: dict[str, Any], says: str) -> None:
    with pytest.raises(FormError, match=says):
        _request(way, **form)
