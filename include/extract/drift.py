"""Do the source's catalog and the contract still agree? (asked before a row is read)"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from include.contract import DatasetContract
from include.errors import DriftError
from include.extract.types import SourceColumn, exact_types, why_refused
from include.names import DatasetName


@dataclass(frozen=True)
class Catalog:
    """What SQL Server says of a table; an empty `primary_key` when it has none."""

    columns: Sequence[SourceColumn]
    primary_key: Sequence[str]


def compare(name: DatasetName, contract: DatasetContract, catalog: Catalog, columns: Sequence[str]) -> list[str]:
    """Notes for the log (columns that are not in the contract, a missing primary key).

    Raises DriftError with both sides and what to write, when the table is missing; when one of `columns` is missing,
    has a type that the declared one cannot hold exactly, may be NULL though it is required, or is a position that is no
    rowversion; or when the key is another, or compares its text in another way.
    """
    if not catalog.columns:
        raise DriftError(
            f"there is no table {contract.table}, or it is hidden from us",
            where=f"sql/sources/{name}/contract.yaml",
            remedy="correct `table`, or have granted what "
            f"`python -m include grants {name.system} --to <login>` prints",
        )
    there = {column.name: column for column in catalog.columns}
    missing = [wanted for wanted in columns if wanted not in there]
    problems = [f"column {', '.join(missing)} is missing (there are: {', '.join(sorted(there))})"] if missing else []
    problems += [problem for wanted in columns if wanted in there for problem in _column(contract, there[wanted])]
    if catalog.primary_key and sorted(catalog.primary_key) != sorted(contract.key):
        keys = ", ".join(catalog.primary_key), ", ".join(contract.key)
        problems.append(f"the primary key is ({keys[0]}), the contract's key ({keys[1]}): write key: [{keys[0]}]")
    if problems:
        raise DriftError(
            f"{contract.table} is not what the contract of {name} says: " + "; ".join(problems),
            where=f"sql/sources/{name}/contract.yaml",
            remedy="ask the owner what changed, correct the contract, and review the mappings that read it",
        )
    return _notes(contract, catalog)


def _column(contract: DatasetContract, column: SourceColumn) -> list[str]:
    name, declared, exact = column.name, contract.column_type(column.name), exact_types(column)
    if not exact:
        return [f"{name} is {column.text()}, which is not carried: {why_refused(column)}"]
    if re.split(r"\(", declared)[0] not in exact:
        return [f"{name} is {column.text()} there and {declared} here: write {name}: {{type: {exact[0]}}}"]
    return _promises(contract, column, declared)


def _promises(contract: DatasetContract, column: SourceColumn, declared: str) -> list[str]:
    """What the contract says of a column beyond its type: a position, never NULL, a key's way to compare."""
    name = column.name
    if name == contract.position_column and column.type != "timestamp":
        return [f"{name} is {column.text()} there: only a rowversion column grows with every change of its row"]
    if name in contract.columns and contract.columns[name].required and column.nullable:
        return [f"{name} may be NULL at the source: write {name}: {{type: {declared}}}, or have it made NOT NULL"]
    if name in contract.key and declared == "STRING":
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


def _notes(contract: DatasetContract, catalog: Catalog) -> list[str]:
    new = sorted(column.name for column in catalog.columns if column.name not in contract.columns)
    new = [name for name in new if name != contract.position_column]
    notes = [f"not in the contract, so never read: {', '.join(new)}"] if new else []
    return notes + (
        [] if catalog.primary_key else ["the table has no primary key: a batch in which a key is doubled is not merged"]
    )
