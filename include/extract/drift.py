"""Do the source's catalog and the contract still agree? (asked before a row is read)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import yaml

from include.contract import ChangeDataCapture, DatasetContract, RowVersion
from include.errors import DriftError
from include.extract.catalog import Catalog
from include.extract.changes import changed_types
from include.extract.query import quoted
from include.extract.types import OFFSET, SourceColumn, conversion, exact_types, why_refused
from include.names import DatasetName

_MOMENTS = ("datetime", "smalldatetime", "datetime2", "datetimeoffset")


def compare(
    name: DatasetName,
    contract: DatasetContract,
    catalog: Catalog,
    columns: Sequence[str],
    before: Mapping[str, str] | None = None,
    kind: Literal["full", "window", "cohort"] = "full",
) -> list[str]:
    """Notes for the log: what is new at the source, what has become wider.

    before: `Catalog.types` of the batch before, None when there is none; kind: what will be read now.
    Raises DriftError with both sides and what to write, when the table is missing; when one of `columns` is missing,
    has a type that the declared one cannot hold exactly, may be NULL though it is required, or is a position that is
    no rowversion; when the key is another, or compares its text in another way; when a window or a cohort
    would go on from rows that were read as another type, unless each of their values is the same one in the type of
    now.
    """
    if not catalog.columns:
        raise DriftError(
            f"there is no table {contract.table}, or it is hidden from us",
            where=f"sql/sources/{name}/contract.yaml",
            remedy="correct `table`, or have granted what "
            f"`python -m include grants {name.system} --to <login>` prints",
        )
    there = {column.name: column for column in catalog.columns}
    read = contract.in_table(list(columns))
    missing = [wanted for wanted in read if wanted not in there]
    problems = [_missing(missing, there)] if missing else []
    problems += [problem for wanted in columns for problem in _column(contract, there, wanted)]
    if catalog.primary_key and sorted(catalog.primary_key) != sorted(contract.key):
        keys = ", ".join(catalog.primary_key), ", ".join(contract.key)
        problems.append(f"the primary key is ({keys[0]}), the contract's key ({keys[1]}): write key: [{keys[0]}]")
    if problems:
        raise _drift(name, contract, problems, "correct the contract, and review the mappings that read it")
    changes = changed_types([there[wanted] for wanted in read], before or {})
    if changes.refused and kind != "full":
        raise _drift(
            name,
            contract,
            changes.refused,
            "then trigger the use case with `full_refresh`: what was read before may be another value now",
        )
    return [*changes.notes, *changes.refused, *_new_columns(contract, catalog, before)]


def standing(contract: DatasetContract, catalog: Catalog) -> list[str]:
    """What is so of the table as long as nobody changes it: worth a note when it is new."""
    found = []
    if not catalog.primary_key:
        found.append("the table has no primary key: rows of one key in one batch are quarantined, and not merged")
    is_blind = isinstance(contract.capture, RowVersion | ChangeDataCapture) and not contract.full_every
    if catalog.is_partitioned and is_blind:  # their rowversions are older than our position; CDC captures none of them
        found.append(
            "the table is partitioned: rows that are switched into it (ALTER TABLE … SWITCH) are seen by a full only: "
            "write full_every, or let nobody do so"
        )
    return found


def conversions(contract: DatasetContract, catalog: Catalog, columns: Sequence[str]) -> dict[str, str]:
    """Column to the T-SQL that gives it, where its bare name would not give it exactly. `compare` has been asked."""
    there, found = {column.name: column for column in catalog.columns}, {}
    for name in columns:
        of = contract.columns[name].offset_of if name in contract.columns else None
        found[name] = (
            OFFSET.format(quoted(of)) if of else conversion(there[name], contract.column_type(name), quoted(name))
        )
    return {name: sql for name, sql in found.items() if sql != quoted(name)}


def _drift(name: DatasetName, contract: DatasetContract, problems: Sequence[str], remedy: str) -> DriftError:
    return DriftError(
        f"{contract.table} is not what the contract of {name} says: " + "; ".join(problems),
        where=f"sql/sources/{name}/contract.yaml",
        remedy=f"ask the owner what changed, {remedy}",
    )


def _column(contract: DatasetContract, there: Mapping[str, SourceColumn], name: str) -> list[str]:
    declared = contract.columns.get(name)
    if declared is not None and declared.offset_of:
        return _offset(name, declared.offset_of, there) + _nullable(name, declared.required, there, declared.offset_of)
    if name not in there:
        return []
    column, kind, exact = there[name], contract.column_type(name), exact_types(there[name])
    if name == contract.position_column and column.type != "timestamp":
        return [f"{name} is {column.text()} there: only a rowversion column grows with every change of its row"]
    if not exact:
        return [f"{name} is {column.text()}, which is not carried: {why_refused(column)}"]
    if kind not in exact:
        return [f"{name} is {column.text()} there and {kind} here: write {_line(contract, name, type=exact[0])}"]
    return _promises(contract, column)


def _missing(names: Sequence[str], there: Mapping[str, SourceColumn]) -> str:
    lines = "the line of each, or give it the name that it has now, here and in claims and mappings"
    return f"column {', '.join(names)} is missing (there are: {', '.join(sorted(there))}): take out {lines}"


def _line(contract: DatasetContract, name: str, **other: object) -> str:
    """The line of the contract as it should be: what it says beside the type stays."""
    said = contract.columns[name].model_copy(update=other).model_dump(exclude_defaults=True)
    text: str = yaml.safe_dump({name: said}, default_flow_style=True, sort_keys=False, width=1000, allow_unicode=True)
    return text.strip()[1:-1]


def _offset(name: str, of: str, there: Mapping[str, SourceColumn]) -> list[str]:
    if name in there:
        return [f"{name} is a column of the table: give the offset of {of} another name"]
    if of in there and there[of].type != "datetimeoffset":
        return [f"{of} is {there[of].text()}, which has no offset: take {name} out of the contract"]
    return []


def _nullable(name: str, required: bool, there: Mapping[str, SourceColumn], of: str) -> list[str]:
    if not required or of not in there or not there[of].nullable:
        return []
    return [f"{of} may be NULL at the source: take `required: true` from {name}, or have it made NOT NULL"]


def _promises(contract: DatasetContract, column: SourceColumn) -> list[str]:
    """What the contract says of a column beyond its type: that it tells of changes, never NULL, a key's comparison."""
    name = column.name
    if name == contract.moment_column and column.type not in _MOMENTS:
        return [f"{name} is {column.text()} there: when a row was modified must be one of {', '.join(_MOMENTS)}"]
    if column.trait == "volatile" and contract.position_column:
        return [
            f"{name} is computed from more than its row, so that it changes while the rowversion stays: write "
            f"capture: {{method: snapshot}}, or take {name} out of the claims"
        ]
    if name in contract.columns and contract.columns[name].required and column.nullable:
        line = _line(contract, name, required=False)
        return [f"{name} may be NULL at the source: write {line}, or have it made NOT NULL"]
    if name in contract.key and contract.columns[name].type == "STRING":
        return _collation(contract.columns[name].collation, column)
    return []


def _collation(declared: str | None, column: SourceColumn) -> list[str]:
    """Two keys that the source tells apart must not become one here, nor one become two."""
    name = column.collation
    if name is None:  # a uniqueidentifier
        return []
    if "_CI_AI" in name or "_CS_AI" in name:
        return [f"the key column {column.name} has the collation {name}, which ignores accents: that is not carried"]
    found = "case_sensitive" if "_CS" in name or "_BIN" in name else "case_insensitive"
    if found == declared:
        return []
    return [f"the key column {column.name} has the collation {name}: write collation: {found}, not {declared}"]


def _new_columns(contract: DatasetContract, catalog: Catalog, before: Mapping[str, str] | None) -> list[str]:
    known = {*contract.columns, contract.position_column, *(before or {})}  # of what was there then it has been told
    new = sorted(column.name for column in catalog.columns if column.name not in known)
    return [f"not in the contract, so never read: {', '.join(new)}"] if new else []
