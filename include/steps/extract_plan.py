"""What shall be read: is a batch used again, does a window go on, or does everything begin anew?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include.catalogue import Catalogue
from include.contract import DatasetContract, Landed
from include.errors import DeclarationError, FormError
from include.extract import capture
from include.extract.cohort import Cohort
from include.extract.way import Position, Session
from include.names import DatasetName, MappingName
from include.run import Run
from include.stage.log import Batch, DatasetLog
from include.steps.chain import read_unmerged
from include.steps.request import Request
from include.steps.servers import Servers
from include.use_case import UseCase


@dataclass(frozen=True)
class Work:
    """All that the functions of one extract need."""

    catalogue: Catalogue
    servers: Servers
    run: Run
    use_case: UseCase
    name: DatasetName
    request: Request

    @property
    def contract(self) -> DatasetContract:
        return self.catalogue.dataset(self.name)

    @property
    def where(self) -> str:
        return capture.place(self.name, self.contract)

    @property
    def columns(self) -> list[str]:
        return self.contract.read_columns(self.catalogue.claimed(self.name))

    def session(self) -> AbstractContextManager[Session]:
        """A session in the database of its table."""
        return self.servers.sql_server(self.name.system, capture.database_of(self.contract.table))

    def entry(self, plan: Plan, read_at: datetime) -> dict[str, Any]:
        """What the log's entry says whatever was read."""
        contract = self.contract
        return {
            "dataset": str(self.name),
            "number": plan.number,
            "key": tuple(contract.key),
            "table": contract.table,
            "capture": contract.capture.model_dump(),
            "contract_hash": hash_of(contract.model_dump_json()),
            "attempt": self.run.token,
            "read_at": read_at,
            "committed_at": datetime.now(UTC),
        }

    @property
    def mappings(self) -> list[MappingName]:
        return [mapping for mapping in self.use_case.mappings if mapping.source == self.name]


@dataclass(frozen=True)
class Plan:
    """What will be done, and why: reuse `latest`, or read batch `number` as `kind`. `looks`: at all keys, beside the
    rows. `position`: where a window begins, and what a cohort keeps. `cohort`: whom it reads."""

    number: int
    kind: capture.Kind
    latest: Batch | None
    reuse: bool
    reason: str
    looks: bool = False
    position: Position = field(default_factory=dict)
    cohort: Cohort | None = None


def plan_extract(work: Work, dataset_log: DatasetLog) -> Plan:
    """Reuse, go on, or begin anew. The number is fixed here, before anything is read.

    Raises EpochBroken when a mapping has merged what the log does not have, DeclarationError for another key.
    """
    number, latest = dataset_log.next_number(), dataset_log.latest()  # in this order: else what came between is unseen
    chains = [read_unmerged(work.catalogue, work.servers, mapping).batches for mapping in work.mappings]
    if latest is None:
        return Plan(number, "full", None, False, "the first batch")
    _check_key(work, latest)
    if reason := _reason_for_a_full(work, latest, chains) or _reason_of_capture(work, latest, dataset_log):
        return Plan(number, "full", latest, False, reason)
    age, position = work.run.started_at - latest.read_at, dataset_log.position()
    if not latest.is_cut and age <= work.use_case.fresh_for and any(latest in (chain or []) for chain in chains):
        reason = f"read {age.total_seconds() / 60:.0f} minutes ago and not merged yet"
        return Plan(latest.number, "window", latest, True, reason, position=position)
    if not work.contract.has_position and not isinstance(work.contract.capture, Landed):
        return Plan(number, "full", latest, False, "a snapshot reads everything")
    return Plan(number, "window", latest, False, "the next window", _looks(work, dataset_log), position)


def plan_cohort(work: Work, dataset_log: DatasetLog, cohort: Cohort) -> Plan:
    """Never a reuse: it is read now, as it is now. The number is fixed here, before anything is read.

    Raises what `plan_extract` does, and FormError when the mappings could not merge it: they need a full.
    """
    number, latest = dataset_log.next_number(), dataset_log.latest()
    chains = [read_unmerged(work.catalogue, work.servers, mapping).batches for mapping in work.mappings]
    if latest is not None:
        _check_key(work, latest)
        reason = _reason_for_a_full(work, latest, chains)
    else:
        is_unserved = number > 1 and any(chain is None for chain in chains)
        reason = "what was read of it before serves no mapping" if is_unserved else None
    if reason:
        raise FormError(
            f"{work.name} must be read as a whole before some of its customers can be: {reason}",
            where=f"the form of {work.use_case.name}",
            remedy=f"trigger without a cohort first, with `only: [{work.name}]` if nothing else is needed now",
        )
    asked = f"{len(cohort.ids)} ids were asked for"
    return Plan(number, "cohort", latest, False, asked, position=dataset_log.position(), cohort=cohort)


def _reason_of_capture(work: Work, latest: Batch, dataset_log: DatasetLog) -> str | None:
    """Why the way of capture asks for a full now."""
    if work.contract.has_position and not latest.position:
        return "the table was empty: there is no position to go on from"
    every = work.contract.is_read_whole_after
    if every is not None and _is_due(work, dataset_log.newest(lambda batch: batch.kind == "full"), every):
        return "the last full is older than the contract's `full_every`"
    return None


def _is_due(work: Work, last: Batch | None, after: timedelta) -> bool:
    """Whether something is to be done again. A tenth early: who runs every day does not begin at the very second."""
    return last is None or work.run.started_at - last.read_at >= after * 0.9


def _way(capture_as: Mapping[str, Any]) -> list[Any]:
    """What of a way of capture a position depends on."""
    return [capture_as.get(name) for name in ("method", "column", "instance", "partition", "offset")]


def _looks(work: Work, dataset_log: DatasetLog) -> bool:
    """Whether a window looks at all keys: the last look is older than `key_scan_every`, which may be every time."""
    if work.contract.deletes != "key_scan":
        return False
    last = dataset_log.newest(lambda batch: batch.looked_at_all_keys)
    return _is_due(work, last, work.contract.scans_keys_after)


def _reason_for_a_full(work: Work, latest: Batch, chains: list[list[Batch] | None]) -> str | None:
    """Why the next batch cannot go on from `latest`; None when it can."""
    contract = work.contract
    if work.request.full_refresh:
        return "a full refresh was asked for"
    if (latest.table, *_way(latest.capture)) != (contract.table, *_way(contract.capture.model_dump())):
        return "the contract names another table or another way of capture"
    if missing := [column for column in work.columns if column not in latest.columns]:
        return f"the claims grew by {', '.join(missing)}"
    if other := [column for column in work.columns if latest.columns[column] != contract.column_type(column)]:
        return f"the contract gives another type to {', '.join(other)}"
    if any(chain is None for chain in chains):
        return "a mapping is new or has changed, and no full serves it"
    return None


def _check_key(work: Work, latest: Batch) -> None:
    """Another key would make another of every customer: that is another dataset."""
    if tuple(work.contract.key) == latest.key:
        return
    was, now = ", ".join(latest.key), ", ".join(work.contract.key)
    raise DeclarationError(
        f"the key of {work.name} was ({was}) when it was last read, and is ({now}) now",
        where=f"sql/sources/{work.name}/contract.yaml",
        remedy=f"restore key: [{was}], or declare the table as a dataset of another name with mappings of its own",
    )


def hash_of(text: str) -> str:
    """The first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
