"""What is a mapping to begin with? (columns of one name are taken, key for key; what has none is NULL, and says so)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from include.catalogue import Catalogue
from include.contract import DatasetContract, EntityColumn
from include.declare.entity import OWN_ID, model_name, parent_of
from include.declare.files import snake
from include.errors import RequestError
from include.names import MappingName

_PLAIN = {("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("NUMERIC", "BIGNUMERIC")}
_BY_FUNCTION = {
    ("INT64", "STRING"): "CAST({} AS STRING)",
    ("DATETIME", "TIMESTAMP"): "TIMESTAMP({}, '{zone}')",
    ("DATETIME", "DATE"): "DATE({})",
    ("STRING", "STRING"): "NULLIF(TRIM({}), '')",
}
_SAYS_HOW_TO_READ = re.compile(r"\bmeans?\b")


@dataclass(frozen=True)
class Projection:
    """`expression AS name`, with a comment where something is left to do."""

    expression: str
    name: str
    remark: str = ""


def mapping_text(name: MappingName, catalogue: Catalogue) -> str:
    """A mapping that passes `check`. Raises RequestError when a reference has no column that it could be made of."""
    entity, source = catalogue.entity(name.entity), catalogue.dataset(name.source)
    found = [
        _reference(name, column, declared.references, catalogue)
        if declared.references
        else _by_name(name, column, declared, source)
        for column, declared in entity.columns.items()
    ]
    return "\n".join([*_head(name, source, found), "SELECT", *_lines(found), f"FROM staging.{name.source.flat}"]) + "\n"


def _head(name: MappingName, source: DatasetContract, projections: list[Projection]) -> Iterator[str]:
    yield f"-- {name.source} as {name.entity} of the common model: one row in, one row out."
    yield "--"
    yield f"-- Reads    staging.{name.source.flat}"
    blank = any("NULLIF(TRIM(" in p.expression for p in projections)
    yield f"-- Choices  {'blank means unknown, as everywhere; ' if blank else ''}to do: say what else was decided"
    yield "--"
    yield "-- To do: a row that does not count is said so, never filtered away: … AS is_present (without it all count)."
    unused = [c for c in source.columns if c not in source.key and not any(c in p.expression for p in projections)]
    if unused:
        yield f"-- Not used, so not claimed: {', '.join(unused)}."


def _lines(projections: list[Projection]) -> Iterator[str]:
    width = max(len(p.expression) for p in projections)
    for index, p in enumerate(projections):
        comma = "," if index < len(projections) - 1 else ""
        yield f"  {p.expression:{width}}  AS {_in_sql(p.name)}{comma}{f'  -- {p.remark}' if p.remark else ''}"


def _reference(name: MappingName, column: str, parent: str, catalogue: Catalogue) -> Projection:
    source = catalogue.dataset(name.source)
    found = [c for c in source.columns if parent_of(name.source, c, catalogue) == parent]
    if len(found) != 1:
        raise RequestError(
            f"{name.entity}.{column} is a reference to {parent}, and "
            + (f"{', '.join(found)} of {name.source} all refer" if found else f"no column of {name.source} refers")
            + " to one",
            where=f"sql/sources/{name.source}/contract.yaml",
            remedy=f"write `refers_to: <dataset that a mapping makes a {parent} of>` at the column that holds its id"
            if not found
            else f"write {name.file_stem}.sql by hand, with the right one AS {column}",
        )
    return Projection(_in_sql(found[0]), column)


def _by_name(name: MappingName, column: str, declared: EntityColumn, source: DatasetContract) -> Projection:
    """The source's column of that name, in the entity's type; for the first system's own id the source's own."""
    same = [c for c, d in source.columns.items() if column in (snake(c), model_name(c, d))]
    if same:
        remarks = [f"to do: or {', '.join(same[1:])}?"] if same[1:] else []
    elif declared.describes == OWN_ID and len(source.key) == 1:
        same, remarks = source.key, [f"a guess: the key of {name.source}"]
    else:
        return _unknown(column, declared, f"to do: no column of {name.source} has this name")
    return _made_of(same[0], column, declared, source, [*remarks, *_how_to_read(same[0], source)])


def _how_to_read(column: str, source: DatasetContract) -> list[str]:
    """What the contract says of a value that is not what it seems: `9999-12-31 means open`."""
    described = " ".join(source.columns[column].describes.split())
    return [f"to do: {described}"] if _SAYS_HOW_TO_READ.search(described) else []


def _made_of(of: str, column: str, declared: EntityColumn, source: DatasetContract, remarks: list[str]) -> Projection:
    pair, remark = (source.columns[of].type, declared.type), "; ".join(remarks)
    if pair in _BY_FUNCTION:
        return Projection(_BY_FUNCTION[pair].format(_in_sql(of), zone=source.zone), column, remark)
    if pair[0] == pair[1] or pair in _PLAIN:
        return Projection(_in_sql(of), column, remark)
    return _unknown(column, declared, "; ".join([f"to do: {of} is {pair[0]}", *remarks]))


def _unknown(column: str, declared: EntityColumn, remark: str) -> Projection:
    return Projection(f"CAST(NULL AS {declared.type})", column, remark)


def _in_sql(name: str) -> str:
    """In backticks where GoogleSQL keeps the word for itself."""
    return exp.to_identifier(name).sql("bigquery")
