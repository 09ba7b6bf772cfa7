"""What is an entity's contract to begin with? (of its own, or after the columns of a dataset)"""

from __future__ import annotations

import json
import re

from include.catalogue import CUSTOMER, Catalogue
from include.contract import DatasetColumn, DatasetContract
from include.declare.files import HERE, in_yaml, snake
from include.declare.source import ColumnLine
from include.errors import RequestError
from include.names import SYSTEMS, DatasetName, MappingName, identifier, key_column

OWN_ID = "the system's own id"
"""How a new entity describes the key of the dataset that it was begun with: a mapping looks for its own dataset's."""
_TIME = re.compile(r"_(datetime|date|time|timestamp|on|at)$")


def entity_text(name: str, after: DatasetName | None, catalogue: Catalogue) -> str:
    """A contract that passes `check`. Raises RequestError when nothing of the dataset says whose it is."""
    identifier(name, HERE)
    lines, left_out = _columns_after(name, after, catalogue) if after else (_columns_to_begin_with(name), [])
    kept_after = next((line.name for line in lines if line.settings.get("type") in ("DATE", "TIMESTAMP")), None)
    if kept_after is None:
        kept_after = "recorded_at"
        lines.append(_recorded_at())
    width = max(len(line.name) for line in lines)
    first = [after.system] if after else []
    return (
        "\n".join(
            [
                f"describes: {json.dumps(f'One row per {_words(name)}.')}  # to do: which ones, and seen by whom",
                f"owner: {name.replace('_', '-')}-domain  # a guess: who decides what the columns mean",
                "mastered: by_customer  # the system that speaks for its customer speaks for it",
                f"precedence: [{', '.join([*first, *(s for s in SYSTEMS if s not in first)])}]  # where systems are "
                "first seen together; after that a move decides",
                f"event: {{topic: {name}.changes.v1}}  # add `withhold: [column]` for what consumers must not get",
                "consumers: []  # who follows the topic",
                f"retention: {{keep: 7y, after: {in_yaml(kept_after)}}}  # a guess: for how long it may be kept",
                "columns:  # each mapping gives all of them; a reference as the source's id, which becomes our key",
                *(line.text(width) for line in lines),
                *left_out,
            ]
        )
        + "\n"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _columns_to_begin_with(name: str) -> list[ColumnLine]:
    return [_customer_id(name), _recorded_at()]


def _customer_id(name: str) -> ColumnLine:
    return ColumnLine("customer_id", {"references": CUSTOMER, "describes": json.dumps(f"whose {_words(name)} it is")})


def _recorded_at() -> ColumnLine:
    return ColumnLine("recorded_at", {"type": "TIMESTAMP", "describes": '"null when unknown"'}, "to do: what else?")


def _columns_after(name: str, dataset: DatasetName, catalogue: Catalogue) -> tuple[list[ColumnLine], list[str]]:
    """The lines of the columns, and a comment for each that has no name of its own."""
    contract = catalogue.dataset(dataset)
    references = {column: parent for column in contract.columns if (parent := parent_of(dataset, column, catalogue))}
    if name != CUSTOMER and not any(p == CUSTOMER or catalogue.customer_through(p) for p in references.values()):
        if MappingName(CUSTOMER, dataset) in catalogue.mapping_names(CUSTOMER):
            raise RequestError(
                f"{dataset} holds the customers themselves ({CUSTOMER}/from_{dataset.flat} makes them of it), so its "
                f"rows cannot be a {_words(name)} that belongs to one",
                where=HERE,
                remedy=f"add the columns to sql/common_model/{CUSTOMER}/contract.yaml and to its mappings, or begin "
                f"the entity with a dataset whose rows refer to {dataset}",
            )
        raise RequestError(
            f"no column of {dataset} says whose {_words(name)} it is: the customer's system speaks for it, so each row "
            "must refer to a customer, or to something that does",
            where=f"sql/sources/{dataset}/contract.yaml",
            remedy="write `refers_to: <dataset of the same system that a mapping makes a customer of>` at the column "
            "that holds the customer's id (an account's will do). What belongs to no customer is `mastered: always`: "
            "begin it without --from, and write its columns by hand",
        )
    lines: dict[str, ColumnLine] = {}
    left_out: list[str] = []
    for column, declared in contract.columns.items():
        line = _column_after(column, declared, references.get(column), contract)
        if line.name in lines or line.name == key_column(name):
            left_out.append(
                f"  # to do: {column} is left out, {line.name} is taken; if it is needed, name it otherwise"
            )
        else:
            lines[line.name] = line
    return list(lines.values()), left_out


def parent_of(dataset: DatasetName, column: str, catalogue: Catalogue) -> str | None:
    """The entity that a mapping makes of the dataset to which a column refers."""
    refers_to = catalogue.dataset(dataset).columns[column].refers_to
    if refers_to is None:
        return None
    parent = DatasetName(dataset.system, refers_to)
    return next((e for e in catalogue.entity_names() if MappingName(e, parent) in catalogue.mapping_names(e)), None)


def _column_after(
    column: str, declared: DatasetColumn, references: str | None, contract: DatasetContract
) -> ColumnLine:
    if references:
        return ColumnLine(f"{references}_id", {"references": references})
    name, kind = model_name(column, declared), declared.type
    settings = {"type": "TIMESTAMP" if kind == "DATETIME" else kind}
    if declared.privacy != "none":
        settings["privacy"] = declared.privacy
    if column in contract.key:
        settings["describes"] = json.dumps(OWN_ID)
    return ColumnLine(name, settings)


def model_name(column: str, declared: DatasetColumn) -> str:
    """What a source's column is called in the common model: a moment ends in `_at`."""
    name = snake(column)
    if declared.type in ("DATETIME", "TIMESTAMP"):
        return f"{_TIME.sub('', name)}_at"
    return name
