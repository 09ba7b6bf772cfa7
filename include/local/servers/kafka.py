"""What is Kafka here? (Apache Kafka itself: one node, broker and controller, with real transactions)"""

from __future__ import annotations

import base64
import shutil
import socket
import struct
import uuid
from pathlib import Path

from include.errors import Unavailable
from include.local.laptop import Laptop
from include.local.processes import SERVER, TOKEN, run_to_end
from include.local.servers.server import Server, here

_LOG4J = """status = error
rootLogger.level = warn
rootLogger.appenderRef.out.ref = Out
appender.out.type = Console
appender.out.name = Out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
"""
JVM = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # which would be written outside of our folders
    "-Djava.net.preferIPv4Stack=true",
)


def kafka(laptop: Laptop) -> Server:
    folder = laptop.state / "kafka"
    return Server(
        name="kafka",
        command=_command(laptop, folder, "kafka.Kafka", str(folder / "server.properties")),
        environ={},
        ports=("kafka", "kafka_controller"),
        is_ready=lambda began: _has_a_broker(laptop.ports["kafka"]),
        prepare=lambda: _prepare(laptop, folder),
    )


def _command(laptop: Laptop, folder: Path, main: str, *arguments: str) -> tuple[str, ...]:
    jars = laptop.installed("kafka")
    return (
        *(str(laptop.java), *JVM, f"-Djava.io.tmpdir={laptop.state / 'tmp'}"),
        *(f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", f"{jars}/*", main, *arguments),
    )


def _prepare(laptop: Laptop, folder: Path) -> None:
    """Writes the settings; formats the storage once."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = "".join(f"{key}={value}\n" for key, value in _settings(laptop, folder).items())
    (folder / "server.properties").write_text(settings, encoding="utf-8")
    (folder / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
    if not (folder / "data" / "meta.properties").exists():
        _format(laptop, folder)


def _format(laptop: Laptop, folder: Path) -> None:
    # `--cluster-id=`, because an id that begins with a dash would be taken for an option
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    properties = str(folder / "server.properties")
    command = _command(laptop, folder, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", properties)
    shutil.rmtree(folder / "data", ignore_errors=True)  # half-formatted
    if run_to_end(
        command, {**laptop.home(), TOKEN: laptop.token, SERVER: "kafka"}, log=laptop.log("kafka"), folder=folder
    ):
        raise Unavailable(
            "Kafka's storage could not be formatted",
            where=str(laptop.log("kafka")),
            remedy="read the log; `python -m include local up` tries again",
        )


def _settings(laptop: Laptop, folder: Path) -> dict[str, str]:
    listeners = f"PLAINTEXT://{laptop.address('kafka')}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{laptop.address('kafka_controller')}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listeners},CONTROLLER://{laptop.address('kafka_controller')}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",  # as in production: topics are applied
        # one broker
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # a small machine, and no waiting; controlled.shutdown.enable stays on: without it SIGTERM loses commit markers
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.dedupe.buffer.size": "4194304",
        "log.cleaner.backoff.ms": "200",
        "log.segment.delete.delay.ms": "1000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "background.threads": "2",
        "broker.session.timeout.ms": "3000",  # spares 9 s of waiting after a kill -9
        "broker.heartbeat.interval.ms": "500",
    }


def _has_a_broker(port: int) -> bool:
    """Asks for the cluster's metadata (Kafka protocol: api 3, version 0): a broker is named once it takes requests."""
    body = struct.pack(">hhih", 3, 0, 1, -1) + struct.pack(
        ">i", 0
    )  # api, version, correlation, no client id, all topics
    with socket.create_connection(here(port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = connection.makefile("rb").read(12)
    _, _, brokers = struct.unpack(">iii", answer) if len(answer) == 12 else (0, 0, 0)
    return bool(brokers > 0)
