"""Where do settings come from inside Airflow? (its connections, by the providers' own hooks)"""

from __future__ import annotations

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException

from include.connections import (
    GoogleCloudSettings,
    KafkaSettings,
    RegistrySettings,
    SqlServerSettings,
    google_cloud_settings,
    kafka_settings,
    registry_settings,
    sql_server_settings,
)
from include.errors import RequestError

GOOGLE_CLOUD, KAFKA, REGISTRY = "google_cloud_default", "kafka_default", "schema_registry"


class AirflowConnections:
    """Plain settings from Airflow's connections (database, environment or secrets backend, as Airflow is set up)."""

    def sql_server(self, system: str) -> SqlServerSettings:
        c = _connection(system)
        return sql_server_settings(system, c.host, c.port, c.login, c.password, c.extra_dejson)

    def google_cloud(self) -> GoogleCloudSettings:
        from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

        extra = _connection(GOOGLE_CLOUD).extra_dejson
        return google_cloud_settings(extra, GoogleBaseHook(gcp_conn_id=GOOGLE_CLOUD).get_credentials())

    def kafka(self) -> KafkaSettings:
        return kafka_settings(_connection(KAFKA).extra_dejson)

    def schema_registry(self) -> RegistrySettings:
        c = _connection(REGISTRY)
        return registry_settings(c.host, c.login, c.password)


def _connection(name: str) -> Connection:
    try:
        return BaseHook.get_connection(name)
    except AirflowException as error:
        raise RequestError(
            f"there is no connection '{name}'",
            where="Airflow",
            remedy="make it under Admin > Connections or in the secrets backend; the README lists what each must hold",
        ) from error
