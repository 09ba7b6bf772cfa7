"""What does one merge say to BigQuery? (the script of one mapping over a chain of batches)"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from include.catalogue import Catalogue
from include.contract import DatasetContract, EntityContract, Landed
from include.mapping import SAME_AS, TAKEN_OVER_AT
from include.mapping import Mapping as RowMapping
from include.merge.checks import fails_of
from include.merge.entity_facts import (
    Facts,
    Key,
    TableName,
    dependents,
    facts,
    keys,
    locked_entities,
    parents,
)
from include.merge.fit import check_fit
from include.names import MappingName
from include.rendering import render

COUNTS = (
    *("rows_taken", "rows_conformed", "inserted", "updated", "removed", "events", "contested"),
    *("followed", "vanished", "unsettled", "quarantined"),
)
"""What a merge counts: columns of the ledger, fields of MappingProgress."""
EVIDENCE = 1_000
"""So many rows are kept of a merge that is refused: they are all of a kind."""
MOST_HELD = 10_000
"""So many rows a person may hold at once: with more, not a row is broken but the source or the mapping."""
NO_FULL_YET = 10**15
"""The batch from which on all was merged, where only some customers ever were."""
LONGEST_CHAIN = 8
"""Links from a record to the last that it is a copy of; a longer chain is a mistake of somebody's."""


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
        batch = {"batch": self.batch, "order": self.order, "keys_table": self.keys_table}
        rows = {"number": 0, "table": self.table, "gone": self.gone, "but_for": self.catch_up_table}
        late = {"number": 1, "table": self.catch_up_table, "gone": self.catch_up_gone, "but_for": None}
        return (batch | rows, batch | late) if self.catch_up_table else (batch | rows,)


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

    @property
    def whole_at(self) -> int | None:
        """From which batch on all that the dataset holds has been merged; None: this chain has no full."""
        has_full = self.landing_is_full or any(staged.is_full for staged in self.staged)
        return max([self.last, *(staged.batch for staged in self.later)]) if has_full else None


@dataclass(frozen=True)
class Statement:
    """A script and its parameters."""

    sql: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)


