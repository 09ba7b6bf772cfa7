"""A topic is made or set as it must be; its number of partitions is never changed."""

from __future__ import annotations

import pytest

from include.errors import IntegrityError
from include.publish.topics import compare, event_topic


def test_a_missing_topic_is_new() -> None:
    difference = compare(event_topic("a.v1"), None, {}, "Kafka")
    assert difference.is_new
    assert difference.config["cleanup.policy"] == "compact"


def test_only_what_differs_is_set() -> None:
    topic = event_topic("a.v1")
    assert not compare(topic, 12, {**topic.config, "segment.ms": "1"}, "Kafka").config
    assert compare(topic, 12, {**topic.config, "cleanup.policy": "delete"}, "Kafka").config == {
        "cleanup.policy": "compact"
    }


def test_another_number_of_partitions_is_refused() -> None:
    with pytest.raises(IntegrityError, match="has 3 partitions, it must have 12"):
        compare(event_topic("a.v1"), 3, {}, "Kafka")
