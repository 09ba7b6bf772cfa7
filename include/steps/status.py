"""How far is everything? (rebuilt from log, ledger and positions: nothing else decides)"""

from __future__ import annotations

from typing import Any

from include.catalogue import Catalogue
from include.merge.progress import EntityProgress, read_progress
from include.merge.statement import COUNTS
from include.publish.hold import hold_on
from include.publish.position import POSITIONS_TOPIC, positions_of
from include.stage.log import DatasetLog
from include.steps.publish_lag import lag
from include.steps.servers import Servers


def datasets(catalogue: Catalogue, servers: Servers) -> list[dict[str, Any]]:
    """Per dataset with a contract: its newest batch."""
    rows = []
    for name in catalogue.dataset_names():
        latest = DatasetLog(servers.bucket, name).latest()
        row: dict[str, Any] = {"dataset": str(name), "batch": None, "kind": None, "rows": None, "read at (UTC)": None}
        if latest is not None:
            read_at = latest.read_at.strftime("%Y-%m-%d %H:%M:%S")
            row |= {"batch": latest.number, "kind": latest.kind, "rows": latest.rows, "read at (UTC)": read_at}
        rows.append(row)
    return rows


_TOLD = [count for count in COUNTS if count != "rows_conformed"]


def mappings(catalogue: Catalogue, servers: Servers) -> list[dict[str, Any]]:
    """Per mapping: up to which batch it has merged, and what its last merge did."""
    rows = []
    for entity in catalogue.entity_names():
        progress = _progress(servers, entity)
        for name in catalogue.mapping_names(entity):
            done = progress.of(name.file_stem)
            counts = {name: getattr(done, name) for name in _TOLD}
            rows.append({"mapping": str(name), "merged to batch": done.batch, **counts})
    return rows


def entities(catalogue: Catalogue, servers: Servers) -> list[dict[str, Any]]:
    """Per entity: the last change number, the last one published, how many are not yet (see `Lag`), and the age of the
    oldest of these; None of what is never published."""
    records = _positions(servers)
    rows = []
    for entity in catalogue.entity_names():
        progress = _progress(servers, entity)
        row: dict[str, Any] = {"entity": entity, "changes": progress.change_number}
        row |= {"published to": None, "not yet": None, "oldest (s)": None, "topic": None}
        if entity in catalogue.published_entities():
            slots = positions_of(entity, records)
            waits = lag(catalogue, servers, entity, slots, progress.change_number)
            row |= {"published to": progress.change_number - waits.changes, "not yet": waits.changes}
            row |= {"oldest (s)": waits.oldest_s}
            row |= {"topic": servers.kafka_settings.topic(catalogue.topic(entity))}
        rows.append(row)
    return rows


def holds(catalogue: Catalogue, servers: Servers) -> list[dict[str, Any]]:
    """What a person holds: nothing of it is published."""
    records = _positions(servers)
    names = {entity: servers.kafka_settings.topic(entity) for entity in catalogue.published_entities()}
    found = {entity: hold for entity, name in names.items() if (hold := hold_on(name, records))}
    return [{"entity": entity, "since": hold.began, "why": hold.why} for entity, hold in found.items()]


def _positions(servers: Servers) -> list[tuple[bytes, bytes | None]]:
    return servers.kafka.committed_records(servers.kafka_settings.topic(POSITIONS_TOPIC), timeout=30)


def _progress(servers: Servers, entity: str) -> EntityProgress:
    return read_progress(servers.big_query, servers.cloud.table("ledger", entity))
