"""A topic is made or set as it must be; its number of partitions, and of brokers that have it, is never changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.publish.topics import Difference, There, Topic, differences, event_topic, positions_topic

TOPIC = event_topic("a.v1")
AS_IT_MUST_BE = There(12, 3, {**TOPIC.config, "segment.ms": "1"})


def test_all_of_a_missing_topic_is_to_be_made() -> None:
    found = list(differences(TOPIC, None))
    assert {one.setting: one.must_be for one in found} == {"partitions": "12", "replicas": "3", **TOPIC.config}
    assert not [one for one in found if one.of is not None or one.is_fixed]


def test_nothing_differs_when_only_what_nobody_asks_for_is_other() -> None:
    assert list(differences(TOPIC, AS_IT_MUST_BE)) == []


@pytest.mark.parametrize("setting", sorted(TOPIC.config))
def test_each_setting_that_is_another_differs(setting: str) -> None:
    there = replace(AS_IT_MUST_BE, config={**AS_IT_MUST_BE.config, setting: "other"})
    assert list(differences(TOPIC, there)) == [Difference(setting, "other", TOPIC.config[setting])]


@pytest.mark.parametrize(
    ("there", "setting", "of", "must_be"),
    [
        (replace(AS_IT_MUST_BE, partitions=3), "partitions", "3", "12"),
        (replace(AS_IT_MUST_BE, replicas=1), "replicas", "1", "3"),
    ],
)
def test_partitions_and_replicas_differ_and_are_fixed(there: There, setting: str, of: str, must_be: str) -> None:
    (found,) = differences(TOPIC, there)
    assert found == Difference(setting, of, must_be)
    assert found.is_fixed


@pytest.mark.parametrize("topic", [event_topic("a.v1"), positions_topic()], ids=lambda topic: topic.name)
def test_in_production_a_topic_is_on_three_brokers_of_which_one_may_be_away(topic: Topic) -> None:
    assert (topic.replicas, topic.config["min.insync.replicas"]) == (3, "2")
    assert int(topic.config["delete.retention.ms"]) >= 86_400_000


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_topic_never_asks_for_more_confirmations_than_it_has_brokers(replicas: int, in_sync: str) -> None:
    for topic in (event_topic("a.v1", replicas), positions_topic(replicas)):
        assert topic.config["min.insync.replicas"] == in_sync


def test_a_topic_takes_the_largest_record_that_the_client_hands_over() -> None:
    assert event_topic("a.v1").config["max.message.bytes"] == "1048588"  # Kafka's own default
    assert int(event_topic("a.v1", record_bytes=5_000_000).config["max.message.bytes"]) > 5_000_000