def merge_statement(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> Statement:
    """The script that merges `chain` through the mapping `name`.

    Its other parameters (`attempt`, `run_id`, `mapping`, `mapping_hash`, `batch`, `expected_batch`,
    `expected_hash`) are bound when it is executed. Raises DeclarationError when mapping and contracts do not fit.
    """
    entity, mapping, source = catalogue.entity(name.entity), catalogue.mapping(name), catalogue.dataset(name.source)
    check_fit(catalogue, mapping, entity, source)
    return _merging("merge.sql", catalogue, table, name, chain)


def look_statement(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> Statement:
    """The script that tells which rows break a `fail` check when `chain` is merged, and merges nothing.

    Its other parameters are those of `merge_statement`, without `batch`. The entity has such a check.
    """
    return _merging("hold_look.sql", catalogue, table, name, chain, most=MOST_HELD + 1)


def hold_statement(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> Statement:
    """The script that keeps aside some rows of `chain`, each a line of JSON in the parameter `rows`.

    Its other parameters are those of `merge_statement`, without `batch`.
    """
    held = _merging("hold_keep.sql", catalogue, table, name, chain)
    return Statement(held.sql, _of_windows(held.params))


def _merging(
    template: str, catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain, **more: int
) -> Statement:
    source, context = catalogue.dataset(name.source), _context(catalogue, table, name, chain) | more
    params = {"quarantine_share": source.quarantine_share, **_bounds(source, chain)}
    if context["replaces_others"]:
        params["replaced_share"] = source.deletions_allowed
    return Statement(render(catalogue.sql / "statements", template, **context), params)


def evidence_statement(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> Statement:
    """The script that keeps aside what cannot be merged of `chain`, when the merge itself was refused for it.

    Its other parameters (`mapping`, `run_id`) are bound when it is executed.
    """
    statement = _merging("evidence.sql", catalogue, table, name, chain, most=EVIDENCE)
    return Statement(statement.sql, _of_windows(statement.params, "counted"))


def _of_windows(params: Mapping[str, str | int | float], *more: str) -> dict[str, str | int | float]:
    """Those that name the rows of a landing table."""
    return {n: value for n, value in params.items() if re.fullmatch(r"w\d+_(partition|begins|from|to)", n) or n in more}


def _context(catalogue: Catalogue, table: TableName, name: MappingName, chain: Chain) -> dict[str, Any]:
    entity, mapping, source = catalogue.entity(name.entity), catalogue.mapping(name), catalogue.dataset(name.source)
    e = facts(catalogue, table, name.entity)
    return {
        **_around(catalogue, table, e),
        "mapping": mapping,
        "system": name.source.system,
        "id_space": name.source.dataset,
        "batches": list(chain.batches),
        "columns": list(e.columns),
        "kept": [*e.columns, SAME_AS, TAKEN_OVER_AT],
        "required": [name for name, column in entity.columns.items() if column.required],
        "key": keys(source),
        "references": {
            n: keys(catalogue.dataset(p))[0]
            for n, p in parents(mapping, source, name.source).items()
            if n in e.references
        },
        "staged": chain.staged,
        "layers": [layer for staged in chain.staged for layer in staged.layers],
        "later": chain.later,
        "later_layers": [layer for staged in chain.later for layer in staged.layers],
        "read_columns": _read_columns(mapping, source),
        "absence": _absence(chain),
        "landed": _landed(source, chain),
        "whole_at": chain.whole_at,
        "never": NO_FULL_YET,
        "replaces_others": _replaces_others(e, name.source.system),
        "quarantine": table("quarantine", name.source.flat),
        "raw_columns": list(dict.fromkeys([*source.key, *mapping.source_columns])),
        "tells_link": mapping.gives(SAME_AS),
        "tells_taken_over": mapping.gives(TAKEN_OVER_AT),
        "longest": LONGEST_CHAIN,
        "fails_of": fails_of(catalogue, name.entity, *dependents(catalogue, name.entity)),
    }


def _replaces_others(e: Facts, system: str) -> bool:
    """Whether rows of other systems may have to go when all of this system's are there for the first time."""
    return e.customer is not None and set(e.mappings.values()) != {system}


def _bounds(source: DatasetContract, chain: Chain) -> dict[str, str | int | float]:
    params: dict[str, str | int | float] = {}
    if chain.landing_is_full:
        share = 0.0 if source.deletes == "never" else source.deletions_allowed
        params |= {"deletions_share": share, "deletions_allowed": chain.deletions_allowed}
    if chain.landing_table:
        params["counted"] = chain.landing_counted
    for index, window in enumerate(chain.windows):
        params |= {f"w{index}_partition": window.partition, f"w{index}_begins": window.start}
        params |= {f"w{index}_from": window.read_from, f"w{index}_to": window.end}
    return params


def mapping_hash(catalogue: Catalogue, name: MappingName) -> str:
    """What the mapping means, as 16 hex digits: its syntax, its key's form, its references, the entity's columns.

    When it changes, every row must be merged anew. Comments and line breaks do not count.
    """
    entity, mapping, source = catalogue.entity(name.entity), catalogue.mapping(name), catalogue.dataset(name.source)
    check_fit(catalogue, mapping, entity, source)
    referred = {
        n: (str(p), _as_lists(keys(catalogue.dataset(p)))) for n, p in parents(mapping, source, name.source).items()
    }
    meaning: list[Any] = [mapping.syntax_hash, _as_lists(keys(source)), referred, _conformed_types(entity)]
    if isinstance(source.capture, Landed):
        meaning.append(source.capture.deleted_when)
    if source.flag_column:
        meaning.append(source.flag_column)
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _around(catalogue: Catalogue, table: TableName, e: Facts) -> dict[str, Any]:
    """The entity, and those whose rows may follow it in its transaction."""
    below = [facts(catalogue, table, other) for other in dependents(catalogue, e.name)]
    through = any(other.through and other.through.name == e.name for other in below)
    return {
        "e": e,
        "entity": e.name,
        "entity_key": e.key,
        "tables": e.tables,
        "ledgers": [table("ledger", locked) for locked in locked_entities(catalogue, e.name)],
        "below": below,
        "parents_below": {parent for other in below for parent in other.refers_to},
        "stirs_by": e.customer_column if through else None,
    }


def _as_lists(found: list[Key]) -> list[dict[str, str | None]]:
    return [asdict(key) for key in found]


def _conformed_types(entity: EntityContract) -> dict[str, str]:
    return {name: "STRING" if column.references else column.type for name, column in entity.columns.items()}


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
