"""Do datasets, bucket and topics belong together?

Each says to which others it belongs: `migration.environment`, the object `environment.json`, a record of
`publisher.positions`. The deployment writes what is missing and never changes it; what says nothing, but is in use
already, it does not take for its own. So two environments that share one of the three by mistake (a shadow with
production's bucket) are refused before anything of either is touched.
"""

from __future__ import annotations

import json

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings
from include.errors import IntegrityError, NotDeployed
from include.merge.entity_facts import entity_tables
from include.publish.position import POSITIONS_TOPIC, environment_of, environment_record
from include.rendering import render, table
from include.steps.servers import Servers

OBJECT = "environment.json"
_PATIENCE = 120.0
"""Seconds to wait for a publisher's open transaction to end: twice its time-out."""


def check_environment(servers: Servers) -> None:
    """Raises IntegrityError when datasets, bucket and topic prefix do not belong together, NotDeployed when that was
    never said. Asks no broker: a run that reads and merges needs none."""
    check_datasets(servers)
    if not _bucket_is_ours(servers):
        raise NotDeployed(
            f"the bucket {servers.cloud.bucket} does not say to which datasets it belongs",
            where=servers.bucket.uri(OBJECT),
            remedy="run `python -m include tables apply`, and check the extra bucket",
        )


def check_datasets(servers: Servers) -> None:
    """As check_environment, of what the datasets say alone."""
    if not _datasets_are_ours(servers):
        raise NotDeployed(
            f"the datasets {datasets_of(servers.cloud)} do not exist, or do not say what they work with",
            where=_table(servers),
            remedy="run `python -m include tables apply`, and check the extras project and dataset_prefix",
        )


def refuse_others_storage(servers: Servers) -> None:
    """Raises IntegrityError when bucket or datasets belong with others, or are somebody's who never said so. The
    datasets need not exist yet."""
    is_ours = [_bucket_is_ours(servers), _datasets_are_ours(servers)]
    if not any(is_ours):
        _refuse_used_storage(servers)


def stamp_storage(catalogue: Catalogue, servers: Servers) -> None:
    """Say of bucket and datasets that they belong together. A deployment that was killed in between goes on here."""
    refuse_others_storage(servers)
    text = json.dumps({"datasets": datasets_of(servers.cloud)}).encode()
    servers.bucket.create(OBJECT, text, "application/json")
    tables = entity_tables(servers.cloud.table, "customer")
    ddl = render(catalogue.sql / "ledger", "environment.sql", tables=tables)
    values = {"bucket": servers.cloud.bucket, "topic_prefix": servers.kafka_settings.topic_prefix}
    servers.big_query.query(ddl, values, where=_table(servers))
    check_environment(servers)  # another deployment may have been faster


def topics_are_ours(servers: Servers) -> bool:
    """Whether the topics say that they are ours; False when they say nothing. Raises IntegrityError when they are
    others'."""
    topic = servers.kafka_settings.topic(POSITIONS_TOPIC)
    if servers.kafka.partitions(topic) is None:
        return False
    return are_ours(servers, servers.kafka.committed_records(topic, timeout=_PATIENCE))


def are_ours(servers: Servers, positions: list[tuple[bytes, bytes | None]]) -> bool:
    """As topics_are_ours, by the records of the positions."""
    theirs, ours = environment_of(positions), datasets_of(servers.cloud)
    if theirs not in (None, ours):
        prefix = servers.kafka_settings.topic_prefix
        raise IntegrityError(
            f"the topics {prefix}* belong to the datasets {theirs}, not to {ours}",
            where="connections kafka_default (topic_prefix) and google_cloud_default (project, dataset_prefix)",
            remedy="correct the one that is wrong: no two environments share topics. Nothing was changed",
        )
    if positions and theirs is None:
        raise IntegrityError(
            f"the topics {servers.kafka_settings.topic_prefix}* are in use already and do not say by which datasets",
            where=f"topic {servers.kafka_settings.topic(POSITIONS_TOPIC)}",
            remedy=f"choose another topic_prefix; if they are those of {ours}, send there yourself, with the key "
            f"`environment`, `{json.dumps({'datasets': ours})}`. Nothing was changed",
        )
    return theirs is not None


def check_topics(servers: Servers) -> None:
    """Raises IntegrityError when the topics are others', NotDeployed when they say nothing."""
    if not topics_are_ours(servers):
        raise NotDeployed(
            "the topics do not exist, or do not say to which datasets they belong",
            where=f"topic {servers.kafka_settings.topic(POSITIONS_TOPIC)}",
            remedy="run `python -m include topics apply`, and check the extra topic_prefix",
        )


def stamp_topics(servers: Servers) -> None:
    """Say in the positions' topic, which must exist, to which datasets the topics belong. Said twice it is the same."""
    key, value = environment_record(datasets_of(servers.cloud))
    servers.kafka.send(servers.kafka_settings.topic(POSITIONS_TOPIC), key, value)


def datasets_of(cloud: GoogleCloudSettings) -> str:
    """How an environment's datasets are called together."""
    return f"{cloud.project}.{cloud.dataset_prefix}*"


def _refuse_used_storage(servers: Servers) -> None:
    cloud, salt = servers.cloud, servers.cloud.table("identity", "salt")
    entry = next((name for name in servers.bucket.names("") if "/log/" in name), None)
    if entry is not None:
        raise IntegrityError(
            f"the bucket {cloud.bucket} is in use already and does not say by which datasets",
            where=servers.bucket.uri(entry),
            remedy=f"choose an empty one; if it is that of {datasets_of(cloud)}, create {servers.bucket.uri(OBJECT)} "
            f"with `{json.dumps({'datasets': datasets_of(cloud)})}` yourself. Nothing was changed",
        )
    if servers.big_query.facts(salt) is not None:
        raise IntegrityError(
            f"the datasets {datasets_of(cloud)} are in use already and do not say with which bucket and topics",
            where=salt,
            remedy="choose another dataset_prefix; if they are this bucket's and these topics', create the table "
            f"{_table(servers)} as sql/ledger/environment.sql says. Nothing was changed",
        )


def _bucket_is_ours(servers: Servers) -> bool:
    data, ours = servers.bucket.read(OBJECT), datasets_of(servers.cloud)
    theirs = None if data is None else str(json.loads(data)["datasets"])
    if theirs not in (None, ours):
        raise IntegrityError(
            f"the bucket {servers.cloud.bucket} belongs to the datasets {theirs}, not to {ours}",
            where="connection google_cloud_default (bucket, project, dataset_prefix)",
            remedy="correct the one that is wrong: no two environments share a bucket. Nothing was changed",
        )
    return theirs is not None


def _datasets_are_ours(servers: Servers) -> bool:
    name = _table(servers)
    if servers.big_query.facts(name) is None:
        return False
    (row,) = servers.big_query.query(f"SELECT bucket, topic_prefix FROM {table(name)}", where=name)
    ours = {"bucket": servers.cloud.bucket, "topic_prefix": servers.kafka_settings.topic_prefix}
    other = [f"{key} '{row[key]}', not '{value}'" for key, value in ours.items() if row[key] != value]
    if other:
        raise IntegrityError(
            f"the datasets {datasets_of(servers.cloud)} work with the {', and the '.join(other)}",
            where="connections google_cloud_default (bucket, dataset_prefix) and kafka_default (topic_prefix)",
            remedy="correct the one that is wrong: no two environments share datasets. Nothing was changed",
        )
    return True


def _table(servers: Servers) -> str:
    return servers.cloud.table("migration", "environment")
