"""Up to which offsets may a landing table of Kafka Connect be read? (nothing is copied: the window is the batch)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from include.contract import DatasetContract, Landed
from include.errors import DriftError, EpochBroken, NotDeployed, SourceRefused
from include.names import DatasetName


class Facts(Protocol):
    @property
    def created_at(self) -> datetime: ...
    @property
    def expires(self) -> bool: ...
    @property
    def columns(self) -> Mapping[str, str]: ...


class Warehouse(Protocol):
    """What we need of BigQuery: `include.clients.big_query.BigQuery`."""

    def facts(self, table: str) -> Facts | None: ...
    def query(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Offsets:
    """Offsets [start, stop) of one partition; `counted` records lie in them, `behind` more than the overlap before
    `stop`: no later window looks there, so that number must stay as it is."""

    partition: int
    start: int
    stop: int
    counted: int
    behind: int


@dataclass(frozen=True)
class LandedBounds:
    """A window over a landing table; `epoch` is the table's creation time."""

    offsets: tuple[Offsets, ...]
    epoch: Mapping[str, Any]

    @property
    def position(self) -> dict[str, dict[str, int]]:
        """Per partition: where the next window begins, and how many records lie where it will not look."""
        return {
            "next": {str(o.partition): o.stop for o in self.offsets},
            "behind": {str(o.partition): o.behind for o in self.offsets},
        }

    @property
    def counted(self) -> int:
        return sum(o.counted for o in self.offsets)

    @property
    def window(self) -> dict[str, list[int]]:
        return {str(o.partition): [o.start, o.stop] for o in self.offsets}


@dataclass(frozen=True)
class Before:
    """Position and epoch of the batch before; for the first batch there is none."""

    position: Mapping[str, Mapping[str, int]]
    epoch: Mapping[str, Any]

    @property
    def starts(self) -> Mapping[str, int]:
        return self.position["next"]


def parameters(capture: Landed, before: Before | None, now: datetime, *, is_full: bool) -> dict[str, Any]:
    """The parameters of `sql/statements/landed_window.sql`."""
    values: dict[str, Any] = {"settled_before": now - capture.settles_after, "overlap": capture.overlap}
    values["is_full"] = is_full
    for index, (partition, start) in enumerate((before.starts if before else {}).items()):
        values |= {f"s{index}_partition": int(partition), f"s{index}_from": start}
    return values


def check_table(warehouse: Warehouse, table: str) -> Facts:
    """Raises NotDeployed when the landing table is missing, SourceRefused when it expires rows."""
    facts = warehouse.facts(table)
    if facts is None:
        remedy = "ask the platform team whether Kafka Connect lands this topic, or correct the contract's `table`"
        raise NotDeployed("there is no landing table", where=table, remedy=remedy)
    if facts.expires:
        raise SourceRefused(
            "the landing table expires its rows: what is gone before it is merged would be lost",
            where=table,
            remedy="have the expiration removed from the table and its partitions",
        )
    return facts


def check_columns(name: DatasetName, contract: DatasetContract, columns: Sequence[str], facts: Facts) -> None:
    """Raises DriftError with both sides when the landing table lacks one of `columns`, or has it in another type."""
    there = [(column, contract.column_type(column), facts.columns.get(column)) for column in columns]
    problems = [f"column {column} is missing" for column, _, found in there if found is None]
    problems += [
        f"{column} is {found} there and {want} here" for column, want, found in there if found and found != want
    ]
    if problems:
        raise DriftError(
            f"{contract.table} is not what the contract of {name} says: {'; '.join(problems)}",
            where=f"sql/sources/{name}/contract.yaml",
            remedy="correct the contract and review its mappings, or have Kafka Connect land the columns as it says",
        )


def epoch_of(facts: Facts) -> dict[str, str]:
    """What the offsets of a landing table are worth."""
    return {"created": facts.created_at.isoformat()}


def landed_bounds(
    rows: Sequence[Mapping[str, Any]], facts: Facts, before: Before | None, capture: Landed, where: str
) -> LandedBounds:
    """The window from the statement's rows; `before` is None for a full.

    Raises EpochBroken when the table or a topic was made anew.
    """
    epoch = epoch_of(facts)
    found = {int(row["partition_number"]): row for row in rows}
    if before is not None:
        _check_epoch(found, epoch, before, capture, where)
    return LandedBounds(tuple(_offsets(p, row) for p, row in sorted(found.items())), epoch)


def _offsets(partition: int, row: Mapping[str, Any]) -> Offsets:
    start, stop = int(row["start"]), int(row["stop"])
    return Offsets(partition, start, max(stop, start), int(row["counted"]), int(row["behind"]))


def _check_epoch(
    found: Mapping[int, Mapping[str, Any]], epoch: Mapping[str, Any], before: Before, capture: Landed, where: str
) -> None:
    remedy = (
        "find out what happened to the topic and its landing table; have rows of an older life of the topic removed "
        "from it; then trigger the use case with `full_refresh`"
    )
    if epoch != dict(before.epoch):
        raise EpochBroken("the landing table was made anew", where=where, remedy=remedy)
    for partition, start in before.starts.items():
        row = found.get(int(partition))
        beyond = int(row["beyond"]) if row else 0
        if beyond < start:
            raise EpochBroken(
                f"partition {partition} ends at offset {beyond}, but was read up to {start}: "
                "the topic was made anew, or rows are gone",
                where=where,
                remedy=remedy,
            )
        late = int(row["behind_before"]) - before.position["behind"][partition] if row else 0
        if late:
            raise EpochBroken(
                f"{late} records of partition {partition} landed more than {capture.overlap} offsets behind "
                "what was read"
                if late > 0
                else f"{-late} records of partition {partition} that were read are gone from the landing table",
                where=where,
                remedy=remedy + ("; a larger `overlap` in the contract prevents it" if late > 0 else ""),
            )
