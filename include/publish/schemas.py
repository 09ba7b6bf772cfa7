"""What does an event look like? (Avro, generated from the entity's contract)

Every field but the key is nullable with default null, so that FULL_TRANSITIVE compatibility holds: an old consumer
survives a new schema, a new one an old record. Withheld columns and special categories are absent.
"""

from __future__ import annotations

import json
import re
from typing import Any

from include.contract import EntityContract
from include.names import key_column

_TYPES: dict[str, Any] = {
    "STRING": "string",
    "INT64": "long",
    "FLOAT64": "double",
    "BOOL": "boolean",
    "BYTES": "bytes",
    "DATE": {"type": "int", "logicalType": "date"},
    "TIME": {"type": "long", "logicalType": "time-micros"},
    "DATETIME": {"type": "long", "logicalType": "local-timestamp-micros"},
    "TIMESTAMP": {"type": "long", "logicalType": "timestamp-micros"},
    "NUMERIC": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
    "BIGNUMERIC": {"type": "bytes", "logicalType": "decimal", "precision": 76, "scale": 38},
}


def event_schema(entity: str, contract: EntityContract) -> dict[str, Any]:
    """The Avro record of an entity's events: its key, then the published columns in the contract's order."""
    types, docs = contract.model_columns(), _docs(contract)
    fields: list[dict[str, Any]] = [{"name": key_column(entity), "type": "string", "doc": f"the key of the {entity}"}]
    for name in contract.published():
        avro = _TYPES[re.split(r"\(", types[name])[0]]
        fields.append({"name": name, "type": ["null", avro], "default": None, "doc": docs.get(name, "")})
    return {
        "type": "record",
        "name": "".join(part.title() for part in entity.split("_")),
        "namespace": "common_model",
        "doc": contract.describes,
        "fields": fields,
    }


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as it is registered and looked up: one form, byte for byte."""
    return json.dumps(schema, separators=(",", ":"))


def subject(topic: str) -> str:
    """The registry's subject of a topic's values (TopicNameStrategy)."""
    return f"{topic}-value"


def _docs(contract: EntityContract) -> dict[str, str]:
    return {
        (f"{column.references}_key" if column.references else name): column.describes
        for name, column in contract.columns.items()
    }
