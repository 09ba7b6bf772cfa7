"""What is published, and how far is it? (an entity's change log, its topic, and the positions between them)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.catalogue import Catalogue
from include.errors import NotDeployed
from include.merge.progress import EntityProgress, read_progress
from include.names import key_column
from include.publish import hold
from include.publish import position as positions
from include.publish.events import Encoder
from include.publish.position import ChangeLogState, Position, Shard
from include.publish.replay import Mark, Replay, mark_of, replays_of
from include.publish.schemas import event_schema, schema_text, subject
from include.rendering import render
from include.steps.environment import are_ours
from include.steps.servers import Servers

PATIENCE = 120.0
"""Seconds to wait for another publisher's open transaction, or for one that has fenced us: twice its time-out."""


@dataclass(frozen=True)
class Publication:
    """An entity's change log and its topic. shards: how many publish it. heeds_hold: what a person holds is not even
    looked at; but for who only tells how far it is."""

    catalogue: Catalogue
    servers: Servers
    entity: str
    topic: str
    encoder: Encoder
    shards: int
    heeds_hold: bool = True

    @property
    def change_log(self) -> str:
        return self.servers.cloud.table("change_log", self.entity)

    @property
    def positions_topic(self) -> str:
        return self.servers.kafka_settings.topic(positions.POSITIONS_TOPIC)

    @property
    def name(self) -> str:
        """The entity as transactions name it: with the prefix of its topics."""
        return self.servers.kafka_settings.topic(self.entity)


def publication(catalogue: Catalogue, servers: Servers, entity: str) -> Publication:
    """Raises NotDeployed for a missing topic or schema, DeclarationError for an entity without event."""
    contract, topic = catalogue.entity(entity), servers.kafka_settings.topic(catalogue.topic(entity))
    if servers.kafka.partitions(topic) is None:
        raise NotDeployed(
            f"there is no topic {topic}",
            where=f"entity {entity}, Kafka {servers.kafka_settings.config['bootstrap.servers']}",
            remedy="run `python -m include topics apply`",
        )
    schema = event_schema(entity, contract)
    encoder = Encoder(entity, key_column(entity), schema, servers.registry.lookup(subject(topic), schema_text(schema)))
    return Publication(catalogue, servers, entity, topic, encoder, catalogue.shards(entity))


@dataclass(frozen=True)
class Found:
    """How far each slot is published, what is asked for once more, how far the change log is, how many shards have
    claimed it last, and what holds it (None but for who does not heed it)."""

    positions: Mapping[int, Position]
    replays: Mapping[int, Replay]
    progress: EntityProgress
    mark: Mark | None
    claimed: int | None
    hold: hold.Hold | None

    @property
    def numbers(self) -> set[int]:
        """Of shards: those that the positions name, and the one that was claimed last."""
        return positions.named(self.positions) | ({self.claimed} if self.claimed else set())

    def belong_to(self, shard: Shard) -> bool:
        """Whether the shard's slots are its own: no other number of shards was claimed since."""
        mine = all(slot in self.positions and self.positions[slot].shards == shard.of for slot in shard.slots)
        return mine and self.claimed in (None, shard.of)


def read_positions(p: Publication) -> dict[int, Position]:
    """Slot to position. Raises as `records` does."""
    return positions.positions_of(p.entity, records(p))


def records(p: Publication) -> list[tuple[bytes, bytes | None]]:
    """Of the positions topic, which is ours, once no transaction is open any more. Raises Unavailable when one stays
    open, OnHold (after a day HeldTooLong) while a person holds the entity."""
    found = p.servers.kafka.committed_records(p.positions_topic, timeout=PATIENCE)
    are_ours(p.servers, found)
    held = hold.hold_on(p.name, found)
    if held is not None and p.heeds_hold:
        hold.refuse(p.entity, held, f"topic {p.positions_topic}")
    return found


def fence(servers: Servers, name: str, numbers: Iterable[int]) -> int:
    """Whoever publishes in one of these numbers of shards cannot commit any more, and what he has open ends: how many
    ids that are. name: of the entity, as transactions name it."""
    shards = positions.shards_of(numbers)
    for shard in shards:
        servers.kafka.fence(shard.transactional_id(name))
    return len(shards)


def progress(p: Publication) -> EntityProgress:
    return read_progress(p.servers.big_query, p.servers.cloud.table("ledger", p.entity))


def look(p: Publication, *, topic_was_restored: bool = False) -> Found:
    """The positions, and how far the change log is, once they and the topic are known to belong together. The change
    log is looked at after the positions, so that it is never behind them. topic_was_restored: it may lack events."""
    found = look_unchecked(p)
    numbers = positions.numbers(found.positions)
    has_events = not numbers and p.servers.kafka.has_committed(p.topic)
    state = ChangeLogState(found.progress.epoch, found.progress.change_number)
    gone = None
    if found.mark and not topic_was_restored:
        gone = found.mark.problem(p.topic, p.servers.kafka.end_offsets(p.topic))
    times = given_at(p.catalogue, p.servers, p.entity, numbers)
    positions.check(p.entity, found.positions, state, times, has_events, gone, f"topic {p.topic}")
    return found


def look_unchecked(p: Publication) -> Found:
    """The same, whether they belong together or not."""
    said = records(p)
    found, asked = positions.positions_of(p.entity, said), replays_of(p.entity, said)
    claimed = positions.claim_of(p.entity, said)
    return Found(found, asked, progress(p), mark_of(p.entity, said), claimed, hold.hold_on(p.name, said))


def given_at(catalogue: Catalogue, servers: Servers, entity: str, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """When the change log of an entity gave these numbers; those that it does not have are missing."""
    if not numbers:
        return {}
    params = {f"n{index}": number for index, number in enumerate(numbers)}
    change_log = servers.cloud.table("change_log", entity)
    sql = render(catalogue.sql / "statements", "change_times.sql", change_log=change_log, numbers=list(params))
    rows = servers.big_query.query(sql, params, where=change_log)
    return {row["change_number"]: row["changed_at"] for row in rows}
