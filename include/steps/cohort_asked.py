"""Whom does a job ask for, and by whose ids? (those of the form, of a file, or of a query; each once)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from include.catalogue import CUSTOMER, Catalogue
from include.errors import FormError
from include.names import DatasetName, did_you_mean
from include.steps.cohort_file import ids_of_file
from include.steps.cohort_list import MOST, canonical, list_file, right_id
from include.steps.cohort_query import CohortQuery, read_cohort_query
from include.steps.cohort_space import IdSpace
from include.steps.job_form import OUR_KEY, Customers
from include.steps.move_request import MOVE
from include.steps.servers import Servers

_KEY = re.compile(r"[0-9a-f]{32}")
_MOST_TEXT = 5_000_000
"""Characters of all ids: they go to BigQuery as one parameter, and a request may have 10 MB."""


@dataclass(frozen=True)
class Asked:
    """Ids in the form that `identity` has, to the id as it was written, and to its place in the list. `space`: whose
    they are; None: keys of ours."""

    space: DatasetName | None
    ids: dict[str, str]
    doubles: int
    places: dict[str, str]

    def told(self, id_: str, *, is_known: bool) -> str:
        """How people are told of an id. What is known to nobody may be somebody's name, or telephone number: only its
        place is told, unless it has the form of our own keys."""
        return self.ids[id_] if is_known or self.space is None else self.places[id_]


def spaces(catalogue: Catalogue) -> dict[str, IdSpace]:
    """The datasets whose ids name customers."""
    found = {}
    for mapping in catalogue.mapping_names(CUSTOMER):
        contract = catalogue.dataset(mapping.source)
        if len(contract.key) == 1:
            column = contract.columns[contract.key[0]]
            found[str(mapping.source)] = IdSpace(mapping.source, contract.key[0], column.type, column.collation)
    return found


def read_asked(catalogue: Catalogue, servers: Servers, request: Customers, form: str = MOVE) -> Asked:
    """form: the job whose form it is. Raises FormError for a list that is empty, too long or wrong, and for a query
    that is not there or chooses what is no customer."""
    if request.cohort_query:
        return _chosen(catalogue, servers, request.cohort_query, form)
    space = spaces(catalogue).get(request.ids_of)
    where = servers.bucket.uri(request.cohort_file) if request.cohort_file else f"the form of {form}"

    def problem(what: str, remedy: str) -> FormError:
        return FormError(what, where=where, remedy=remedy)

    def right(place: str, text: str) -> int | str:
        if space:
            return right_id(place, text, space, problem)
        if not _KEY.fullmatch(text):
            raise problem(
                f"{place} is no key of ours", "a key has 32 digits from 0 to f; of a system's ids say `ids_of`"
            )
        return text

    def texts() -> Iterator[tuple[str, str]]:
        if not request.cohort_file:
            yield from ((f"line {line} of cohort", text) for line, text in enumerate(request.cohort, 1))
            return
        data = list_file(servers, request.cohort_file, problem)
        names = [space.key] if space else [OUR_KEY]
        is_text = space is None or space.type == "STRING"
        rows = ids_of_file(data, request.cohort_file, names, is_text, problem)
        yield from ((f"row {row}", text) for row, text in rows.items())

    listed = [(right(place, text), place) for place, text in texts()]
    ids, first = [each for each, _ in listed], dict(reversed(listed))
    once = canonical(ids, space) if space else {key: key for key in ids}
    if len(once) > MOST or sum(len(str(each)) + 1 for each in once) > _MOST_TEXT:
        raise problem(f"the list has more than {MOST:,} ids", "give several cohorts, one after the other")
    written, places = {str(k): str(v) for k, v in once.items()}, {str(k): first[v] for k, v in once.items()}
    return Asked(space.name if space else None, written, len(ids) - len(once), places)


def _chosen(catalogue: Catalogue, servers: Servers, name: str, form: str) -> Asked:
    query, where = _query(catalogue, name, form), f"sql/cohorts/{name}.sql"
    rows = servers.big_query.query(query.keys(catalogue, servers.cloud.table, most=MOST), where=where)
    keys = [str(row[OUR_KEY]) for row in rows]
    if not keys or len(keys) > MOST:
        said = f"chooses more than {MOST:,} customers" if keys else "chooses nobody"
        raise FormError(
            f"the query {said}", where=where, remedy="an empty list never means everybody; narrow a long one"
        )
    return Asked(None, {key: key for key in keys}, 0, {})


def _query(catalogue: Catalogue, name: str, form: str) -> CohortQuery:
    if name not in (there := catalogue.cohort_names()):
        problem = f"there is no query {name}{did_you_mean(name, there)}"
        remedy = f"name one of: {', '.join(there) or 'none is there'}"
        raise FormError(problem, where=f"the form of {form}", remedy=remedy)
    query = read_cohort_query(catalogue, name)
    if query.entity != CUSTOMER:
        remedy = f"choose a query whose column is {OUR_KEY}"
        raise FormError(f"the query {name} gives keys of {query.entity}", where=f"the form of {form}", remedy=remedy)
    return query
