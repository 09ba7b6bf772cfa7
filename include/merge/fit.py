"""Do a mapping, its entity and its dataset fit together?"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import CUSTOMER, Catalogue
from include.contract import DatasetContract, EntityContract
from include.errors import DeclarationError, raise_first
from include.mapping import BESIDE, SAME_AS, TAKEN_OVER_AT, Output
from include.mapping import Mapping as RowMapping
from include.names import DatasetName, MappingName
from include.yaml_file import line_of


def check_fit(catalogue: Catalogue, mapping: RowMapping, entity: EntityContract, source: DatasetContract) -> None:
    """Raises DeclarationError unless the mapping gives exactly the entity's columns from columns that the dataset
    has, with each reference a plain column that says what it refers to (or NULL), and its system has a rank; and unless
    what it says of other systems' records can be understood."""
    raise_first(misfits(catalogue, mapping, entity, source))


def misfits(
    catalogue: Catalogue, mapping: RowMapping, entity: EntityContract, source: DatasetContract
) -> Iterator[DeclarationError]:
    """All that does not fit."""
    if mapping.name.source.system not in entity.precedence:
        yield DeclarationError(
            f"{mapping.name} maps the system {mapping.name.source.system}, which has no place in the precedence of "
            f"{mapping.name.entity}",
            where=line_of(catalogue.entity_path(mapping.name.entity), "precedence"),
            remedy="add it to `precedence`, behind those that shall speak before it",
        )
    given, wanted = {output.name: output for output in mapping.outputs if output.name not in BESIDE}, entity.columns
    for output in (output for name, output in given.items() if name not in wanted):
        yield DeclarationError(
            f"{mapping.name} gives {output.name}, but the entity has no {output.name}",
            where=f"{mapping.place}:{output.line}",
            remedy=f"take it out, or add it to the columns of {mapping.name.entity}'s contract",
        )
    lacking = [name for name in wanted if name not in given]
    if lacking:
        yield DeclarationError(
            f"{mapping.name} does not give the columns of {mapping.name.entity}: it lacks {', '.join(lacking)}",
            where=f"{mapping.place}:{mapping.outputs[-1].line}",
            remedy="give every column of the entity's contract (CAST(NULL AS …) where the system does not know it)",
        )
    yield from _never_given(mapping, entity)
    yield from _wrong_links(catalogue, mapping, entity)
    yield from _may_fail(mapping, source)
    unknown = list(_unknown_sources(mapping, source))
    yield from unknown
    if not unknown:
        yield from _wrong_references(catalogue, mapping, entity, source)


def _never_given(mapping: RowMapping, entity: EntityContract) -> Iterator[DeclarationError]:
    for output in mapping.outputs:
        if output.is_null and output.name in entity.columns and entity.columns[output.name].required:
            yield DeclarationError(
                f"{mapping.name} never gives {output.name}, which is required: each of its rows would be quarantined",
                where=f"{mapping.place}:{output.line}",
                remedy=f"give it, or take `required` from {output.name} in the contract of {mapping.name.entity}",
            )


def _may_fail(mapping: RowMapping, source: DatasetContract) -> Iterator[DeclarationError]:
    """Conversions that fail where a value is none of the type."""
    types = {name: column.type for name, column in source.columns.items()}
    for output in mapping.outputs:
        for conversion in (each for each in output.conversions if each.can_fail(types)):
            yield DeclarationError(
                f"{conversion.text} can fail to give {conversion.to or 'a value'}, and one such row stops all others",
                where=f"{mapping.place}:{output.line}",
                remedy="write SAFE_CAST(…), or SAFE. before the function, which give NULL; and where NULL is no answer "
                f"`required: true` at {output.name} in the contract of {mapping.name.entity}: the row is quarantined",
            )


