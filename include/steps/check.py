"""Do use cases, contracts and mappings fit together? (what can be proven from the files)"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from include.catalogue import Catalogue
from include.contract import DatasetContract
from include.errors import DeclarationError
from include.merge.statement import check_fit, needed_columns
from include.names import DatasetName, MappingName
from include.use_case import UseCase


def problems(catalogue: Catalogue) -> Iterator[DeclarationError]:
    """Every mistake, not only the first."""
    checks: list[Callable[[], object]] = [lambda n=n: catalogue.dataset(n) for n in catalogue.dataset_names()]  # type: ignore[misc]
    checks += [lambda e=e: catalogue.entity(e) for e in catalogue.entity_names()]  # type: ignore[misc]
    checks += [lambda m=m: check_mapping(catalogue, m) for m in catalogue.mapping_names()]  # type: ignore[misc]
    checks += [lambda e=e: _check_topic(catalogue, e) for e in catalogue.entity_names()]  # type: ignore[misc]
    checks += [lambda c=c: check_use_case(catalogue, c) for c in catalogue.use_cases.values()]  # type: ignore[misc]
    yield from catalogue.broken.values()
    told: set[str] = set()
    for check in checks:
        try:
            check()
        except DeclarationError as error:
            if str(error) not in told:
                told.add(str(error))
                yield error


def check_declarations(catalogue: Catalogue) -> None:
    """Raises the first mistake, and says how many more there are."""
    found = list(problems(catalogue))
    if found:
        more = f" ({len(found) - 1} more: see `python -m include check`)" if len(found) > 1 else ""
        raise DeclarationError(f"{found[0].problem}{more}", where=found[0].where, remedy=found[0].remedy)


def check_mapping(catalogue: Catalogue, name: MappingName) -> None:
    """Raises DeclarationError unless the mapping fits its entity and its dataset, zones included."""
    mapping, entity, source = catalogue.mapping(name), catalogue.entity(name.entity), catalogue.dataset(name.source)
    check_fit(catalogue, mapping, entity, source)
    moments = {column for column, declared in entity.columns.items() if declared.type == "TIMESTAMP"}
    for output in mapping.outputs:
        without_zone = [column for column in output.sources if source.columns[column].type == "DATETIME"]
        is_moment = output.name in moments or output.name.endswith("_at")
        if is_moment and without_zone and source.zone not in output.strings:
            raise DeclarationError(
                f"{output.name} is a moment, but {without_zone[0]} is a date-time without a zone, and {source.zone} "
                "is not named (BigQuery would take it for UTC)",
                where=f"{mapping.place}:{output.line}",
                remedy=f"write TIMESTAMP({without_zone[0]}, '{source.zone}') AS {output.name}",
            )


def check_use_case(catalogue: Catalogue, case: UseCase) -> None:
    """Raises DeclarationError unless all that a use case names exists, and its claims cover its mappings."""
    for dataset in case.datasets:
        _check_claims(catalogue, case, dataset)
    for name in case.mappings:
        check_mapping(catalogue, name)
        source = catalogue.dataset(name.source)
        lacking = [c for c in needed_columns(catalogue.mapping(name), source) if c not in _covered(case, name, source)]
        if lacking:
            raise DeclarationError(
                f"{name} reads {', '.join(lacking)} of {name.source}, which the use case does not claim",
                where=case.where,
                remedy=f"add them to claims['{name.source}'], or take them out of the mapping",
            )
    for entity in case.publishes:
        _check_topic(catalogue, entity)


def _check_claims(catalogue: Catalogue, case: UseCase, dataset: DatasetName) -> None:
    contract = catalogue.dataset(dataset)
    unknown = [column for column in case.claims[str(dataset)] if column not in contract.columns]
    if unknown:
        raise DeclarationError(
            f"use case {case.name} claims {dataset}.{', '.join(unknown)}, which the contract does not have",
            where=case.where,
            remedy=f"claim some of: {', '.join(contract.columns)}",
        )


def _covered(case: UseCase, name: MappingName, source: DatasetContract) -> list[str]:
    """The claimed columns, and the position that is read along with them."""
    position = source.position_column
    return [*case.claims[str(name.source)], *([position] if position else [])]


def _check_topic(catalogue: Catalogue, entity: str) -> None:
    """Raises DeclarationError when another entity has the topic of this one: each would undo the other's state."""
    topic = catalogue.entity(entity).event.topic
    for other in catalogue.entity_names():
        if other != entity and _topic_of(catalogue, other) == topic:
            first, second = sorted((entity, other))
            raise DeclarationError(
                f"{first} and {second} have one topic, {topic}",
                where=f"sql/common_model/{second}/contract.yaml, and that of {first}",
                remedy="give each entity a topic of its own",
            )


def _topic_of(catalogue: Catalogue, entity: str) -> str | None:
    """None of an entity whose contract is wrong: that stops those alone who publish it."""
    try:
        return catalogue.entity(entity).event.topic
    except DeclarationError:
        return None
