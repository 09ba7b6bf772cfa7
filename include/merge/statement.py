"""What does one merge say to BigQuery? (the script of one mapping over a chain of batches)"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.catalogue import Catalogue
from include.contract import DatasetContract, EntityContract, Landed
from include.mapping import Mapping as RowMapping
from include.merge.fit import check_fit, reference
from include.names import DatasetName, MappingName, key_column
from include.rendering import render, word

TableName = Callable[[str, str], str]
"""(dataset, table) to `project.dataset.table`: GoogleCloudSettings.table."""


@dataclass(frozen=True)
class Staged:
    """A batch in a staging table; `keys_table` where it looked at every key, `is_full` where it read every row.

    order: the column that orders the rows of one key; gone: the BOOL column that says that a row is gone.
    catch_up_table: of a batch that was read in ranges, what changed meanwhile: of one key, its row wins.
    """

    batch: int
    table: str
    is_full: bool = False
    keys_table: str | None = None
    order: str | None = None
    gone: str | None = None
    catch_up_table: str | None = None
    catch_up_gone: str | None = None

    @property
    def layers(self) -> tuple[dict[str, Any], ...]:
        """Its tables of rows, the one that wins last; `but_for`: whose keys are judged by another table."""
        rows = {"number": 0, "table": self.table, "gone": self.gone, "but_for": self.catch_up_table}
        late = {"number": 1, "table": self.catch_up_table, "gone": self.catch_up_gone, "but_for": None}
        return (rows, late) if self.catch_up_table else (rows,)


@dataclass(frozen=True)
class OffsetWindow:
    """Offsets [start, end) of one Kafka partition of a landing table; what landed late is looked for from `read_from`
    on."""

    partition: int
    read_from: int
    start: int
    end: int


@dataclass(frozen=True)
class Chain:
    """The batches of one transaction, in order: staged tables, or one window per partition of a landing table.

    later: batches behind these that another transaction will take: they may bring back whom these lack, and their
    rows are newer. landing_counted: how many records lay in the windows when they were noted. deletions_allowed: how
    many known keys a full of a landing table may lack because a person has said so.
    """

    batches: tuple[int, ...]
    staged: tuple[Staged, ...] = ()
    later: tuple[Staged, ...] = ()
    landing_table: str | None = None
    windows: tuple[OffsetWindow, ...] = ()
    landing_is_full: bool = False
    landing_counted: int = 0
    deletions_allowed: int = 0

    @property
    def last(self) -> int:
        return self.batches[-1]


@dataclass(frozen=True)
class Statement:
    """A script and its parameters."""

    sql: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)


def entity_tables(table: TableName, entity: str) -> dict[str, str]:
    """The full names of an entity's own tables and of those that all share."""
    own = {name: table(name, entity) for name in ("ledger", "conformed", "identity", "common_model", "change_log")}
    shared = dict.fromkeys(("authority", "environment", "move", "moved_customer"), "migration") | {"salt": "identity"}
    return own | {name: table(dataset, name) for name, dataset in shared.items()}


def conformed_columns(entity: EntityContract) -> dict[str, str]:
    """The entity's columns in `conformed`, name to type: a reference holds a canonical source key, text."""
    return {name: "STRING" if column.references else column.type for name, column in entity.columns.items()}


