"""What must be sent once more before anything new? (the prelude of a publisher's run, when somebody has asked for it)

Per slot each key's last event at or below the slot's position, tombstones included; the positions stay where they are.
Under the publisher's own transactional id and before its new changes nothing overtakes: nobody is taken back.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from include.catalogue import CUSTOMER
from include.clients.big_query import Value
from include.clients.kafka_producer import TransactionalProducer
from include.publish import replay
from include.publish.position import Shard
from include.publish.replay import Replay
from include.steps.cohort_frozen import frozen
from include.steps.publication import Found, Publication
from include.steps.publish_send import send
from include.steps.publish_window import PER_QUERY, WINDOW, Window, event_columns, pieces, read_windows, statement

log = logging.getLogger(__name__)
FARTHEST = 50
"""Windows of the change log that one query looks through, however few changes it finds: it costs what it reads."""


def send_again(p: Publication, producer: TransactionalProducer, shard: Shard, found: Found, size: int) -> int:
    """All that is asked for and not done yet; how many events. size: of a transaction. Raises as publishing does."""
    asked = replay.pending(found.replays, shard.slots)
    return _send_state(p, producer, asked, found, size) if asked else 0


def _send_state(
    p: Publication, producer: TransactionalProducer, slots: dict[int, Replay], found: Found, size: int
) -> int:
    one, sent = next(iter(slots.values())), 0
    customers = frozen(p.servers, one.keys, one.digest) if one.keys else []
    params = state_params(replay.bounds(slots, found.positions), customers)
    chosen = p.servers.cloud.table("staging", f"replay_{p.entity}__{uuid.uuid4().hex[:12]}")
    p.servers.big_query.query(state_statement(p, "replay_chosen.sql", customers, chosen=chosen), params, where=chosen)
    sql = statement(p, "replay_window.sql", chosen=chosen, columns=event_columns(p))
    for rows in read_windows(p, sql, _edges, _queries(_windows(p, chosen))):
        for piece in pieces(rows, size):
            slots = replay.moved(slots, piece.column("change_number")[-1].as_py())
            send(p, producer, piece, replay.as_records(p.entity, slots))
            sent += piece.num_rows
    with producer.transaction():
        producer.send_all(p.positions_topic, replay.as_records(p.entity, replay.done(slots)))
    log.info("%s: %d events of %s were sent once more", p.entity, sent, one.request)
    return sent


def state_params(bounds: tuple[list[int], list[int]], customers: Sequence[str]) -> dict[str, Value]:
    """Of the statements that find each key's last event."""
    above, up_to = bounds
    return {"above": above, "up_to": up_to, **({"customers": "\n".join(customers)} if customers else {})}


def state_statement(p: Publication, file: str, customers: Sequence[str], **more: Any) -> str:
    """A statement that finds each key's last event; of everybody's rows when no customers are named."""
    return statement(p, file, customer=customer_column(p) if customers else None, **more)


def customer_column(p: Publication) -> str | None:
    """The column by which a row of the entity is a customer's: its own key, or its reference; None without one."""
    if p.entity == CUSTOMER:
        return p.encoder.key_column
    contract = p.catalogue.entity(p.entity)
    columns = zip(contract.model_columns(), contract.columns.values(), strict=True)
    return next((name for name, column in columns if column.references == CUSTOMER), None)


def _windows(p: Publication, chosen: str) -> Iterator[Window]:
    """Of at most `WINDOW` chosen changes each, however far apart they are."""
    sql = statement(p, "replay_parts.sql", chosen=chosen, width=WINDOW)
    waiting: Window | None = None
    for row in p.servers.big_query.query(sql, where=chosen):
        low, high, changes = row["part"] * WINDOW - 1, (row["part"] + 1) * WINDOW - 1, row["changes"]
        is_full = waiting and (waiting.events + changes > WINDOW or high - waiting.low > FARTHEST * WINDOW)
        if waiting and is_full:
            yield waiting
            waiting = None
        waiting = Window(waiting.low, high, waiting.events + changes) if waiting else Window(low, high, changes)
    if waiting:
        yield waiting


def _queries(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Those that one query gives."""
    asked: list[Window] = []
    for window in windows:
        if asked and (len(asked) == PER_QUERY or window.high - asked[0].low > FARTHEST * WINDOW):
            yield asked
            asked = []
        asked.append(window)
    if asked:
        yield asked


def _edges(low: int, high: int) -> dict[str, Value]:
    return {"low": low, "high": high}
