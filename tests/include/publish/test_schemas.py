"""The schema of an event follows from the contract, and every change that a contract allows keeps it compatible."""

from __future__ import annotations

from include.catalogue import Catalogue
from include.contract import EntityContract
from include.publish.schemas import event_schema, schema_text, subject


def test_every_field_but_the_key_is_nullable_with_default_null() -> None:
    catalogue = Catalogue()
    assert len(catalogue.published_entities()) >= 2
    for entity in catalogue.published_entities():
        key, *others = event_schema(entity, catalogue.entity(entity))["fields"]
        assert (key["name"], key["type"]) == (f"{entity}_key", "string")
        assert others
        for field in others:
            assert field["type"][0] == "null"
            assert field["default"] is None


def test_a_withheld_column_is_absent_and_a_reference_is_a_key() -> None:
    catalogue = Catalogue()
    customer = [f["name"] for f in event_schema("customer", catalogue.entity("customer"))["fields"]]
    account = [f["name"] for f in event_schema("account", catalogue.entity("account"))["fields"]]
    assert "birth_date" not in customer
    assert "source_system" not in customer
    assert "customer_key" in account
    assert "customer_id" not in account


def test_the_text_is_as_it_was_registered_because_a_publisher_finds_its_schema_by_it() -> None:
    contract = EntityContract.model_validate(
        {
            "describes": "One row per thing.",
            "owner": "x",
            "mastered": "by_customer",
            "precedence": ["sse"],
            "event": {"topic": "thing.changes.v1", "withhold": ["secret"]},
            "retention": {"keep": "7y", "after": "since"},
            "columns": {
                "customer_id": {"references": "customer"},
                "amount": {"type": "NUMERIC", "describes": "pounds"},
                "since": {"type": "TIMESTAMP"},
                "secret": {"type": "STRING"},
            },
        }
    )
    assert schema_text(event_schema("thing", contract)) == (
        '{"type":"record","name":"Thing","namespace":"common_model","doc":"One row per thing.","fields":['
        '{"name":"thing_key","type":"string","doc":"the key of the thing"},'
        '{"name":"customer_key","type":["null","string"],"default":null,"doc":""},'
        '{"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":38,"scale":9}],'
        '"default":null,"doc":"pounds"},'
        '{"name":"since","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null,"doc":""}]}'
    )
    assert subject("customer.changes.v1") == "customer.changes.v1-value"
