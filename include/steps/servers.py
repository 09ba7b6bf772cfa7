"""Which servers does a step speak to? (clients, made when they are first needed)"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from include.connections import Connections, GoogleCloudSettings, KafkaSettings

if TYPE_CHECKING:
    from include.clients.big_query import BigQuery
    from include.clients.cloud_storage import Bucket
    from include.clients.kafka import Kafka
    from include.clients.schema_registry import Registry
    from include.clients.sql_server import Session
    from include.clients.storage_read import StorageRead


class Servers:
    """The clients of one task. Their libraries are heavy: each is imported when it is asked for."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    @cached_property
    def cloud(self) -> GoogleCloudSettings:
        return self.connections.google_cloud()

    @cached_property
    def kafka_settings(self) -> KafkaSettings:
        return self.connections.kafka()

    def sql_server(self, system: str, database: str) -> AbstractContextManager[Session]:
        from include.clients.sql_server import connect

        return connect(self.connections.sql_server(system), database)

    @cached_property
    def bucket(self) -> Bucket:
        from include.clients.cloud_storage import Bucket

        return Bucket(self.cloud)

    @cached_property
    def big_query(self) -> BigQuery:
        from include.clients.big_query import BigQuery

        return BigQuery(self.cloud)

    @cached_property
    def storage_read(self) -> StorageRead:
        from include.clients.storage_read import StorageRead

        return StorageRead(self.cloud, self.big_query)

    @cached_property
    def kafka(self) -> Kafka:
        from include.clients.kafka import Kafka

        return Kafka(self.kafka_settings)

    @cached_property
    def registry(self) -> Registry:
        from include.clients.schema_registry import Registry

        return Registry(self.connections.schema_registry())
