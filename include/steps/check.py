"""Do use cases, contracts and mappings fit together? (what can be proven from the files)"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from include.catalogue import Catalogue
from include.contract import DatasetContract, EntityContract
from include.errors import DeclarationError, raise_first
from include.mapping import Mapping, look_at
from include.merge.checks import read_checks
from include.merge.fit import misfits
from include.merge.statement import needed_columns
from include.names import DatasetName, MappingName, did_you_mean
from include.steps import check_contracts, check_files
from include.steps.cohort_query import read_cohort_query
from include.use_case import UseCase


def problems(catalogue: Catalogue) -> Iterator[DeclarationError]:
    """Every mistake, not only the first."""
    told: set[str] = set()
    for error in _all_problems(catalogue):
        if str(error) not in told:
            told.add(str(error))
            yield error


def _all_problems(catalogue: Catalogue) -> Iterator[DeclarationError]:
    yield from check_files.misplaced(catalogue)
    yield from check_contracts.of_datasets(catalogue)
    yield from check_contracts.of_entities(catalogue)
    for name in catalogue.well_named_mappings():
        yield from found(partial(check_mapping, catalogue, name))
    for entity in catalogue.entity_names():
        if not found(partial(catalogue.entity, entity)):
            yield from found(partial(read_checks, catalogue, entity))
    for cohort in catalogue.cohort_names():
        yield from found(partial(read_cohort_query, catalogue, cohort))
    live = list(catalogue.use_cases.values())
    for broken in catalogue.broken.values():
        for error in broken.all():
            yield _missing(catalogue, error) or error
    for case in live:
        yield from found(partial(check_use_case, catalogue, case))


def _missing(catalogue: Catalogue, error: DeclarationError) -> DeclarationError | None:
    """A use case that names a mapping or an entity that is not there: nothing else that is said of it helps."""
    part, name = error.at if len(error.at) == 2 else ("", "")
    kinds: dict[str, tuple[str, list[str]]] = {
        "merges": ("mapping", [str(mapping) for mapping in catalogue.well_named_mappings()]),
        "publishes": ("entity", catalogue.entity_names()),
    }
    kind, there = kinds.get(part, ("", [name]))
    if name in there or (kind == "mapping" and not MappingName.is_one(name)):
        return None
    return DeclarationError(
        f"there is no {kind} {name}{did_you_mean(name, there)}",
        where=error.where,
        remedy=f"correct the name, or begin it: `python -m include new {kind}`",
    )


def found(check: Callable[[], object]) -> list[DeclarationError]:
    """All that a check raises."""
    try:
        check()
    except DeclarationError as error:
        return error.all()
    return []


def check_declarations(catalogue: Catalogue) -> None:
    """Raises the first mistake, and says how many more there are."""
    wrong = list(problems(catalogue))
    if wrong:
        more = f" ({len(wrong) - 1} more: see `python -m include check`)" if len(wrong) > 1 else ""
        raise DeclarationError(f"{wrong[0].problem}{more}", where=wrong[0].where, remedy=wrong[0].remedy)


def check_mapping(catalogue: Catalogue, name: MappingName) -> None:
    """Raises DeclarationError unless the mapping fits its entity and its dataset, zones included."""
    mapping, wrong = look_at(catalogue.mapping_path(name), name)
    raise_first([*wrong, *found(partial(_check_fit, catalogue, mapping))])


def _check_fit(catalogue: Catalogue, mapping: Mapping) -> None:
    name, entity = mapping.name, catalogue.entity(mapping.name.entity)
    if name.source not in catalogue.dataset_names():
        raise DeclarationError(
            f"there is no contract of {name.source}, which {name} reads",
            where=f"{mapping.place}:1",
            remedy=f"write it (`python -m include new source {name.source.system} …`), or rename the mapping",
        )
    source = catalogue.dataset(name.source)
    raise_first(misfits(catalogue, mapping, entity, source))
    raise_first(_without_zone(mapping, entity, source))


def _without_zone(mapping: Mapping, entity: EntityContract, source: DatasetContract) -> Iterator[DeclarationError]:
    moments = {column for column, declared in entity.columns.items() if declared.type == "TIMESTAMP"}
    for output in mapping.outputs:
        without_zone = [column for column in output.sources if source.columns[column].type == "DATETIME"]
        is_moment = output.name in moments or output.name.endswith("_at")
        if is_moment and without_zone and source.zone not in output.strings:
            yield DeclarationError(
                f"{output.name} is a moment, but {without_zone[0]} is a date-time without a zone, and {source.zone} "
                "is not named (BigQuery would take it for UTC)",
                where=f"{mapping.place}:{output.line}",
                remedy=f"write TIMESTAMP({without_zone[0]}, '{source.zone}') AS {output.name}",
            )


def check_use_case(catalogue: Catalogue, case: UseCase) -> None:
    """Raises DeclarationError unless all that a use case names exists, and its claims cover its mappings."""
    raise_first(_use_case_problems(catalogue, case))


def _use_case_problems(catalogue: Catalogue, case: UseCase) -> Iterator[DeclarationError]:
    for dataset in case.datasets:
        wrong = found(partial(_check_claims, catalogue, case, dataset))
        yield from _placed(wrong, catalogue.where_in(case, "claims", str(dataset)))
    for name in case.mappings:
        wrong = found(partial(check_mapping, catalogue, name))
        yield from _placed(wrong, catalogue.where_in(case, "merges", str(name)))
        if not wrong:
            yield from _uncovered(catalogue, case, name)
            yield from _without_parent(catalogue, case, name)
    for entity in case.publishes:
        wrong = found(partial(catalogue.entity, entity))
        yield from _placed(wrong, catalogue.where_in(case, "publishes", entity))
        if not wrong:
            yield from _placed(found(partial(catalogue.topic, entity)), catalogue.where_in(case, "publishes", entity))
            yield from check_contracts.shared_topic(catalogue, entity)


def _placed(mistakes: list[DeclarationError], where: str) -> list[DeclarationError]:
    """What is missing lies nowhere: then it is told where it is asked for."""
    for mistake in mistakes:
        mistake.where = mistake.where if re.search(r":\d+$", mistake.where) else where
    return mistakes


def _check_claims(catalogue: Catalogue, case: UseCase, dataset: DatasetName) -> None:
    raise_first(_unknown_claims(catalogue, case, dataset))


def _unknown_claims(catalogue: Catalogue, case: UseCase, dataset: DatasetName) -> Iterator[DeclarationError]:
    contract = catalogue.dataset(dataset)
    for column in case.claims[str(dataset)]:
        if column not in contract.columns:
            yield DeclarationError(
                f"use case {case.name} claims {dataset}.{column}, which the contract does not have",
                where=catalogue.where_in(case, "claims", str(dataset), column),
                remedy=f"claim some of: {', '.join(contract.columns)}",
            )


def _uncovered(catalogue: Catalogue, case: UseCase, name: MappingName) -> Iterator[DeclarationError]:
    source = catalogue.dataset(name.source)
    lacking = [c for c in needed_columns(catalogue.mapping(name), source) if c not in _covered(case, name, source)]
    if lacking:
        yield DeclarationError(
            f"{name} reads {', '.join(lacking)} of {name.source}, which the use case does not claim",
            where=catalogue.where_in(case, "claims", str(name.source)),
            remedy=f"add them to claims['{name.source}'], or take them out of the mapping",
        )


def _covered(case: UseCase, name: MappingName, source: DatasetContract) -> list[str]:
    """The claimed columns, and the position and the flag that are read along with them."""
    return [*case.claims.get(str(name.source), []), *source.read_along]


def _without_parent(catalogue: Catalogue, case: UseCase, name: MappingName) -> Iterator[DeclarationError]:
    """References to rows that nobody merges would point nowhere for ever."""
    mapping, source = catalogue.mapping(name), catalogue.dataset(name.source)
    merged = {m for live in [case, *catalogue.use_cases.values()] for m in live.mappings}
    for column, parent in catalogue.entity(name.entity).references.items():
        if mapping.output(column).is_null:
            continue
        refers_to = source.columns[mapping.output(column).sources[0]].refers_to
        wanted = MappingName(parent, DatasetName(name.source.system, str(refers_to)))
        if wanted not in merged:
            yield DeclarationError(
                f"{name.entity}.{column} refers to rows of {wanted}, which no use case merges",
                where=catalogue.where_in(case, "merges", str(name)),
                remedy=f"add {wanted} to merges, or let the use case that merges it go first",
            )
