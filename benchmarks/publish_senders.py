"""How do we send changes, and what is the client's own limit? (each in a process of its own:
`python -m benchmarks.publish_senders limit|arrow|encode|end_to_end|operator <declarations> <last change>
[<shard> <of>]`)
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from benchmarks.measuring import cpu, peak_rss_mib
from benchmarks.processes import ROOT
from benchmarks.publish_declarations import ENTITY, declare
from include.connections import EnvironmentConnections
from include.publish import position as positions
from include.publish.events import Event, avro_bodies
from include.publish.position import Position, Shard
from include.steps.publication import Publication, publication
from include.steps.publish_entity import publish_entity
from include.steps.publish_send import PER_TRANSACTION, send
from include.steps.publish_window import Waiting, last_of, look_ahead, pieces, windows
from include.steps.request import Request
from include.steps.servers import Servers

ONE = Shard(0, 1)


def limit(p: Publication, last: int) -> Callable[[], int]:
    """The client alone: the same records, ready-made, in transactions of the same size."""
    parts = [list(p.encoder.encode(piece)) for rows in _all(p, last) for piece in pieces(rows, PER_TRANSACTION)]
    moved = positions.as_records(p.entity, [(slot, Position(last, "", "", 1)) for slot in ONE.slots])

    def produce() -> int:
        with p.servers.kafka.transactions("limit/1/0") as producer:
            for part in parts:
                with producer.transaction():
                    producer.send_all(p.topic, part)
                    producer.send_all(p.positions_topic, moved)
        return sum(map(len, parts))

    return produce


def arrow(p: Publication, last: int) -> Callable[[], int]:
    """Our sending, of rows of the change log that are Arrow already."""
    given = list(_all(p, last))

    def produce() -> int:
        sent = 0
        with p.servers.kafka.transactions(ONE.transactional_id(p.name)) as producer:
            for rows in given:
                for piece in pieces(rows, PER_TRANSACTION):
                    up_to, at = last_of(piece)
                    position = Position(up_to, at.isoformat(), "benchmark", 1)
                    moved = positions.as_records(p.entity, [(slot, position) for slot in ONE.slots])
                    send(p, producer, piece, moved)
                    sent += piece.num_rows
        return sent

    return produce


def encode(p: Publication, last: int) -> Callable[[], int]:
    """Avro bodies from Arrow, and nothing else."""
    given = [piece for rows in _all(p, last) for piece in pieces(rows, PER_TRANSACTION)]
    return lambda: sum(len(avro_bodies(piece, p.encoder.schema)) for piece in given)


def end_to_end(p: Publication, last: int, shard: Shard | None = None) -> Callable[[], int]:
    """The task `publish.<entity>`, of all shards or of one."""
    return lambda: int(publish_entity(p.catalogue, p.servers, ENTITY, Request(), shard)["events"])


def _all(p: Publication, last: int) -> Iterator[pa.Table]:
    waiting = Waiting(p, [0] * positions.SLOTS, 0, last)
    return windows(waiting, look_ahead(waiting))


def operator(p: Publication, last: int) -> Callable[[], int]:
    """Airflow's ProduceToTopicOperator, with the same events."""
    from airflow.providers.apache.kafka.operators.produce import ProduceToTopicOperator

    given: list[Event] = []
    for rows in _all(p, last):
        given += [event for piece in pieces(rows, PER_TRANSACTION) for event in p.encoder.encode(piece)]

    settings = {"conn_type": "kafka", "extra": dict(p.servers.kafka_settings.config)}  # without what is ours alone
    os.environ["AIRFLOW_CONN_KAFKA_BENCHMARK"] = json.dumps(settings)

    def run() -> int:
        produce = ProduceToTopicOperator(
            task_id="produce",
            kafka_config_id="kafka_benchmark",
            topic=p.topic,
            producer_function=lambda: ((key, value) for key, value, _ in given),
        )
        produce.execute({})
        return len(given)

    return run


def main(what: str, root: str, last: str, *shard: str) -> None:
    """Prints one line of JSON: events, wall and CPU seconds (of what is measured), and the process's own peak (MiB)."""
    p = publication(declare(Path(root), ROOT / "sql"), Servers(EnvironmentConnections(os.environ)), ENTITY)
    of_shard = [Shard(*map(int, shard))] if shard else []
    measured = globals()[what](p, int(last), *of_shard)
    began, spent = time.monotonic(), cpu()
    events = measured()
    found = {"events": events, "wall": time.monotonic() - began, "cpu": cpu() - spent}
    print(json.dumps(found | {"peak_rss_mib": peak_rss_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
