"""What a topic's page says of records is true of those that are sent, and of the topic that is made."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
import yaml

from include.catalogue import Catalogue
from include.publish.events import Encoder
from include.publish.schemas import event_schema
from include.publish.topics import event_topic
from include.steps.topic_pages import FOLDER, pages

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return dict(yaml.safe_load(pages(Catalogue())[f"{FOLDER}/customer.changes.v1.yaml"]))


def _headers(operation: str) -> dict[str, str]:
    schema = event_schema("customer", Catalogue().entity("customer"))
    nothing = {field["name"]: pa.nulls(1, pa.string()) for field in schema["fields"]}
    nothing["registered_at"] = pa.nulls(1, pa.timestamp("us", "UTC"))
    at = pa.array([datetime(2026, 1, 31, 4, 12, 9, 123456, UTC)], pa.timestamp("us", "UTC"))
    change = {"change_number": pa.array([4711]), "changed_at": at, "operation": pa.array([operation])}
    rows = pa.RecordBatch.from_pydict({**nothing, **change, "customer_key": pa.array([KEY])})
    ((_, _, sent),) = Encoder("customer", "customer_key", schema, 7).encode(rows)
    return {name: value.decode() for name, value in sent}


@pytest.mark.parametrize(("operation", "message"), [("update", "changed"), ("delete", "removed")])
def test_a_record_has_exactly_the_headers_that_the_page_names(
    page: dict[str, Any], operation: str, message: str
) -> None:
    headers = page["components"]["messages"][f"customer.{message}"]["headers"]
    sent = _headers(operation)
    assert sorted(headers["required"]) == sorted(headers["properties"]) == sorted(sent)
    for name, rule in headers["properties"].items():
        if "const" in rule:
            assert sent[name] == rule["const"]
        if "pattern" in rule:
            assert re.search(rule["pattern"], sent[name])
    assert sent["ce_time"] == "2026-01-31T04:12:09.123456Z"


def test_the_page_names_the_settings_that_the_topic_is_made_with(page: dict[str, Any]) -> None:
    told, topic = page["channels"]["customer"]["bindings"]["kafka"], event_topic("customer.changes.v1")
    assert [told[name] for name in ("topic", "partitions", "replicas")] == [
        topic.name,
        topic.partitions,
        topic.replicas,
    ]
    assert {k: ",".join(v) if isinstance(v, list) else str(v) for k, v in told["topicConfiguration"].items()} == dict(
        topic.config
    )
