"""Whom has somebody asked for? (ids of the form, of a file in the bucket, or of a query; each once, and right)"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from include.catalogue import Catalogue
from include.errors import FormError
from include.extract.cohort import Cohort
from include.names import DatasetName, did_you_mean
from include.stage.keys import Keys
from include.steps.cohort_file import Problem, ids_of_file
from include.steps.cohort_query import read_cohort_query
from include.steps.cohort_space import IdSpace, check_known_to, check_spaces
from include.steps.request import Request
from include.steps.servers import Servers
from include.use_case import UseCase

log = logging.getLogger(__name__)
MOST = 100_000
"""Ids of one list: a full is cheaper than more."""
MOST_BYTES = 10_000_000
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")


def read_cohorts(
    catalogue: Catalogue, servers: Servers, use_case: UseCase, request: Request, names: Iterable[DatasetName] = ()
) -> dict[DatasetName, Cohort]:
    """Whose rows each of these datasets reads, or each that the run takes; nothing when it takes everybody's.

    Raises FormError for datasets that cannot be read so, and for a list that is empty, too long or wrong.
    """
    if not request.is_for_some:
        return {}
    spaces = check_spaces(catalogue, use_case, request)
    lists = _Lists(catalogue, servers, use_case, request, spaces)
    found = {name: lists.of(name) for name in names or spaces}
    for name, cohort in found.items():
        if cohort.doubles:
            log.warning("%s: %d ids of the list are there more than once, and taken once", name, cohort.doubles)
    return found


class _Lists:
    """The lists of one run's datasets: a file is read once."""

    def __init__(
        self,
        catalogue: Catalogue,
        servers: Servers,
        use_case: UseCase,
        request: Request,
        spaces: Mapping[DatasetName, IdSpace],
    ) -> None:
        self._catalogue, self._servers, self._request, self._spaces = catalogue, servers, request, spaces
        self._form = f"the form of {use_case.name}"
        self._query = None
        if name := request.cohort_query:
            if name not in (there := catalogue.cohort_names()):
                problem = f"there is no query {name}{did_you_mean(name, there)}"
                raise FormError(problem, where=self._form, remedy=f"name one of: {', '.join(there) or 'none is there'}")
            self._query = read_cohort_query(catalogue, name)
            check_known_to(catalogue, use_case, spaces, self._query.entity)
        self._data = list_file(servers, request.cohort_file, self._problem) if request.cohort_file else b""

    @property
    def _where(self) -> str:
        if self._request.cohort_file:
            return self._servers.bucket.uri(self._request.cohort_file)
        return f"sql/cohorts/{self._request.cohort_query}.sql" if self._query else self._form

    def of(self, name: DatasetName) -> Cohort:
        space, column = self._spaces[name], self._catalogue.dataset(name).cohort_by
        assert column
        ids = [right_id(place, text, space, self._problem) for place, text in self._texts(name, space)]
        if not ids:
            raise self._problem(f"none of the customers is one of {space.name}", f"leave {name} out, with `only`")
        if len(ids) > MOST:
            raise self._problem(
                f"the list has more than {MOST:,} ids", "give several lists, one after the other, or read everything"
            )
        return _each_once(ids, column, space)

    def _texts(self, name: DatasetName, space: IdSpace) -> Iterator[tuple[str, str]]:
        """Each id as it is written, and where."""
        if self._query:
            yield from (("a row of the result", text) for text in self._chosen(space))
        elif self._request.cohort_file:
            is_text, names = space.type == "STRING", self._headings(space)
            found = ids_of_file(self._data, self._request.cohort_file, names, is_text, self._problem)
            yield from ((f"row {row}", text) for row, text in found.items())
        else:
            yield from ((f"line {line} of cohort", text) for line, text in enumerate(self._request.cohort, 1))

    def _headings(self, space: IdSpace) -> list[str]:
        """What a column of ids may be called: as one of the contracts that are read calls it."""
        columns = [self._catalogue.dataset(name).cohort_by for name in self._spaces]
        return list(dict.fromkeys([*(column for column in columns if column), space.key]))

    def _chosen(self, space: IdSpace) -> list[str]:
        assert self._query
        sql = self._query.ids(self._catalogue, self._servers.cloud.table, most=MOST)
        params = {"system": space.name.system, "id_space": space.name.dataset}
        return [row["source_key"] for row in self._servers.big_query.query(sql, params, where=self._where)]

    def _problem(self, problem: str, remedy: str) -> FormError:
        return FormError(problem, where=self._where, remedy=remedy)


def list_file(servers: Servers, path: str, problem: Problem) -> bytes:
    """The file that somebody has put into the bucket. Raises FormError when there is none, or it is too large."""
    size = servers.bucket.size(path)
    if size is not None and size > MOST_BYTES:
        raise problem(
            f"the file has {size:,} bytes, and a list of {MOST:,} ids has less than {MOST_BYTES:,}",
            "take out what is no id: other columns, formats, pictures",
        )
    data = servers.bucket.read(path)
    if data is None:
        raise problem("there is no such file", "put it there, or correct cohort_file")
    return data


def right_id(place: str, text: str, space: IdSpace, problem: Problem) -> int | str:
    """The id, as its dataset's key has it. What is not an id is never quoted: it may be somebody's name."""
    if space.type == "STRING":
        if text != text.strip() or not text or not text.isprintable():
            what = "is empty, or has blanks around it or what cannot be printed in it"
            raise problem(f"{place} {what}", f"write the id as {space.name} has it")
        return text
    if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        remedy = f"{space.name}.{space.key} is {space.type}: digits alone, without separators, blanks, leading zeros"
        raise problem(f"{place} is no whole number", f"{remedy}; a heading is called {space.key}")
    return int(text)


def _each_once(ids: list[int | str], column: str, space: IdSpace) -> Cohort:
    """Two ids that are one to the source are taken once. Their digest is that of the canonical forms, sorted."""
    once = canonical(ids, space)
    listed = "\n".join(str(key) for key in sorted(once))
    digest = hashlib.sha256(listed.encode()).hexdigest()
    return Cohort(column, tuple(once[key] for key in sorted(once)), digest, len(ids) - len(once))


def canonical(ids: Sequence[int | str], space: IdSpace) -> dict[Any, int | str]:
    """Each id's form in `identity`, to the id as it was first written."""
    rows = Keys({space.key: space.collation}).canonical(pa.table({space.key: ids}))
    return dict(zip(reversed(rows.column(space.key).to_pylist()), reversed(ids), strict=True))
