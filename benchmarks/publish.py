"""What does publishing cost? (`make bench-publish`; see README.md beside this file)

1,000,000 changes from the local BigQuery server to the broker, against what the client can do with ready-made records.
Each sender is a process of its own; the topics are made anew before each, and what is on them after it is counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from confluent_kafka.admin import AdminClient

from benchmarks.processes import ROOT, Cost, started, told
from benchmarks.publish_declarations import ENTITY, changes, declare
from benchmarks.world import deploy, silent, world
from include.local.servers.big_query import THREADS
from include.publish.position import POSITIONS_TOPIC
from include.steps.deploy import apply_topics
from include.steps.publication import publication
from include.steps.publish_claim import claim
from include.steps.servers import Servers

CHANGES, ROUNDS, AT_ONCE, FOR_THE_OPERATOR = 1_000_000, 3, 250_000, 10_000
SHARDS = 2


class Bench:
    """A world with one entity, whose change log is filled."""

    def __init__(self, servers: Servers, root: Path) -> None:
        self.servers, self.root, self.catalogue = servers, root, declare(root, ROOT / "sql")
        deploy(self.catalogue, servers)
        self.admin = AdminClient(dict(servers.kafka_settings.config))
        log, ledger = (servers.cloud.table(dataset, ENTITY) for dataset in ("change_log", "ledger"))
        for first in range(1, CHANGES + 1, AT_ONCE):
            servers.big_query.query(changes(log, first, first + AT_ONCE - 1))
        servers.big_query.query(f"UPDATE `{ledger}` SET change_number = {CHANGES} WHERE name = 'entity'")

    def send(self, what: str, last: int = CHANGES) -> Cost:
        """The cost of one sender, whose events are all there, and nothing else."""
        if what != "encode":
            self._empty()
        cost = told(self._started(what, last))
        assert what == "encode" or self._sent() == cost["events"] == last, (what, self._sent(), cost)
        return cost

    def send_in_shards(self) -> Cost:
        """Two publishers at once, each with its own keys: the longer wall, and the sums of the rest."""
        self._empty()
        p = publication(self.catalogue, self.servers, ENTITY)
        claim(replace(p, shards=SHARDS))
        running = [self._started("end_to_end", CHANGES, str(number), str(SHARDS)) for number in range(SHARDS)]
        costs = [told(one) for one in running]
        assert self._sent() == sum(cost["events"] for cost in costs) == CHANGES, costs
        together = {name: sum(cost[name] for cost in costs) for name in costs[0]}
        return together | {"wall": max(cost["wall"] for cost in costs)}

    def _started(self, what: str, last: int, *shard: str) -> subprocess.Popen[str]:
        return started([sys.executable, "-m", "benchmarks.publish_senders", what, str(self.root), str(last), *shard])

    def _empty(self) -> None:
        for topic in (self.catalogue.topic(ENTITY), POSITIONS_TOPIC):
            name = self.servers.kafka_settings.topic(topic)
            self.admin.delete_topics([name])[name].result(30)
        apply_topics(self.catalogue, self.servers, silent)

    def _sent(self) -> int:
        topic = self.servers.kafka_settings.topic(self.catalogue.topic(ENTITY))
        return sum(1 for _ in self.servers.kafka.committed(topic))


def main() -> None:
    found: dict[str, list[Cost]] = {}
    os.environ[THREADS] = "1"  # the server shares two cores with the publisher and the broker
    with world(["cloud_storage", "big_query", "kafka", "schema_registry"]) as (_, servers, folder):
        bench = Bench(servers, folder / "declarations")
        for _ in range(ROUNDS):
            for what in ("limit", "arrow", "end_to_end", "encode"):
                found.setdefault(what, []).append(bench.send(what))
        found["two shards"] = [bench.send_in_shards()]
        found["operator"] = [bench.send("operator", FOR_THE_OPERATOR)]
    _report(found)


def _report(found: dict[str, list[Cost]]) -> None:
    wall = {name: min(cost["wall"] / cost["events"] for cost in costs) for name, costs in found.items()}
    cpu = {name: min(cost["cpu"] / cost["events"] for cost in costs) for name, costs in found.items()}
    peak = {name: max(cost["peak_rss_mib"] for cost in costs) for name, costs in found.items()}
    print(f"{'publish':12} {'events/s':>10} {'CPU µs/event':>13} {'peak MiB':>9}")
    for name in found:
        print(f"{name:12} {1 / wall[name]:>10,.0f} {cpu[name] * 1e6:>13.2f} {peak[name]:>9.0f}")
    ratios = {
        "events_to_limit": round(wall["limit"] / wall["arrow"], 2),
        "cpu_to_limit": round(cpu["arrow"] / cpu["limit"], 2),
        "end_to_end_to_limit": round(wall["limit"] / wall["end_to_end"], 2),
        "peak_rss_mib": round(peak["end_to_end"]),
        "encoded_rows_per_cpu_second": round(1 / cpu["encode"]),
        "two_shards_to_one": round(wall["end_to_end"] / wall["two shards"], 2),
        "operator_to_limit": round(wall["limit"] / wall["operator"], 4),
    }
    print(json.dumps({"benchmark": "publish", "ratios": ratios}))


if __name__ == "__main__":
    main()
