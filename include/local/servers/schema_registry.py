"""What is the schema registry here? (Apicurio by its Confluent-compatible API; ids survive a restart)"""

from __future__ import annotations

from include.local.laptop import HOST, Laptop
from include.local.servers.kafka import JVM
from include.local.servers.server import Server, request

COMPATIBILITY = "FULL_TRANSITIVE"  # what topics need in production too; the registry's own default is no rule at all
API = "/apis/ccompat/v7"


def schema_registry(laptop: Laptop) -> Server:
    url = laptop.url("schema_registry") + API
    settings = (f"-D{key}={value}" for key, value in _settings(laptop).items())
    jar = laptop.installed("schema_registry", "quarkus-run.jar")
    return Server(
        name="schema_registry",
        command=(str(laptop.java), *JVM, f"-Djava.io.tmpdir={laptop.state / 'tmp'}", *settings, "-jar", str(jar)),
        environ={},
        ports=("schema_registry",),
        is_ready=lambda began: request(f"{url}/config")["compatibilityLevel"] == COMPATIBILITY,
    )


def _settings(laptop: Laptop) -> dict[str, str]:
    return {
        "quarkus.http.host": HOST,
        "quarkus.http.port": str(laptop.ports["schema_registry"]),
        "quarkus.management.host": HOST,  # without these two it also listens on 0.0.0.0:9000
        "quarkus.management.port": "0",
        "quarkus.http.access-log.enabled": "false",
        "quarkus.banner.enabled": "false",
        "quarkus.log.level": "WARN",
        # without the delay of 0 a kill -9 loses the schemas of the last half second
        "apicurio.datasource.url": f"jdbc:h2:file:{laptop.state / 'schema_registry' / 'registry'};WRITE_DELAY=0",
        "apicurio.datasource.jdbc.initial-size": "2",
        "apicurio.datasource.jdbc.min-size": "2",
        "apicurio.datasource.jdbc.max-size": "20",
        "apicurio.storage.snapshot.location": str(laptop.state / "schema_registry"),
        "apicurio.rules.global.compatibility": COMPATIBILITY,
    }
