"""Who is killed when? (each round has more changes, a publisher or several, and one death)"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Protocol

from confluent_kafka import IsolationLevel

from benchmarks.kills_changes import Changes
from benchmarks.kills_consumer import consumed, end_offsets, judged
from benchmarks.kills_process import LONGEST, Publisher
from benchmarks.kills_publisher import TIMEOUT
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
KINDS = {"alone": 40, "one of its shards": 20, "one of two": 20, "broker": 10, "broker and publisher": 10}
"""Of a hundred rounds."""
WHILE_IT_SENDS = 0.7
"""Of the deaths come when one of the transactions has begun; the others at any moment of a publisher's life."""
MARKERS = 0.3
"""Seconds until a broker has ended what it was asked to commit or abort. The only one of a cluster may forget to when
it is killed meanwhile, or begins with that: the transaction stays open for good. That is Kafka's affair, and would end
the benchmark."""
ABANDONED, BESIDE_A_RESTART = 5_000, 20_000
"""Milliseconds after which the broker ends a transaction: none shall be over while it restarts."""
A_TRANSACTION = 0.02
"""Seconds: one and what is between it and the next."""


class Killable(Protocol):
    """A broker that can die and be brought up again."""

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Rounds:
    """A world with one entity. environment: its connections, for the publishers; broker: None when it must live;
    changes: how many there are more in each round."""

    def __init__(
        self,
        servers: Servers,
        declarations: Path,
        rng: Random,
        *,
        environment: Mapping[str, str] = os.environ,
        broker: Killable | None = None,
        changes: int = CHANGES,
    ) -> None:
        self._servers, self._root, self._rng, self._environment = servers, declarations, rng, environment
        self._broker, self._shards, self._life, self._transactions = broker, 1, 0.0, 0
        self._more = changes
        self._started: list[Publisher] = []
        of = {shards: declare(declarations / str(shards), ROOT / "sql", shards) for shards in SHARDS}
        self.catalogue = of[self._shards]
        deploy(self.catalogue, servers)
        servers.kafka.alter(servers.kafka_settings.topic(POSITIONS_TOPIC), SMALL)
        self.changes = Changes(servers, rng)
        self.kills, self.open, self.rounds, self.count = 0, 0, 0, Counter[str]()

    def run(self, kills: int, report: Callable[[str], None] = silent) -> None:
        """Rounds until so many have died; then all is published."""
        try:
            while self.kills < kills:
                if self.rounds % MEASURED_EVERY == 0:
                    self._measure()
                self._round()
                report(f"{self.kills} of {kills} kills, {self.changes.last} changes")
            self._published()
        finally:
            for publisher in self._started:
                publisher.kill()

    def judged(self) -> dict[str, int]:
        """What an independent consumer has, held against change log and common model."""
        self.changes.fill_common_model()
        settings, topic = self._servers.kafka_settings, self.catalogue.topic(ENTITY)
        url = self._servers.connections.schema_registry().url
        events = consumed(settings.config, settings.topic(topic), url)
        return judged(events, self.changes.wanted(), self.changes.rows())

    def told(self) -> str:
        counted = ", ".join(f"{what}: {times}" for what, times in sorted(self.count.items()))
        lives = f"a publisher lives {self._life:.1f} s, and has {self._transactions} transactions"
        hit = f"{self.open} of {self.kills} kills hit an open transaction"
        return f"{self.changes.last} changes, {self.rounds} rounds; {lives}; {hit}; {counted}"

    def _measure(self) -> None:
        """How long does a publisher live that nobody kills, and that has nothing to send but a round's changes?"""
        if self.rounds:
            self._published()
        self._published()

    def _published(self) -> None:
        """A publisher that nobody kills sends what is left."""
        publisher = self._ready(self._shards)
        self.changes.grow(self._more)
        publisher.go()
        began, said = time.monotonic(), self._end_of(publisher)
        assert said.get("last_change") == self.changes.last, said
        assert "fenced" not in said
        self._life, self._transactions = time.monotonic() - began, publisher.transactions()

    # -- rounds
    def _round(self) -> None:
        self.rounds += 1
        self.changes.grow(self._more)
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
        self._wait(publisher)
        has_died = self._kill(publisher)
        if has_died and self._rng.random() < 0.3:  # else the next one may find a transaction open, and ends it
            self._until_closed()
        return has_died

    def _one_of_its_shards(self) -> bool:
        """Each shard is a task of its own, the claim came before; the one that dies is tried again without a claim."""
        number = self._shards
        claim(replace(publication(self.catalogue, self._servers, ENTITY), shards=number))
        shards = [self._ready(number, shard) for shard in range(number)]
        for publisher in shards:
            publisher.go()
        victim = self._rng.randrange(number)
        self._wait(shards[victim], of=number)
        has_died = self._kill(shards[victim])
        if has_died:
            shards[victim] = self._start(number, victim)
        for publisher in shards:
            self._end_of(publisher)
        return has_died

    def _one_of_two(self) -> bool:
        """A second one, perhaps of another number of shards, begins while the first is at work; who dies is tried
        again, beside the other."""
        numbers = (self._shards, self._rng.choice((self._shards, *SHARDS)))
        both = [self._ready(number) for number in numbers]
        for publisher in both:
            publisher.go()
            self._wait(publisher)
        victim = self._rng.randrange(2)
        has_died = self._kill(both[victim])
        if has_died:
            both[victim] = self._start(numbers[victim])
        for publisher in both:
            self._end_of(publisher)
        return has_died

    def _with_broker(self, and_publisher: bool) -> bool:
        assert self._broker
        self._until_closed()
        publisher = self._start(self._shards, timeout=BESIDE_A_RESTART)
        self._wait(publisher)
        is_at_work = self._kill(publisher) if and_publisher else publisher.is_alive()
        if is_at_work:
            with publisher.paused():
                time.sleep(MARKERS)
                self.open += publisher.is_within_a_transaction() and not and_publisher
                self._broker.kill()
            self._broker.start()
        self._end_of(publisher)
        return is_at_work

    # -- publishers
    def _start(self, shards: int, *shard: int, timeout: int = ABANDONED) -> Publisher:
        publisher = self._ready(shards, *shard, timeout=timeout)
        publisher.go()
        return publisher

    def _ready(self, shards: int, *shard: int, timeout: int = ABANDONED) -> Publisher:
        """A publisher, which does not begin yet. timeout: of its transactions, in ms."""
        notes = self._root / f"notes-{len(self._started)}"
        environment = {**os.environ, **self._environment, TIMEOUT: str(timeout)}
        self._started.append(Publisher(self._root, notes, environment, shards, *shard))
        return self._started[-1]

    def _wait(self, publisher: Publisher, of: int = 1) -> None:
        """A random part of a publisher's life, or until it is in or after one of its transactions. of: how many share
        the work."""
        if self._rng.random() < WHILE_IT_SENDS:
            publisher.until_it_sends(self._rng.randint(1, max(1, self._transactions // of)))
            time.sleep(self._rng.uniform(0, A_TRANSACTION))
        else:
            time.sleep(self._rng.uniform(0, self._life))

    def _kill(self, publisher: Publisher) -> bool:
        """Whether it was alive."""
        if not publisher.kill():
            return False
        self.open += publisher.is_within_a_transaction()
        return True

    def _end_of(self, publisher: Publisher) -> dict[str, Any]:
        """What it says at its end. Only whom we have killed says nothing."""
        told = publisher.told() or {}
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
