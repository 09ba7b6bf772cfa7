"""What is a dataset's contract, as far as the catalog of its system tells? (the text of `contract.yaml`)"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.catalogue import Catalogue
from include.contract import COLUMN, NOT_FOR_KEYS, DatasetContract, Landed
from include.declare.files import HERE, in_yaml, snake
from include.declare.guesses import privacy_of
from include.errors import RequestError, SourceRefused
from include.extract.catalog import Captures, Catalog
from include.extract.types import SourceColumn, exact_types, why_refused
from include.names import DatasetName, identifier

_AT_MOST = "deletes_at_most: 1%  # more in one batch is refused until a person allows the number"
_ROWVERSION = "timestamp"  # as the catalog calls it
_ZONE = "Europe/London"


@dataclass(frozen=True)
class ColumnLine:
    """A line below `columns:`. `settings` is what stands in the braces; `remark` the comment behind it."""

    name: str
    settings: Mapping[str, str]
    remark: str = ""

    def text(self, width: int) -> str:
        settings = ", ".join(f"{key}: {value}" for key, value in self.settings.items())
        return f"  {in_yaml(self.name) + ':':{width + 1}} {{{settings}}}{'  # ' + self.remark if self.remark else ''}"


def parse_table(text: str, parts: str) -> list[str]:
    """The parts of `Database.schema.Table` (brackets are taken off) or `dataset.table`; raises RequestError."""
    found = [part.strip("[]") for part in text.split(".")]
    if len(found) != parts.count(".") + 1 or not all(found):
        raise RequestError(f"'{text}' is not a table", where=HERE, remedy=f"write it as {parts}")
    return found


def dataset_name(system: str, parts: Sequence[str], given: str | None) -> DatasetName:
    """The given name, else the table's in our words, behind its schema's where that is not `dbo`."""
    schema = [] if len(parts) < 3 or parts[1].lower() == "dbo" else [parts[1]]
    return DatasetName(system, identifier(given or "_".join(map(snake, [*schema, parts[-1]])), HERE))


def contract_text(
    name: DatasetName,
    table: str,
    catalog: Catalog,
    unique: Sequence[Sequence[str]],
    siblings: Catalogue,
    captures: Captures,
) -> str:
    """A contract that passes `check`. `unique`: the columns of each unique index; `captures`: what the source keeps of
    its changes already.

    Raises SourceRefused when the table is missing or hidden, has no key, or one that cannot be carried.
    """
    if not catalog.columns:
        raise SourceRefused(
            f"there is no table {table}, or it is hidden from us",
            where=f"connection {name.system}",
            remedy="correct the name, or have granted VIEW DEFINITION and SELECT on it",
        )
    key = _key(table, catalog, unique)
    version = next((column.name for column in catalog.columns if column.type == _ROWVERSION), None)
    lines, left_out = _columns(name, catalog, key, version, siblings)
    lines_text = [line.text(max(len(line.name) for line in lines)) for line in lines]
    dated = any(line.settings["type"] == "DATETIME" for line in lines)
    capture = _capture(version, captures, table)
    zone = [f"zone: {_ZONE}  # a guess: of its date-times, which have none"] if dated else []
    head = [*_head(name, table, key, siblings), *capture, _AT_MOST, *zone]
    return "\n".join([*head, "columns:", *lines_text, *left_out]) + "\n"


def _head(name: DatasetName, table: str, key: Sequence[str], siblings: Catalogue) -> list[str]:
    return [
        f"describes: {json.dumps(f'One row per row of {table}.')}  # to do: one row per what, in the business's words",
        f"owner: {usual_owner(name.system, siblings)}  # a guess: whom to ask when the table changes",
        f"table: {table}",
        f"key: [{', '.join(map(in_yaml, key))}]",
    ]


def usual_owner(system: str, catalogue: Catalogue) -> str:
    """Who owns most of the system's datasets; the system's own name when there is none yet."""
    owners = Counter(catalogue.dataset(n).owner for n in catalogue.dataset_names() if n.system == system)
    return owners.most_common(1)[0][0] if owners else system


def _capture(version: str | None, captures: Captures, table: str) -> list[str]:
    """The way that asks least of the source and misses nothing, of those that it allows now."""
    captured = "deletes: captured  # who is gone is said with the changes"
    if captures.change_tracking:
        return [
            "capture: {method: change_tracking}  # it is on: keys that changed, with their rows as they are",
            captured,
        ]
    if version:
        return [
            f"capture: {{method: rowversion, column: {in_yaml(version)}}}  # only rows that changed are read",
            "deletes: key_scan  # each batch looks at all keys; never: when no row is ever deleted",
        ]
    if captures.cdc:
        instance = "_".join(table.split(".")[1:])
        return [
            f"capture: {{method: cdc, instance: {in_yaml(instance)}}}  # it is on; a guess: its usual name",
            captured,
        ]
    return [
        "capture: {method: snapshot}  # everything is read each time: it has no rowversion, no change tracking",
        "deletes: captured  # who is missing in a snapshot is gone",
    ]


def _key(table: str, catalog: Catalog, unique: Sequence[Sequence[str]]) -> list[str]:
    """The primary key, else the shortest unique index without a NULL."""
    there = {column.name: column for column in catalog.columns}
    without_null = [list(index) for index in unique if not any(there[column].nullable for column in index)]
    key = list(catalog.primary_key) or min(without_null, key=len, default=[])
    if not key:
        raise SourceRefused(
            f"{table} has neither a primary key nor a unique index over columns that are never NULL, so that a row "
            "could not be told from another",
            where=table,
            remedy="ask the owner for one; or find columns that tell its rows apart (SELECT … GROUP BY … HAVING "
            "COUNT(*) > 1 gives none) and write the contract by hand with them as key",
        )
    for column in key:
        _check_key_column(table, there[column])
    return key


def _check_key_column(table: str, column: SourceColumn) -> None:
    types = exact_types(column)
    problem = ""
    if not types or types[0] in NOT_FOR_KEYS or not COLUMN.fullmatch(column.name):
        problem = f"is {column.text()}, which cannot be a key"
    elif "_AI" in (column.collation or ""):
        problem = f"has the collation {column.collation}, which ignores accents: that is not carried"
    if problem:
        raise SourceRefused(
            f"the key column {column.name} {problem}",
            where=f"{table}.{column.name}",
            remedy="ask the owner for another unique column, or for a view that has one",
        )


def _columns(
    name: DatasetName, catalog: Catalog, key: Sequence[str], version: str | None, siblings: Catalogue
) -> tuple[list[ColumnLine], list[str]]:
    """The lines of the columns that can be carried, and a comment per column that cannot."""
    lines, left_out, names = [], [], {column.name for column in catalog.columns}
    for column in catalog.columns:
        if column.type == _ROWVERSION:
            continue
        if reason := _why_left_out(column, version):
            left_out.append(f"  # {column.name} is {column.text()}: {reason}")
            continue
        kind = exact_types(column)[0]
        lines.append(_line(name, column, kind, siblings, is_key=column.name in key))
        if kind == "TIMESTAMP" and f"{column.name}_offset_minutes" not in names:
            lines.append(_offset_line(column))
    return lines, left_out


def _why_left_out(column: SourceColumn, version: str | None) -> str:
    """Empty for a column that can be carried."""
    if not exact_types(column):
        return why_refused(column)
    if not COLUMN.fullmatch(column.name):
        return "no column of BigQuery may be called so; have a view that gives it another name"
    if column.trait == "volatile" and version:
        return f"it is computed from more than its row, so that it changes while {version} stays"
    return ""


def _offset_line(column: SourceColumn) -> ColumnLine:
    """The moment itself has lost it: whoever wants it claims it."""
    settings = {"type": "INT64", **({} if column.nullable else {"required": "true"}), "offset_of": in_yaml(column.name)}
    return ColumnLine(f"{column.name}_offset_minutes", settings, "minutes from UTC")


def _line(name: DatasetName, column: SourceColumn, kind: str, siblings: Catalogue, *, is_key: bool) -> ColumnLine:
    settings = {"type": kind}
    if not column.nullable:
        settings["required"] = "true"
    if is_key and kind == "STRING":
        settings["collation"] = "case_sensitive" if _tells_cases(column.collation or "") else "case_insensitive"
    settings |= guessed(name, column.name, kind, siblings, is_key=is_key)
    guesses = [word for word in ("privacy", "refers_to") if word in settings]
    return ColumnLine(column.name, settings, "a guess, by its name" if guesses else "")


def guessed(name: DatasetName, column: str, kind: str, siblings: Catalogue, *, is_key: bool) -> dict[str, str]:
    """`privacy` and `refers_to`, where the column's name lets guess them."""
    found: dict[str, str] = {}
    parent = None if is_key else _referred(name, column, kind, siblings)
    if parent:
        found["refers_to"] = parent
    elif privacy_of(column) != "none":
        found["privacy"] = privacy_of(column)
    return found


def _tells_cases(collation: str) -> bool:
    return "_CS" in collation or "_BIN" in collation


def _referred(name: DatasetName, column: str, kind: str, siblings: Catalogue) -> str | None:
    """The one dataset of the system whose key has this column's name and type."""
    found = [
        other.dataset
        for other in siblings.dataset_names()
        if other.system == name.system
        and other != name
        and _is_key_of(column, kind, other.dataset, siblings.dataset(other))
    ]
    return found[0] if len(found) == 1 else None


def _is_key_of(column: str, kind: str, dataset: str, other: DatasetContract) -> bool:
    """Of a landed dataset every key is called `kafka_key`: there `customer_id` is taken for that of `customer`."""
    names = [f"{dataset}_id"] if isinstance(other.capture, Landed) else other.key
    return (
        len(other.key) == 1
        and [column.lower()] == [n.lower() for n in names]
        and other.columns[other.key[0]].type == kind
    )
