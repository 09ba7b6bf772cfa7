"""Does each contract fit those of the others? (what one contract cannot know alone)"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from include.catalogue import CUSTOMER, Catalogue
from include.contract import DatasetContract, EntityContract, Landed
from include.errors import DeclarationError
from include.names import DatasetName, did_you_mean
from include.publish.schema_files import schema_mistakes
from include.yaml_file import line_of, said_of_columns

_READ_IN_PLACE = "platform"


def of_datasets(catalogue: Catalogue) -> Iterator[DeclarationError]:
    tables: dict[tuple[str, str], DatasetName] = {}
    for name in catalogue.dataset_names():
        yield from _refers_to_none(catalogue, name)
        try:
            contract = catalogue.dataset(name)
        except DeclarationError as error:
            yield from error.all()
            continue
        yield from _capture(catalogue.dataset_path(name), name, contract)
        yield from _references(catalogue, name, contract)
        other = tables.setdefault((name.system, contract.table.lower()), name)
        if other != name:
            yield DeclarationError(
                f"{other} and {name} are one table, {contract.table}, which would be read twice",
                where=line_of(catalogue.dataset_path(name), "table"),
                remedy="keep one of them, with the columns of both: each use case claims its own",
            )


def _capture(path: Path, name: DatasetName, contract: DatasetContract) -> Iterator[DeclarationError]:
    landed = isinstance(contract.capture, Landed)
    if landed != (name.system == _READ_IN_PLACE):
        yield DeclarationError(
            f"{name.system} is {'not ' if landed else ''}read in place, so it cannot be captured by "
            f"{contract.capture.method}",
            where=line_of(path, "capture"),
            remedy="write method: snapshot, rowversion, change_tracking, cdc or timestamp"
            if landed
            else "write method: landed",
        )
    if isinstance(contract.capture, Landed):
        yield from _deleted_when(path, contract, contract.capture)


def _deleted_when(path: Path, contract: DatasetContract, capture: Landed) -> Iterator[DeclarationError]:
    where, problem = line_of(path, "capture", "deleted_when"), ""
    try:
        tree = sqlglot.parse_one(capture.deleted_when, read="bigquery")
    except SqlglotError as error:
        problem = f"deleted_when is not SQL: {str(error).splitlines()[0]}"
    else:
        beside = {place.partition(".")[0] for place in (capture.partition, capture.offset, capture.landed_at)}
        unknown = {column.parts[0].name for column in tree.find_all(exp.Column)} - {*contract.columns, *beside}
        if tree.find(exp.Query, exp.AggFunc, exp.Window) or not tree.find(exp.Column):
            problem = f"deleted_when must say it of one row: {capture.deleted_when}"
        elif unknown:
            problem = f"deleted_when names {', '.join(sorted(unknown))}, which is not among the columns"
    if problem:
        yield DeclarationError(problem, where=where, remedy="write what only a tombstone is: customer_id IS NULL")


def _references(catalogue: Catalogue, name: DatasetName, contract: DatasetContract) -> Iterator[DeclarationError]:
    for column, declared in contract.columns.items():
        parent = DatasetName(name.system, declared.refers_to or "")
        if parent not in catalogue.dataset_names() or not _is_right(catalogue, parent):
            continue
        key = catalogue.dataset(parent).key
        if [declared.type] != [catalogue.dataset(parent).columns[k].type for k in key]:
            problem = f"{column} cannot be compared with the key of {parent}, {', '.join(key)}"
            yield _wrong_reference(catalogue, name, column, problem)


def _refers_to_none(catalogue: Catalogue, name: DatasetName) -> Iterator[DeclarationError]:
    """Whatever else is wrong in the contract."""
    there = [other for other in catalogue.dataset_names() if other.system == name.system]
    for column, refers_to in said_of_columns(catalogue.dataset_path(name), "refers_to").items():
        parent = DatasetName(name.system, refers_to)
        if parent not in there:
            problem = f"{column} refers to {parent}, which has no contract{did_you_mean(parent, there)}"
            yield _wrong_reference(catalogue, name, column, problem)


def _wrong_reference(catalogue: Catalogue, name: DatasetName, column: str, problem: str) -> DeclarationError:
    return DeclarationError(
        problem,
        where=line_of(catalogue.dataset_path(name), "columns", column),
        remedy="name a dataset of this system whose key is one column of the same type, or take refers_to out",
    )


def _is_right(catalogue: Catalogue, name: DatasetName) -> bool:
    try:
        catalogue.dataset(name)
    except DeclarationError:  # told at its own place
        return False
    return True


def of_entities(catalogue: Catalogue) -> Iterator[DeclarationError]:
    for name in catalogue.entity_names():
        path = catalogue.entity_path(name)
        yield from _refers_to_nobody(catalogue, path)
        try:
            contract = catalogue.entity(name)
            yield from schema_mistakes(path.parent, name, contract)
        except DeclarationError as error:
            yield from error.all()
            continue
        yield from _in_a_circle(catalogue, path, name, contract)
        yield from _without_customer(catalogue, path, name, contract)
        yield from shared_topic(catalogue, name)


def shared_topic(catalogue: Catalogue, entity: str) -> Iterator[DeclarationError]:
    """The topic of another entity, too: each would undo the other's state."""
    topic = _topic_of(catalogue, entity)
    for other in catalogue.entity_names():
        if topic and other != entity and _topic_of(catalogue, other) == topic:
            first, second = sorted((entity, other))
            yield DeclarationError(
                f"{first} and {second} have one topic, {topic}",
                where=line_of(catalogue.entity_path(second), "event"),
                remedy="give each entity a topic of its own",
            )


def _topic_of(catalogue: Catalogue, entity: str) -> str | None:
    """None of an entity that has no event, and of one whose contract is wrong: that stops those alone who publish
    it."""
    try:
        return catalogue.topic(entity)
    except DeclarationError:
        return None


def _refers_to_nobody(catalogue: Catalogue, path: Path) -> Iterator[DeclarationError]:
    """Whatever else is wrong in the contract."""
    for column, parent in said_of_columns(path, "references").items():
        if parent not in catalogue.entity_names():
            yield DeclarationError(
                f"{column} refers to {parent}, which is no entity{did_you_mean(parent, catalogue.entity_names())}",
                where=line_of(path, "columns", column),
                remedy=f"name one of: {', '.join(catalogue.entity_names())}",
            )


def _in_a_circle(catalogue: Catalogue, path: Path, name: str, contract: EntityContract) -> Iterator[DeclarationError]:
    """A row's key can follow its parent's only where each row has a last parent."""
    for column, parent in contract.references.items():
        if name in {parent, *catalogue.ancestors(parent)}:
            yield DeclarationError(
                f"{name} refers to {parent}, which leads back to {name}",
                where=line_of(path, "columns", column),
                remedy="take one of the references out: what belongs to what has an end",
            )


def _without_customer(
    catalogue: Catalogue, path: Path, name: str, contract: EntityContract
) -> Iterator[DeclarationError]:
    if contract.mastered == "always" or name == CUSTOMER:
        return
    try:
        found = catalogue.customer_through(name)
    except DeclarationError:  # of a parent: told at its own place
        return
    if not found:
        yield DeclarationError(
            f"{name} is mastered by its customer, but no column refers to one",
            where=line_of(path, "columns"),
            remedy="add customer_id: {references: customer}, or a reference to an entity that has one and is itself "
            "mastered by its customer (account); or say mastered: always",
        )
