"""How does a person stop the publishing of an entity at once, and let it go on? (`python -m include hold publish`)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from include.catalogue import Catalogue
from include.errors import DataPlatformError, HeldTooLong, OnHold, Unavailable
from include.publish.hold import Hold, hold_key, hold_on
from include.publish.position import POSITIONS_TOPIC, claim_of, claiming_id, named, positions_of
from include.steps import publication
from include.steps.environment import check_topics
from include.steps.servers import Servers

log = logging.getLogger(__name__)


def hold_publishing(catalogue: Catalogue, servers: Servers, entity: str, why: str = "") -> Hold:
    """Once this has returned, nothing more of the entity is committed until it is let go.

    First the record, then the fences: whoever publishes now cannot commit, and whoever begins later sees the record.
    What was held already stays held since then. Needs no schema registry and no warehouse.
    Raises DeclarationError for an entity without event, NotDeployed without topics, IntegrityError when they are those
    of another environment, Unavailable when it is not known that nobody publishes any more.
    """
    catalogue.topic(entity)
    name, topic = (servers.kafka_settings.topic(text) for text in (entity, POSITIONS_TOPIC))
    _fence_all(servers, name, {catalogue.shards(entity)})  # what one that died has left open would hide the positions
    check_topics(servers)
    before = hold_on(name, _records(servers, topic))
    hold = replace(before, why=why or before.why) if before else Hold(datetime.now(UTC), why)
    servers.kafka.send(topic, hold_key(name), hold.to_json())
    try:
        _fence(catalogue, servers, entity)
    except DataPlatformError as error:
        raise Unavailable(
            f"{entity} is held, but who publishes it already may go on: {error.problem}",
            where=error.where,
            remedy="run this command again, until it ends without an error",
        ) from None
    return hold


def let_go(catalogue: Catalogue, servers: Servers, entity: str) -> Hold | None:
    """Publishing goes on with the entity's next run; what had held it, if anything. Raises as `hold_publishing`."""
    catalogue.topic(entity)
    check_topics(servers)
    name, topic = (servers.kafka_settings.topic(text) for text in (entity, POSITIONS_TOPIC))
    before = hold_on(name, _records(servers, topic))
    if before is not None:
        servers.kafka.send(topic, hold_key(name), None)
    return before


def publish_all(entities: Iterable[str], publish: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """What `publish` says of each entity, once all but those that are held are published.

    Raises HeldTooLong when one is held for more than a day, OnHold when one is held.
    """
    told, held = {}, list[OnHold | HeldTooLong]()
    for entity in entities:
        try:
            told[entity] = publish(entity)
        except (OnHold, HeldTooLong) as hold:
            log.warning("%s", hold)
            held.append(hold)
    if held:
        raise min(held, key=lambda hold: isinstance(hold, OnHold))
    return told


def _fence(catalogue: Catalogue, servers: Servers, entity: str) -> None:
    """Whoever may publish: who claims (it could name another number of shards meanwhile), then the shards of the
    contract's number, and of those that the positions name."""
    name, topic = (servers.kafka_settings.topic(text) for text in (entity, POSITIONS_TOPIC))
    servers.kafka.fence(claiming_id(name))
    said = _records(servers, topic)
    numbers = named(positions_of(entity, said)) | {claim_of(entity, said) or 1, catalogue.shards(entity)}
    _fence_all(servers, name, numbers)


def _fence_all(servers: Servers, name: str, numbers: set[int]) -> None:
    """Who claims, and the shards of these numbers."""
    servers.kafka.fence(claiming_id(name))
    publication.fence(servers, name, numbers)


def _records(servers: Servers, topic: str) -> list[tuple[bytes, bytes | None]]:
    return servers.kafka.committed_records(topic, timeout=publication.PATIENCE)
