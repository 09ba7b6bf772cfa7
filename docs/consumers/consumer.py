"""What is the state of a topic now? `python consumer.py <brokers> <registry> <topic> <schema.avsc>`

Needs confluent-kafka[avro,schemaregistry]. See docs/consuming.md.
"""

import json
import sys
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def state(brokers: str, registry: str, topic: str, our_schema: str) -> dict[str, dict[str, Any]]:
    """The row of each key, from the first record to the end. A service would go on from there, and keep its offsets."""
    config = {"bootstrap.servers": brokers, "group.id": "example", "isolation.level": "read_committed"}
    consumer = Consumer({**config, "enable.auto.commit": False, "enable.partition.eof": True})
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}), our_schema)  # of each record's schema into ours
    unread = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
    rows: dict[str, dict[str, Any]] = {}
    while unread:
        event = consumer.poll(1)
        if event is None:
            continue
        if event.error() and event.error().code() == KafkaError._PARTITION_EOF:
            unread.discard(event.partition())
        elif event.error():
            raise KafkaException(event.error())
        elif event.value() is None:  # a tombstone; of a key that we never had, perhaps
            rows.pop(event.key().decode(), None)
        else:
            rows[event.key().decode()] = decode(event.value(), SerializationContext(topic, MessageField.VALUE))
    consumer.close()
    return rows


if __name__ == "__main__":
    with open(sys.argv[4], encoding="utf-8") as file:
        for row in state(*sys.argv[1:4], file.read()).values():
            print(json.dumps(row, default=str))
