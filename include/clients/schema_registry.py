"""How do we speak to the schema registry? (Confluent's API; a publisher only looks up, the deployment registers)"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from include.connections import RegistrySettings
from include.errors import DataPlatformError, DeclarationError, ForbiddenError, NotDeployed, Unavailable

TIMEOUT, TRIES = 10.0, 3
"""Seconds that a registry has for one answer, and how often it is asked: the client itself would wait for ever."""


class Registry:
    """A registry; schemas are Avro, as text."""

    def __init__(self, settings: RegistrySettings) -> None:
        config: dict[str, Any] = {"url": settings.url, "timeout": TIMEOUT, "max.retries": TRIES - 1}
        if settings.user_info:
            config["basic.auth.user.info"] = settings.user_info
        for library in ("httpx", "httpx2"):  # a line per request, in the log of a task that says what it did
            logging.getLogger(library).setLevel(logging.WARNING)
        self._client, self._where = SchemaRegistryClient(config), f"schema registry {settings.url}"

    def lookup(self, subject: str, schema: str) -> int:
        """The id of a schema that is registered under `subject`. Raises NotDeployed when it is not."""
        with self._translated(subject):
            return int(self._client.lookup_schema(subject, Schema(schema, "AVRO")).schema_id)

    def register(self, subject: str, schema: str) -> int:
        """Register under FULL_TRANSITIVE; the same schema again gives the same id.

        Raises DeclarationError when it is not compatible with every earlier version.
        """
        with self._translated(subject):
            self._set_compatibility(subject)
            return int(self._client.register_schema(subject, Schema(schema, "AVRO")))

    def _set_compatibility(self, subject: str) -> None:
        full = ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE)
        try:
            self._client.set_config(subject, full)
        except SchemaRegistryError as error:
            if error.http_status_code != 409:  # another deployment has made the rule since the registry looked for it
                raise
            self._client.set_config(subject, full)

    def schema(self, schema_id: int) -> str:
        """The text of a schema by its id."""
        with self._translated(str(schema_id)):
            return str(self._client.get_schema(schema_id).schema_str)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except DataPlatformError:
            raise
        except SchemaRegistryError as error:
            raise self._error(error, what) from error
        except Exception as error:  # of whichever HTTP library the client brings along
            remedy = "tried again by itself; if it lasts, ask whether the registry is up"
            raise Unavailable(
                f"the registry did not answer {TRIES} requests of {TIMEOUT:.0f} s each ({type(error).__name__})",
                where=f"{self._where}, {what}",
                remedy=remedy,
            ) from error

    def _error(self, error: SchemaRegistryError, what: str) -> DataPlatformError:
        where = f"{self._where}, {what}"
        if error.http_status_code == 404:
            remedy = "run `python -m include schemas register`, a step of the deployment"
            return NotDeployed("this version of the schema is not registered", where=where, remedy=remedy)
        if error.http_status_code in (409, 422):
            remedy = "fields may only be added, nullable; for anything else make a new version of the topic (….v2)"
            return DeclarationError(
                f"the schema is not compatible with an earlier one: {error.error_message}", where=where, remedy=remedy
            )
        if error.http_status_code in (401, 403):
            return ForbiddenError(
                "the registry does not allow it",
                where=where,
                remedy="correct the login of the connection schema_registry",
            )
        return Unavailable(
            f"the registry answered {error.http_status_code}", where=where, remedy="tried again by itself"
        )
