"""Who may publish an entity? (the task `claim.<entity>`, before several shards; one alone claims when it must)

A shard sends only what the positions say is its own: that so many shards publish the entity. Another number takes over
by one transaction, which comes after all that the shards of the old number have sent, and after which they are fenced.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from include.errors import Fenced
from include.publish import position as positions
from include.steps.publication import Publication, fence, look, look_unchecked

log = logging.getLogger(__name__)


def claim(p: Publication) -> dict[str, Any]:
    """Make all 64 slots those of the publication's number of shards, unless they are.

    Publishers of its own number are fenced first: one that was killed has perhaps left a transaction open, which hides
    the positions until it is ended. Returns how many publishers of another number were fenced. (Who claims at the same
    time and comes later is the one who publishes: the shards see whether it is they.) Raises EpochBroken when change
    log, topic and positions do not belong together, Unavailable while a transaction stays open.
    """
    fence(p.servers, p.name, [p.shards])
    fenced = 0 if _is_ours(p) else take_over(p)
    return {"entity": p.entity, "shards": p.shards, "fenced": fenced}


def take_over(p: Publication) -> int:
    """All 64 slots become those of the publication's number of shards, as one; publishers of another number are fenced:
    how many. Raises as `claim` does."""
    with suppress(Fenced), p.servers.kafka.transactions(positions.claiming_id(p.name)) as producer:
        before = look(p)
        with producer.transaction():  # who looks after this sees that another number begins; who has looked is fenced
            producer.send_all(p.positions_topic, [positions.claim_record(p.entity, p.shards)])
        others = fence(p.servers, p.name, before.numbers - {p.shards})
        now = look(p)  # what they have sent until then
        with producer.transaction():
            claimed = positions.claimed(now.positions, now.progress.epoch, p.shards)
            producer.send_all(p.positions_topic, positions.as_records(p.entity, claimed))
        log.info("%s: its 64 slots belong to %d shards now; %d others are fenced", p.entity, p.shards, others)
        return others
    return 0


def _is_ours(p: Publication) -> bool:
    found = look_unchecked(p)
    return len(found.positions) == positions.SLOTS and found.numbers == {p.shards}
