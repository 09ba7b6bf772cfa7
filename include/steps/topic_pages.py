"""How does a service's tool read what a topic holds? (`docs/topics/<topic>.yaml`: AsyncAPI 3.0, from the contracts)"""

from __future__ import annotations

from typing import Any

import yaml

from include.catalogue import Catalogue
from include.publish.schema_files import written
from include.publish.schemas import event_schema, subject
from include.publish.topics import Topic, event_topic

FOLDER = "docs/topics"
_HEAD = "# Written by `make docs` from `sql/`; a test fails when it is out of date. Do not edit it.\n"
_KEY = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_AVRO = "application/vnd.apache.avro;version=1.9.0"
_BINDINGS = "0.5.0"


def pages(catalogue: Catalogue) -> dict[str, str]:
    """File name to text, one for each topic. Raises DeclarationError when a declaration is wrong."""
    return {f"{FOLDER}/{catalogue.topic(e)}.yaml": _page(catalogue, e) for e in catalogue.published_entities()}


def _page(catalogue: Catalogue, entity: str) -> str:
    text = yaml.safe_dump(_document(catalogue, entity), sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + str(text)


def _document(catalogue: Catalogue, entity: str) -> dict[str, Any]:
    topic = event_topic(catalogue.topic(entity))
    return {
        "asyncapi": "3.0.0",
        "info": _info(catalogue, entity, topic.name),
        "defaultContentType": "application/avro",
        "channels": {entity: _channel(entity, topic)},
        "operations": {f"publish_{entity}": {"action": "send", "channel": {"$ref": f"#/channels/{entity}"}}},
        "components": {"messages": _messages(catalogue, entity)},
    }


def _info(catalogue: Catalogue, entity: str, topic: str) -> dict[str, Any]:
    """The version: that of the topic, then how many schemas it has had."""
    contract, major = catalogue.entity(entity), topic.rpartition(".v")[2]
    return {
        "title": topic,
        "version": f"{major}.{len(written(catalogue.entity_folder(entity), topic))}.0",
        "description": f"{contract.describes} What to rely on, and what not: docs/consuming.md.",
        "contact": {"name": contract.owner},
    }


def _channel(entity: str, topic: Topic) -> dict[str, Any]:
    config: dict[str, Any] = {name: int(text) if text.isdigit() else [text] for name, text in topic.config.items()}
    size = {"partitions": topic.partitions, "replicas": topic.replicas}
    kafka = {"topic": topic.name, **size, "topicConfiguration": config}
    names = (f"{entity}.{what}" for what in ("changed", "removed"))
    return {
        "address": topic.name,
        "description": "An environment's prefix may stand before the name. Read committed records only.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {**kafka, "bindingVersion": _BINDINGS}},
    }


def _messages(catalogue: Catalogue, entity: str) -> dict[str, Any]:
    registered = subject(catalogue.topic(entity))
    row = {"schemaFormat": _AVRO, "schema": event_schema(entity, catalogue.entity(entity))}
    wire = {
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "schemaLookupStrategy": "TopicNameStrategy",
    }
    changed = f"The whole row after the change; its schema is registered under {registered}."
    removed = "A tombstone: the row is no longer there."
    return {
        f"{entity}.changed": _message(entity, "changed", changed, row, wire),
        f"{entity}.removed": _message(entity, "removed", removed, {"type": "null"}, {}),
    }


def _message(entity: str, what: str, summary: str, payload: dict[str, Any], wire: dict[str, str]) -> dict[str, Any]:
    return {
        "name": f"{entity}.{what}",
        "summary": summary,
        "contentType": "application/avro",
        "headers": _headers(entity, what),
        "payload": payload,
        "bindings": {"kafka": {"key": dict(_KEY), **wire, "bindingVersion": _BINDINGS}},
    }


def _headers(entity: str, what: str) -> dict[str, Any]:
    """CloudEvents in binary mode, as `include/publish/events.py` sends them."""
    number = f"^{entity}:[0-9]+$"
    same = "the number of the change: the same whenever it is sent"
    properties: dict[str, Any] = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "pattern": number, "description": same},
        "ce_type": {"const": f"{entity}.{what}"},
        "ce_source": {"const": f"/common_model/{entity}"},
        "ce_time": {"type": "string", "format": "date-time", "description": "when the common model changed, in UTC"},
        "ce_subject": {**_KEY, "description": "the key"},
        "content-type": {"const": "application/avro"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