def merge_statement(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> Statement:
    """The script that merges `chain` through the mapping `name`.

    Its other parameters (`attempt`, `run_id`, `mapping`, `mapping_hash`, `batch`, `expected_batch`,
    `expected_hash`) are bound when it is executed. Raises DeclarationError when mapping and contracts do not fit.
    """
    entity, mapping, source = catalogue.entity(name.entity), catalogue.mapping(name), catalogue.dataset(name.source)
    check_fit(catalogue, mapping, entity, source)
    context = {
        "mapping": mapping,
        "entity": name.entity,
        "entity_key": key_column(name.entity),
        "system": name.source.system,
        "id_space": name.source.dataset,
        "tables": entity_tables(table, name.entity),
        "ledgers": [table("ledger", locked) for locked in locked_entities(entity, name.entity)],
        "batches": list(chain.batches),
        "columns": list(entity.columns),
        "model_columns": entity.model_columns(),
        "published": entity.published(),
        "key": _key(source),
        "references": {n: _key(catalogue.dataset(p))[0] for n, p in _parents(mapping, source, name.source).items()},
        "parents": _parent_keys(catalogue, table, name.entity),
        "ranks": entity.precedence,
        "systems": catalogue.systems_of(name.entity),
        "staged": chain.staged,
        "later": chain.later,
        "read_columns": _read_columns(mapping, source),
        "absence": _absence(chain),
        "landed": _landed(source, chain),
    }
    params: dict[str, str | int | float] = {}
    if chain.landing_is_full:
        share = 0.0 if source.deletes == "never" else source.deletions_allowed
        params |= {"deletions_share": share, "deletions_allowed": chain.deletions_allowed}
    if chain.landing_table:
        params["counted"] = chain.landing_counted
    for index, window in enumerate(chain.windows):
        params |= {f"w{index}_partition": window.partition, f"w{index}_begins": window.start}
        params |= {f"w{index}_from": window.read_from, f"w{index}_to": window.end}
    return Statement(render(catalogue.sql / "statements", "merge.sql", **context), params)


def mapping_hash(catalogue: Catalogue, name: MappingName) -> str:
    """What the mapping means, as 16 hex digits: its syntax, its key's form, its references, the entity's columns.

    When it changes, every row must be merged anew. Comments and line breaks do not count.
    """
    entity, mapping, source = catalogue.entity(name.entity), catalogue.mapping(name), catalogue.dataset(name.source)
    check_fit(catalogue, mapping, entity, source)
    parents = {n: (str(p), _key(catalogue.dataset(p))) for n, p in _parents(mapping, source, name.source).items()}
    meaning = [mapping.syntax_hash, _key(source), parents, conformed_columns(entity)]
    if isinstance(source.capture, Landed):
        meaning.append(source.capture.deleted_when)
    if source.flag_column:
        meaning.append(source.flag_column)
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def locked_entities(entity: EntityContract, name: str) -> list[str]:
    """The entities that a merge into `name` reads or writes, in the order in which it locks them."""
    authority = ["customer"] if entity.mastered == "by_customer" else []
    return sorted({name, *entity.references.values(), *authority})


def _parents(mapping: RowMapping, source: DatasetContract, name: DatasetName) -> dict[str, DatasetName]:
    """Reference column to the dataset of the same system whose key it holds."""
    found = {}
    for output in mapping.outputs:
        refers_to = source.columns[output.sources[0]].refers_to if output.is_plain else None
        if refers_to:
            found[output.name] = DatasetName(name.system, refers_to)
    return found


def _parent_keys(catalogue: Catalogue, table: TableName, entity: str) -> dict[str, dict[str, str]]:
    """For each reference of an entity: the parent's identity table, key, and the id space as an expression.

    A record's id space depends on the dataset that it came from, hence a CASE over all mappings of the entity.
    """
    found = {}
    for column, parent in catalogue.entity(entity).references.items():
        cases = []
        for name in catalogue.mapping_names(entity):
            mapping, source = catalogue.mapping(name), catalogue.dataset(name.source)
            parent_dataset = reference(catalogue, mapping, source, mapping.output(column), parent)
            cases.append(f"WHEN {word(str(name.source))} THEN {word(parent_dataset.dataset)}")
        found[column] = {
            "entity": parent,
            "key": key_column(parent),
            "identity": table("identity", parent),
            "id_space": f"(CASE CONCAT(c.system, '/', c.id_space) {' '.join(cases)} END)",
        }
    return found


def _key(source: DatasetContract) -> list[dict[str, str | None]]:
    columns = [(name, source.columns[name]) for name in source.key]
    return [{"name": name, "type": column.type, "collation": column.collation} for name, column in columns]


def _read_columns(mapping: RowMapping, source: DatasetContract) -> list[str]:
    """What the mapping needs of a staging table: key, position, flag, and its own columns, each once."""
    return list(dict.fromkeys([*source.key, *mapping.source_columns, *source.read_along]))


def _absence(chain: Chain) -> dict[str, Any] | None:
    """The last batch of the chain that looked at every key; none when a later one will."""
    if any(staged.is_full or staged.keys_table for staged in chain.later):
        return None
    if chain.landing_is_full:
        return {"batch": chain.last, "keys_table": None}
    looked = [staged for staged in chain.staged if staged.is_full or staged.keys_table]
    if not looked:
        return None
    return {"batch": looked[-1].batch, "keys_table": looked[-1].keys_table}


def _landed(source: DatasetContract, chain: Chain) -> dict[str, Any] | None:
    if not isinstance(source.capture, Landed):
        return None
    return {
        "table": chain.landing_table,
        "partition": source.capture.partition,
        "offset": source.capture.offset,
        "deleted_when": source.capture.deleted_when,
        "windows": [{"name": f"w{index}"} for index, _ in enumerate(chain.windows)],
    }


def needed_columns(mapping: RowMapping, source: DatasetContract) -> Sequence[str]:
    """The columns that a batch must hold for this mapping."""
    return _read_columns(mapping, source)
