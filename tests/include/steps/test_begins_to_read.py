"""What has a consumer that begins from nothing while events are being sent? (at last what the change log says)"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from include.run import Run
from include.steps import publish_again, replay_make
from include.steps import publish_entity as step
from include.steps.replay_check import check_replay
from include.steps.replay_make import make_replay
from include.steps.replay_request import parse_replay
from tests.include.steps.way import Way
from tests.waiting import wait_until

KEYS, GONE, TRANSACTIONS = 200, 20, 4
FORM = {"entity": "customer", "what": "current state", "why": "a consumer lost its state", "dry_run": False}


class _Reader(threading.Thread):
    """A plain consumer, from the beginning on: each key's row by the number of its change, and who was taken back."""

    def __init__(self, way: Way) -> None:
        super().__init__(daemon=True)
        settings = way.world.servers.kafka_settings
        self._topic, self._config = settings.topic("customer.changes.v1"), dict(settings.config)
        self._partitions = way.world.servers.kafka.partitions(self._topic) or 0
        self.stop, self.count = threading.Event(), 0
        self.rows, self.seen, self.taken_back = dict[str, int](), dict[str, int](), list[str]()

    def run(self) -> None:
        config = {"group.id": "reader", "isolation.level": "read_committed", "enable.auto.commit": False}
        consumer = Consumer({**self._config, **config})
        consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in range(self._partitions)])
        while not self.stop.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                self._take(message)
        consumer.close()

    def _take(self, message: Any) -> None:
        key, number = message.key().decode(), int(dict(message.headers())["ce_id"].decode().partition(":")[2])
        if number < self.seen.get(key, 0):
            self.taken_back.append(key)
        self.seen[key] = number
        if message.value() is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = number
        self.count += 1


def _wanted(way: Way) -> dict[str, int]:
    """Each key's last change, unless it is its removal."""
    log = way.world.servers.cloud.table("change_log", "customer")
    rows = way.world.servers.big_query.query(
        f"SELECT customer_key, MAX(change_number) AS number FROM `{log}` GROUP BY customer_key "
        f"HAVING MAX_BY(operation, change_number) <> 'delete'"
    )
    return {row["customer_key"]: row["number"] for row in rows}


def _begins_in_the_middle(monkeypatch: pytest.MonkeyPatch, module: Any, reader: _Reader) -> None:
    """The reader begins between two transactions of those that a module sends."""
    shipped, sent = module.send, []

    def send(*arguments: Any) -> Any:
        sent.append(1)
        if len(sent) == TRANSACTIONS:
            reader.start()
        return shipped(*arguments)

    monkeypatch.setattr(module, "send", send)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (step, replay_make):
        monkeypatch.setattr(module, "PER_TRANSACTION", 20)


def _publish(way: Way) -> None:
    way.publish()


def _replay(way: Way) -> None:
    request = parse_replay(FORM, way.catalogue.published_entities(), [])
    told = check_replay(way.catalogue, way.world.servers, Run.begin("replay_events", "r1", 1), request)
    assert make_replay(way.catalogue, way.world.servers, request, told)["sent_again"] == KEYS


@pytest.mark.parametrize(
    ("begin", "module"), [(_publish, step), (_replay, publish_again)], ids=["publishing", "a replay"]
)
def test_who_begins_to_read_in_the_middle_ends_with_the_right_state_and_was_never_taken_back(
    way: Way, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Way], None], module: Any
) -> None:
    reader = _Reader(way)
    way.changes_of_keys("update", KEYS)
    way.changes_of_keys("delete", GONE)
    _begins_in_the_middle(monkeypatch, module, reader)
    begin(way)
    sent = len(way.sent())
    wait_until(lambda: reader.count == sent, "the reader to be at the end")
    reader.stop.set()
    reader.join()
    assert reader.rows == _wanted(way)
    assert len(reader.rows) == KEYS - GONE
    assert reader.taken_back == []
