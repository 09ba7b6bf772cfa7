"""From the change log to Kafka: each change once, in order per key."""
