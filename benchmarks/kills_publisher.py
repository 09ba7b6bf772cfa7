"""What is it that gets killed? (one run of the task `publish.customer`, for all shards with their claim, or for one of
them without: `python -m benchmarks.kills_publisher <declarations> <notes> <shards> [<shard>]`)

Transactions are small, so that a kill at a random moment falls before, in and between many of them, and the broker
ends soon what was left open; in the file <notes> stands when one begins and when it has ended, so that whoever kills
knows what it has met. All else is as it is shipped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.publish_declarations import ENTITY, declare
from include.clients import kafka
from include.clients.kafka_producer import TransactionalProducer
from include.connections import EnvironmentConnections
from include.errors import Fenced, Unavailable
from include.publish.position import Shard
from include.steps import publication, publish_entity
from include.steps.request import Request
from include.steps.servers import Servers

READY = "ready"
OPEN, CLOSED = b"(", b")"
PER_TRANSACTION, PATIENCE = 8, 40.0
TIMEOUT = "KILLS_TRANSACTION_TIMEOUT_MS"
"""In the environment."""


def main(declarations: str, notes: str, shards: str, *number: str) -> None:
    """Prints `ready` once all is imported, begins when it is given a line, and prints a line of JSON at its end: what
    the task says, or what it was refused with when another one was in its way or the broker was away."""
    publish_entity.PER_TRANSACTION, publication.PATIENCE = PER_TRANSACTION, PATIENCE
    kafka.TRANSACTION_TIMEOUT_MS = int(os.environ[TIMEOUT])
    _note_transactions(os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    catalogue = declare(Path(declarations) / shards, ROOT / "sql", int(shards))
    servers = Servers(EnvironmentConnections(os.environ))
    shard = Shard(int(number[0]), int(shards)) if number else None
    print(READY, flush=True)
    input()
    try:
        told = publish_entity.publish_entity(catalogue, servers, ENTITY, Request(), shard)
    except (Fenced, Unavailable) as refusal:
        told = {"refused": str(refusal)}
    print(json.dumps(told))


def _note_transactions(file: int) -> None:
    """Each transaction of this process is written down before it begins and after it has ended."""
    shipped = TransactionalProducer.transaction

    @contextmanager
    def noted(producer: TransactionalProducer) -> Iterator[None]:
        os.write(file, OPEN)
        try:
            with shipped(producer):
                yield
        finally:
            os.write(file, CLOSED)

    TransactionalProducer.transaction = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
