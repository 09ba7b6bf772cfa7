"""Whose ids does a list of customers hold? (a dataset's own key, or the key that its `cohort_by` refers to)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from include.catalogue import Catalogue
from include.contract import Landed
from include.errors import FormError
from include.names import DatasetName, MappingName
from include.steps.request import Request
from include.use_case import UseCase


@dataclass(frozen=True)
class IdSpace:
    """The ids of the rows of `name`, as its key declares them."""

    name: DatasetName
    key: str
    type: str
    collation: str | None


def space_of(catalogue: Catalogue, name: DatasetName) -> IdSpace:
    """Of a dataset that has `cohort_by`."""
    contract = catalogue.dataset(name)
    assert contract.cohort_by
    parent = contract.columns[contract.cohort_by].refers_to
    whose = DatasetName(name.system, parent) if parent else name
    declared = catalogue.dataset(whose)
    (key,) = declared.key
    return IdSpace(whose, key, declared.columns[key].type, declared.columns[key].collation)


def check_spaces(catalogue: Catalogue, use_case: UseCase, request: Request) -> dict[DatasetName, IdSpace]:
    """Whose ids each dataset of the run takes.

    Raises FormError for datasets that cannot be read by customers, never passing over one; for ids of several
    datasets' where the form gives one list.
    """
    taken = [name for name in use_case.datasets if request.takes(str(name))]
    if unfit := {str(name): why for name in taken if (why := _why_unfit(catalogue, name))}:
        raise _refused(catalogue, use_case, "; ".join(f"{name} {why}" for name, why in unfit.items()))
    spaces = {name: space_of(catalogue, name) for name in taken}
    if not request.cohort_query and len({space.name for space in spaces.values()}) > 1:
        said = "; ".join(f"{name} takes ids of {space.name}" for name, space in spaces.items())
        raise _refused(catalogue, use_case, f"the list is of one dataset's ids, but {said}")
    return spaces


def check_known_to(catalogue: Catalogue, use_case: UseCase, spaces: Mapping[DatasetName, IdSpace], entity: str) -> None:
    """Raises FormError for datasets whose ids are not those of `entity`, of which a query gives keys."""
    known = catalogue.mapping_names(entity)
    strangers = [name for name, space in spaces.items() if MappingName(entity, space.name) not in known]
    if strangers:
        said = ", ".join(f"{name} takes ids of {spaces[name].name}" for name in strangers)
        problem = f"the query gives keys of {entity}, but {said}, of which no mapping makes one"
        raise _refused(catalogue, use_case, problem)


def _why_unfit(catalogue: Catalogue, name: DatasetName) -> str | None:
    contract = catalogue.dataset(name)
    if isinstance(contract.capture, Landed):
        return "is read in place, never by customers"
    if contract.cohort_by is None:
        return "has no `cohort_by` in its contract"
    if contract.cohort_by not in contract.read_columns(catalogue.claimed(name)):
        return f"has `cohort_by: {contract.cohort_by}`, which no use case claims"
    return None


def _refused(catalogue: Catalogue, use_case: UseCase, problem: str) -> FormError:
    fit: dict[DatasetName, list[str]] = {}
    for name in use_case.datasets:
        if not _why_unfit(catalogue, name):
            fit.setdefault(space_of(catalogue, name).name, []).append(str(name))
    choices = "; or ".join(f"{', '.join(names)} (ids of {space})" for space, names in fit.items())
    remedy = f"choose with `only`: {choices}" if fit else "none of its datasets can be: read them whole"
    return FormError(f"some customers only: {problem}", where=f"the form of {use_case.name}", remedy=remedy)
