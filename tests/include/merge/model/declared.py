"""A small estate of three systems and six entities, declared as `sql/` declares: for stories told by random steps.

Each entity stands for a way of being known: customers with links and authority, what belongs to them directly or
through another, what is known by facts of the world, what has neither.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.catalogue import ROOT, Catalogue

PRECEDENCE = ("sse", "mis", "platform")
KEY = "id"
PLACE = "kafka_data"
KEY_TYPES = {"sse": "INT64", "mis": "STRING", "platform": "STRING"}
"""SSE counts; the old warehouse's ids are blind to case and trailing blanks; the platform's are exact."""


@dataclass(frozen=True)
class Entity:
    """An entity: its columns beside references, what it refers to, and how it is known."""

    name: str
    values: Mapping[str, str]
    systems: tuple[str, ...]
    refers: Mapping[str, str] = field(default_factory=dict)
    mastered: str = "by_customer"
    identified_by: tuple[str, ...] = ()
    partitioned_by: str | None = None
    withheld: tuple[str, ...] = ()
    has_event: bool = True
    links_in: tuple[str, ...] = ()
    """The systems whose records may say that they are copies."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.refers, *self.values)

    @property
    def key(self) -> str:
        return f"{self.name}_key"


CUSTOMER = Entity(
    "customer", {"name": "STRING", "email": "STRING"}, PRECEDENCE, withheld=("email",), links_in=("mis", "platform")
)
ACCOUNT = Entity(
    "account", {"balance": "NUMERIC"}, PRECEDENCE, refers={"customer_id": "customer"}, links_in=("platform",)
)
AGREEMENT = Entity("agreement", {"tariff": "STRING"}, ("sse", "platform"), refers={"account_id": "account"})
SUPPLY_POINT = Entity(
    "supply_point",
    {"mpan": "STRING", "region": "STRING"},
    ("sse", "mis"),
    refers={"account_id": "account"},
    mastered="always",
    identified_by=("mpan",),
)
METER_READING = Entity(
    "meter_reading",
    {"read_on": "DATE", "kwh": "NUMERIC"},
    ("sse", "mis"),
    refers={"supply_point_id": "supply_point"},
    mastered="always",
    identified_by=("supply_point_id", "read_on"),
    partitioned_by="read_on",
)
PAYMENT = Entity(
    "payment",
    {"pence": "INT64"},
    ("sse", "platform"),
    refers={"account_id": "account"},
    mastered="always",
    has_event=False,
    links_in=("platform",),
)
ENTITIES = (CUSTOMER, ACCOUNT, AGREEMENT, SUPPLY_POINT, METER_READING, PAYMENT)
"""Parents before their children."""
BY_NAME = {entity.name: entity for entity in ENTITIES}


def dataset(system: str, entity: str) -> str:
    """The system's dataset of an entity, which is the id space of its keys."""
    return f"old_{entity}" if system == "mis" else entity


def touched(entity: Entity) -> list[Entity]:
    """The entity, and all that refer to it or to one of these."""
    found = [entity]
    for other in ENTITIES:
        if any(to in (one.name for one in found) for to in other.refers.values()):
            found.append(other)
    return found


def mapping(system: str, entity: str) -> str:
    return f"{entity}/from_{system}_{dataset(system, entity)}"


def says_taken_over(system: str, entity: str) -> bool:
    return (system, entity) == ("platform", "customer")


def source_columns(system: str, entity: Entity) -> dict[str, str]:
    """The columns of a system's dataset, name to type."""
    columns = {KEY: KEY_TYPES[system]}
    columns |= dict.fromkeys(entity.refers, KEY_TYPES[system]) | dict(entity.values) | {"counts": "BOOL"}
    if system in entity.links_in:
        columns["copy_of"] = "STRING"
    if says_taken_over(system, entity.name):
        columns["taken_over_at"] = "TIMESTAMP"
    return columns