def _wrong_links(catalogue: Catalogue, mapping: RowMapping, entity: EntityContract) -> Iterator[DeclarationError]:
    """What a mapping says of the records of other systems: which is the same, and who speaks since when."""
    name = mapping.name
    if mapping.gives(TAKEN_OVER_AT):
        where = f"{mapping.place}:{mapping.output(TAKEN_OVER_AT).line}"
        if name.entity != CUSTOMER:
            problem = f"{TAKEN_OVER_AT} is for the mappings of customer: what belongs to one follows"
            yield DeclarationError(problem, where=where, remedy="take it out")
        if not mapping.gives(SAME_AS):
            problem = f"{TAKEN_OVER_AT} says that a customer was taken over, and nothing says which"
            yield DeclarationError(problem, where=where, remedy=f"give `… AS {SAME_AS}`, <system>:<id>, beside it")
    if not mapping.gives(SAME_AS):
        return
    if entity.identified_by:
        yield DeclarationError(
            f"{SAME_AS} would do nothing: records of {name.entity} are one by {', '.join(entity.identified_by)}",
            where=f"{mapping.place}:{mapping.output(SAME_AS).line}",
            remedy=f"what facts make one needs no link: take {SAME_AS} out",
        )
    for system, datasets in catalogue.id_spaces(name.entity).items():
        problem = ""
        if len(datasets) > 1:
            problem = f"{system} has two kinds of ids of {name.entity}: those of {' and of '.join(map(str, datasets))}"
        elif len(key := catalogue.dataset(datasets[0]).key) > 1:
            problem = f"a record of {datasets[0]} has no id but {', '.join(key)}"
        if problem:
            yield DeclarationError(
                f"{SAME_AS} names a record as <system>:<id>, but {problem}",
                where=f"{mapping.place}:{mapping.output(SAME_AS).line}",
                remedy=f"an entity with links has one mapping per system, of a dataset with one key column: take "
                f"{SAME_AS} out, or make such a dataset at the source",
            )


def _unknown_sources(mapping: RowMapping, source: DatasetContract) -> Iterator[DeclarationError]:
    for output in mapping.outputs:
        unknown = [column for column in output.sources if column not in source.columns]
        if unknown:
            yield DeclarationError(
                f"{mapping.name.source} has no column {', '.join(unknown)}",
                where=f"{mapping.place}:{output.line}",
                remedy=f"its contract has: {', '.join(source.columns)}",
            )


def _wrong_references(
    catalogue: Catalogue, mapping: RowMapping, entity: EntityContract, source: DatasetContract
) -> Iterator[DeclarationError]:
    given = {output.name: output for output in mapping.outputs}
    for name, parent in entity.references.items():
        try:
            if name in given and not given[name].is_null:
                reference(catalogue, mapping, source, given[name], parent)
        except DeclarationError as error:
            yield error


def reference(
    catalogue: Catalogue, mapping: RowMapping, source: DatasetContract, output: Output, parent_entity: str
) -> DatasetName:
    """The dataset whose key a reference holds that is not always NULL."""
    where = f"{mapping.place}:{output.line}"
    refers_to = source.columns[output.sources[0]].refers_to if output.is_plain else None
    if refers_to is None:
        raise DeclarationError(
            f"{output.name} is a reference, but not a plain column that refers to a dataset",
            where=where,
            remedy=f"write <column> AS {output.name}, and `refers_to: <dataset>` at it in {mapping.name.source}; or "
            f"CAST(NULL AS <its type>) AS {output.name} where the system does not know it",
        )
    parent = DatasetName(mapping.name.source.system, refers_to)
    if MappingName(parent_entity, parent) not in catalogue.mapping_names(parent_entity):
        raise DeclarationError(
            f"{output.name} refers to {parent}, which no mapping turns into {parent_entity}",
            where=where,
            remedy=f"write {parent_entity}/from_{parent.flat}.sql, or correct `refers_to`",
        )
    key = catalogue.dataset(parent).key
    if len(key) != 1 or catalogue.dataset(parent).columns[key[0]].type != source.columns[output.sources[0]].type:
        raise DeclarationError(
            f"{output.name} cannot be compared with the key of {parent}",
            where=where,
            remedy="the key must be one column of the same type as the column that refers to it",
        )
    return parent
