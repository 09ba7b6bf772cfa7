"""Is anything lost, doubled or out of order when publishers die? (`make bench-kills`; see README.md beside this file)

Publishers of a change log that grows are killed (SIGKILL) at random moments of their lives, and so is the broker; then
one publishes to its end, and an independent consumer is held against change log and common model.
"""

from __future__ import annotations

import json
import os
import sys
import time
from random import Random, SystemRandom

from benchmarks.kills_rounds import Rounds
from benchmarks.world import silent, world
from include.local.platform import Platform
from include.local.processes import family

KILLS = 200


class Broker:
    """The platform's Kafka, which dies as when its machine does."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def kill(self) -> None:
        token = self._platform.laptop.token
        for process in family(token, "kafka"):
            process.kill()
        while family(token, "kafka"):
            time.sleep(0.05)

    def start(self) -> None:
        self._platform.up(["kafka"], report=silent)


def main() -> None:
    kills = int(os.environ.get("KILLS") or KILLS)
    seed = int(os.environ.get("SEED") or SystemRandom().randrange(10**6))
    print(f"SEED={seed} KILLS={kills} (the seed gives the changes and the plan; when what happens, the machine)")
    with world(["cloud_storage", "big_query", "kafka", "schema_registry"]) as (platform, servers, folder):
        rounds = Rounds(servers, folder / "declarations", Random(seed), broker=Broker(platform))  # noqa: S311
        rounds.run(kills, report=_progress)
        found = rounds.judged()
    print(rounds.told())
    print(json.dumps({"benchmark": "kills", "ratios": {"kills": rounds.kills, **found}}))
    if any(found.values()):
        sys.exit(1)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