def declare(root: Path) -> Catalogue:
    """Write the declarations below `root`, beside the statements that the project has."""
    for folder in ("statements", "ledger"):
        shutil.copytree(ROOT / "sql" / folder, root / "sql" / folder)
    for entity in ENTITIES:
        _write(root / "sql" / "common_model" / entity.name / "contract.yaml", _entity_contract(entity))
        for system in entity.systems:
            name = dataset(system, entity.name)
            _write(root / "sql" / "sources" / system / name / "contract.yaml", _dataset_contract(system, entity))
            _write(root / "sql" / "common_model" / f"{mapping(system, entity.name)}.sql", _mapping(system, entity))
    return Catalogue(root)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _entity_contract(entity: Entity) -> str:
    lines = [f"describes: Each {entity.name}.", "owner: stories", f"mastered: {entity.mastered}"]
    lines.append(f"precedence: [{', '.join(PRECEDENCE)}]")
    if entity.identified_by:
        lines.append(f"identified_by: [{', '.join(entity.identified_by)}]")
    if entity.partitioned_by:
        lines.append(f"partitioned_by: {entity.partitioned_by}")
    if entity.has_event:
        lines.append(f"event: {{topic: {entity.name}.changes.v1, withhold: [{', '.join(entity.withheld)}]}}")
    lines += ["retention: {keep: 7y, after: noted_on}", "columns:"]
    lines += [f"  {name}: {{references: {to}{_needed(entity, name)}}}" for name, to in entity.refers.items()]
    lines += [f"  {name}: {{type: {kind}{_needed(entity, name)}}}" for name, kind in entity.values.items()]
    return "\n".join([*lines, "  noted_on: {type: DATE}", ""])


def _needed(entity: Entity, column: str) -> str:
    return ", required: true" if column in (*entity.identified_by, entity.partitioned_by) else ""


def _dataset_contract(system: str, entity: Entity) -> str:
    name = dataset(system, entity.name)
    table = f"stories.{name}" if system == "platform" else f"Stories.dbo.{name}"
    key = "kafka_key" if system == "platform" else KEY
    lines = [f"describes: Each {entity.name} of {system}.", "owner: stories", f"table: {table}", f"key: [{key}]"]
    lines += [*_CAPTURE[system], "deletes_at_most: 100%", "columns:"]
    if system == "platform":
        lines.append("  kafka_key: {type: STRING, required: true, collation: exact}")
    lines += [
        f"  {column}: {{type: {kind}{_more(system, entity, column)}}}" for column, kind in _columns(system, entity)
    ]
    return "\n".join([*lines, ""])


_CAPTURE = {
    "sse": ("capture: {method: rowversion, column: RowVer}", "deletes: key_scan"),
    "mis": ("capture: {method: change_tracking}", "deletes: captured"),
    "platform": (
        f"capture: {{method: landed, partition: {PLACE}.partition, offset: {PLACE}.offset, "
        f"landed_at: {PLACE}.insert_time, settle: 15m, overlap: 1000, deleted_when: {KEY} IS NULL}}",
        "deletes: captured",
    ),
}


def _columns(system: str, entity: Entity) -> list[tuple[str, str]]:
    return list(source_columns(system, entity).items())


def _more(system: str, entity: Entity, column: str) -> str:
    if column in entity.refers:
        return f", refers_to: {dataset(system, entity.refers[column])}"
    if column != KEY or system == "platform":
        return ""
    return ", required: true" + (", collation: case_insensitive" if system == "mis" else "")


def _mapping(system: str, entity: Entity) -> str:
    lines = [f"  {name} AS {name}," for name in entity.columns]
    lines.append("  CAST(NULL AS DATE) AS noted_on,")
    if system in entity.links_in:
        lines.append("  copy_of AS same_as,")
    if says_taken_over(system, entity.name):
        lines.append("  taken_over_at AS taken_over_at,")
    head = f"-- Each {entity.name} of {system}.\n--\n-- Reads    staging.{system}_{dataset(system, entity.name)}\n"
    body = "\n".join(lines)
    return f"{head}SELECT\n{body}\n  counts AS is_present\nFROM staging.{system}_{dataset(system, entity.name)}\n"
