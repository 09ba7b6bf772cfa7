"""What must a statement know of an entity? (names, keys, references, who speaks for it; made from the declarations)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from include.catalogue import Catalogue
from include.contract import DatasetContract, EntityContract
from include.mapping import SAME_AS, Mapping
from include.merge.fit import reference
from include.names import DatasetName, key_column
from include.rendering import word

TableName = Callable[[str, str], str]
"""(dataset, table) to `project.dataset.table`: GoogleCloudSettings.table."""
CUSTOMER = "customer"


@dataclass(frozen=True)
class Key:
    """A key column of a dataset, and how its text is compared."""

    name: str
    type: str
    collation: str | None


@dataclass(frozen=True)
class Reference:
    """A column that holds the source key of another entity's record.

    becomes: the column of the common model. id_space: by the record's own dataset, `system/dataset` to dataset.
    """

    column: str
    entity: str
    becomes: str
    identity: str
    id_spaces: dict[str, str]

    def id_space(self, alias: str) -> str:
        """The id space that a row of `conformed` refers to, as an expression."""
        cases = " ".join(f"WHEN {word(own)} THEN {word(other)}" for own, other in self.id_spaces.items())
        return f"(CASE CONCAT({alias}.system, '/', {alias}.id_space) {cases} END)"


@dataclass(frozen=True)
class Linkable:
    """A dataset whose records another system's records may name as the same."""

    system: str
    id_space: str
    key: Key


@dataclass(frozen=True)
class Facts:
    """An entity as the statements see it.

    customer: by which customer it is mastered: its own, by a reference to customer, or through the entity that a
    reference names; None: always by precedence. through: that entity's facts. month: what truncates the partition
    column, with its type. linkable: the datasets that a link can name; none: no mapping gives links. mappings: the
    ledger's name of each mapping, to its system.
    """

    name: str
    key: str
    tables: dict[str, str]
    columns: tuple[str, ...]
    model_columns: dict[str, str]
    published: tuple[str, ...]
    ranks: tuple[str, ...]
    mappings: dict[str, str]
    references: dict[str, Reference]
    identified_by: tuple[str, ...]
    types: dict[str, str]
    customer: Literal["own", "reference", "through"] | None
    customer_column: str | None
    through: Facts | None
    partition: str | None
    linkable: tuple[Linkable, ...]

    @property
    def month_type(self) -> str | None:
        """DATE or TIMESTAMP: the type of the partitions' values."""
        return self.types[self.partition] if self.partition else None

    def month(self, alias: str = "") -> str:
        """The month of a row of its tables, as an expression."""
        return f"{self.month_type}_TRUNC({alias + '.' if alias else ''}`{self.partition}`, MONTH)"

    @property
    def refers_to(self) -> set[str]:
        return {reference.entity for reference in self.references.values()}


def entity_tables(table: TableName, entity: str) -> dict[str, str]:
    """The full names of an entity's own tables and of those that all share."""
    datasets = ("ledger", "conformed", "identity", "common_model", "change_log", "history")
    own = {name: table(name, entity) for name in datasets}
    shared = dict.fromkeys(("authority", "environment", "move", "moved_customer"), "migration") | {"salt": "identity"}
    return own | {name: table(dataset, name) for name, dataset in shared.items()}


def facts(catalogue: Catalogue, table: TableName, name: str) -> Facts:
    """Raises DeclarationError when a reference of a mapping does not fit."""
    entity = catalogue.entity(name)
    references = {r.column: r for r in _references(catalogue, table, name, entity)}
    customer, column, through = _customer(catalogue, table, name, entity, references)
    return Facts(
        name=name,
        key=key_column(name),
        tables=entity_tables(table, name),
        columns=tuple(entity.columns),
        model_columns=entity.model_columns(),
        published=tuple(entity.published()),
        ranks=tuple(entity.precedence),
        mappings={mapping.file_stem: mapping.source.system for mapping in catalogue.mapping_names(name)},
        references=references,
        identified_by=tuple(entity.identified_by),
        types={column: declared.type for column, declared in entity.columns.items()},
        customer=customer,
        customer_column=column,
        through=through,
        partition=entity.partitioned_by,
        linkable=tuple(_linkable(catalogue, name)),
    )


def _customer(
    catalogue: Catalogue, table: TableName, name: str, entity: EntityContract, references: dict[str, Reference]
) -> tuple[Literal["own", "reference", "through"] | None, str | None, Facts | None]:
    if entity.mastered != "by_customer":
        return None, None, None
    if name == CUSTOMER:
        return "own", None, None
    match catalogue.customer_through(name):
        case [column]:
            return "reference", column, None
        case [column, _]:
            return "through", column, facts(catalogue, table, references[column].entity)
    return None, None, None


def _references(catalogue: Catalogue, table: TableName, name: str, entity: EntityContract) -> Iterator[Reference]:
    for column, parent in entity.references.items():
        id_spaces = {}
        for mapping_name in catalogue.mapping_names(name):
            mapping, source = catalogue.mapping(mapping_name), catalogue.dataset(mapping_name.source)
            if mapping.output(column).sources:  # none: this system does not know it
                parent_dataset = reference(catalogue, mapping, source, mapping.output(column), parent)
                id_spaces[str(mapping_name.source)] = parent_dataset.dataset
        yield Reference(column, parent, key_column(parent), table("identity", parent), id_spaces)


def _linkable(catalogue: Catalogue, name: str) -> Iterator[Linkable]:
    """None where no mapping gives links. (That an id names one record is proven by `fit`.)"""
    if any(catalogue.mapping(one).gives(SAME_AS) for one in catalogue.mapping_names(name)):
        for source in (source for sources in catalogue.id_spaces(name).values() for source in sources):
            (key,) = keys(catalogue.dataset(source))
            yield Linkable(source.system, source.dataset, key)


def keys(source: DatasetContract) -> list[Key]:
    """The key of a dataset, in its order."""
    columns = [(name, source.columns[name]) for name in source.key]
    return [Key(name, column.type, column.collation) for name, column in columns]


def parents(mapping: Mapping, source: DatasetContract, name: DatasetName) -> dict[str, DatasetName]:
    """Reference column of a mapping to the dataset of the same system whose key it holds."""
    found = {}
    for output in mapping.outputs:
        refers_to = source.columns[output.sources[0]].refers_to if output.is_plain else None
        if refers_to:
            found[output.name] = DatasetName(name.system, refers_to)
    return found


def dependents(catalogue: Catalogue, name: str) -> list[str]:
    """The entities that refer to it, or to one that does: each behind all that it refers to."""
    below = [other for other in catalogue.entity_names() if name in catalogue.ancestors(other)]
    return sorted(below, key=lambda other: (len(catalogue.ancestors(other)), other))


def locked_entities(catalogue: Catalogue, name: str) -> list[str]:
    """The entities that a merge into `name` reads or writes, in the order in which it locks them."""
    authority = {CUSTOMER} if catalogue.entity(name).mastered == "by_customer" else set()
    below = set(dependents(catalogue, name))
    around = {other for one in below for other in catalogue.ancestors(one)}
    return sorted({name, *catalogue.ancestors(name), *below, *around, *authority})
