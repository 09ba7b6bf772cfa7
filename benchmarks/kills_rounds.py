"""Who is killed when? (each round has more changes, a publisher or several, and one death)"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen
from typing import Any, Protocol

from confluent_kafka import IsolationLevel

from benchmarks.kills_changes import Changes
from benchmarks.kills_consumer import consumed, end_offsets, judged
from benchmarks.kills_publisher import READY
from benchmarks.processes import ROOT
from benchmarks.publish_declarations import ENTITY, declare
from benchmarks.world import deploy, silent
from include.publish.position import POSITIONS_TOPIC
from include.steps.publication import publication
from include.steps.publish_claim import claim
from include.steps.servers import Servers

CHANGES, SHARDS = 600, (1, 2, 3)
MEASURED_EVERY = 15
"""Rounds, after which nobody is killed: all is published, and then it is measured how long a publisher lives."""
SMALL = {"segment.ms": "10000", "min.cleanable.dirty.ratio": "0.01"}
"""Of the topic of positions: all of it is read at each start, and small transactions would make it long."""
KINDS = {"alone": 50, "one of its shards": 20, "one of two": 20, "broker": 5, "broker and publisher": 5}
"""Of a hundred rounds."""
LONGEST = 240.0
"""Seconds that a publisher may live which nobody kills."""
Publisher = Popen[str]


class Killable(Protocol):
    """A broker that can die and be brought up again."""

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Rounds:
    """A world with one entity. environment: its connections, for the publishers; broker: None when it must live."""

    def __init__(
        self,
        servers: Servers,
        declarations: Path,
        rng: Random,
        *,
        environment: Mapping[str, str] = os.environ,
        broker: Killable | None = None,
    ) -> None:
        self._servers, self._root, self._rng, self._environment = servers, declarations, rng, environment
        self._broker, self._shards, self._life = broker, 1, 0.0
        self._alive: list[Publisher] = []
        of = {shards: declare(declarations / str(shards), ROOT / "sql", shards) for shards in SHARDS}
        self.catalogue = of[self._shards]
        deploy(self.catalogue, servers)
        servers.kafka.alter(servers.kafka_settings.topic(POSITIONS_TOPIC), SMALL)
        self.changes = Changes(servers, rng)
        self.kills, self.rounds, self.count = 0, 0, Counter[str]()

    def run(self, kills: int, report: Callable[[str], None] = silent) -> None:
        """Rounds until so many have died; then all is published."""
        try:
            while self.kills < kills:
                if self.rounds % MEASURED_EVERY == 0:
                    self._published()
                    self._life = self._published()
                self._round()
                report(f"{self.kills} of {kills} kills, {self.changes.last} changes")
            self._published()
        finally:
            for publisher in self._alive:
                publisher.kill()
                publisher.wait()

    def judged(self) -> dict[str, int]:
        """What an independent consumer has, held against change log and common model."""
        self.changes.fill_common_model()
        settings, topic = self._servers.kafka_settings, self.catalogue.topic(ENTITY)
        url = self._servers.connections.schema_registry().url
        events = consumed(settings.config, settings.topic(topic), url)
        return judged(events, self.changes.wanted(), self.changes.rows())

    def told(self) -> str:
        counted = ", ".join(f"{what}: {times}" for what, times in sorted(self.count.items()))
        return f"{self.changes.last} changes, {self.rounds} rounds; a publisher lives {self._life:.1f} s; {counted}"

    def _published(self) -> float:
        """A publisher that nobody kills sends what is left; how long it lived."""
        publisher = self._ready(self._shards)
        self.changes.grow(CHANGES)
        _go(publisher)
        began, said = time.monotonic(), self._end_of(publisher)
        assert said.get("last_change") == self.changes.last, said
        assert "fenced" not in said
        return time.monotonic() - began

    # -- rounds
    def _round(self) -> None:
        self.rounds += 1
        self.changes.grow(CHANGES)
        if self._rng.random() < 0.3:
            self._shards = self._rng.choice(SHARDS)
        possible = {kind: often for kind, often in KINDS.items() if self._broker or "broker" not in kind}
        kind = self._rng.choices(list(possible), list(possible.values()))[0]
        if kind == "one of its shards" and self._shards == 1:
            kind = "alone"
        rounds = {"alone": self._alone, "one of its shards": self._one_of_its_shards, "one of two": self._one_of_two}
        has_died = rounds.get(kind, lambda: self._with_broker("publisher" in kind))()
        self.count[kind if has_died else "ended before its death"] += 1
        self.kills += has_died

    def _alone(self) -> bool:
        publisher = self._start(self._shards)
        self._wait()
        has_died = self._kill(publisher)
        if has_died and self._is_open():
            self.count["(of those alone: in an open transaction)"] += 1
            if self._rng.random() < 0.7:  # else the next one finds it open, and waits for the broker
                self._until_closed()
        return has_died

    def _one_of_its_shards(self) -> bool:
        """Each shard is a task of its own, the claim came before; the one that dies is tried again without a claim."""
        number = self._shards
        claim(replace(publication(self.catalogue, self._servers, ENTITY), shards=number))
        shards = [self._ready(number, shard) for shard in range(number)]
        for publisher in shards:
            _go(publisher)
        self._wait()
        victim = self._rng.randrange(number)
        has_died = self._kill(shards[victim])
        if has_died:
            shards[victim] = self._ready(number, victim)
            _go(shards[victim])
        for publisher in shards:
            self._end_of(publisher)
        return has_died

    def _one_of_two(self) -> bool:
        """A second one, perhaps of another number of shards, begins while the first is at work; who dies is tried
        again, beside the other."""
        numbers = (self._shards, self._rng.choice((self._shards, *SHARDS)))
        both = [self._ready(number) for number in numbers]
        for publisher in both:
            _go(publisher)
            self._wait()
        victim = self._rng.randrange(2)
        has_died = self._kill(both[victim])
        if has_died:
            both[victim] = self._start(numbers[victim])
        for publisher in both:
            self._end_of(publisher)
        return has_died

    def _with_broker(self, and_publisher: bool) -> bool:
        assert self._broker
        publisher = self._start(self._shards)
        self._wait()
        is_at_work = self._kill(publisher) if and_publisher else publisher.poll() is None
        if is_at_work:
            self._broker.kill()
            self._broker.start()
        self._end_of(publisher)
        return is_at_work

    # -- publishers
    def _start(self, shards: int) -> Publisher:
        publisher = self._ready(shards)
        _go(publisher)
        return publisher

    def _ready(self, shards: int, *shard: int) -> Publisher:
        """A publisher, which does not begin yet."""
        command = [sys.executable, "-m", "benchmarks.kills_publisher", str(self._root), str(shards), *map(str, shard)]
        environ = {**os.environ, **self._environment}
        publisher = Publisher(command, cwd=ROOT, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
        self._alive.append(publisher)
        return publisher

    def _wait(self) -> None:
        """A random part of a publisher's life."""
        time.sleep(self._rng.uniform(0, self._life))

    def _kill(self, publisher: Publisher) -> bool:
        """Whether it was alive."""
        publisher.kill()
        return publisher.wait() == -signal.SIGKILL and bool(self._end_of(publisher))

    def _end_of(self, publisher: Publisher) -> dict[str, Any]:
        """What it says at its end. Only whom we have killed says nothing."""
        if publisher not in self._alive:
            return {}
        said, complained = publisher.communicate(timeout=LONGEST)
        self._alive.remove(publisher)
        if publisher.returncode == -signal.SIGKILL:
            return {"killed": True}
        assert publisher.returncode == 0, f"a publisher failed after {self.kills} kills:\n{complained}"
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        for what in told.keys() & {"refused", "fenced"}:
            self.count[f"({what})"] += 1
        return told

    def _is_open(self) -> bool:
        """Whether a transaction is: records are written that a reader of committed ones cannot reach."""
        settings = self._servers.kafka_settings
        for topic in (settings.topic(POSITIONS_TOPIC), settings.topic(self.catalogue.topic(ENTITY))):
            written = end_offsets(settings.config, topic, IsolationLevel.READ_UNCOMMITTED)
            if written != end_offsets(settings.config, topic, IsolationLevel.READ_COMMITTED):
                return True
        return False

    def _until_closed(self) -> None:
        until = time.monotonic() + LONGEST
        while self._is_open():
            assert time.monotonic() < until, "the broker does not end a transaction whose publisher is dead"
            time.sleep(0.2)


def _go(publisher: Publisher) -> None:
    """It begins, and has imported all that it needs."""
    assert publisher.stdout is not None
    assert publisher.stdin is not None
    assert publisher.stdout.readline().strip() == READY, publisher.communicate()
    publisher.stdin.write("\n")
    publisher.stdin.flush()
