"""Which rows belong to some customers? (by their ids, in chunks that SQL Server likes, in one picture)

A statement takes 2,100 parameters. Ids that some collation may take for one stay in one chunk: a row comes once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from include.contract import DatasetContract
from include.errors import RequestError
from include.extract.capture import Bounds, Reading, Sink, check_count, count_of, schema, way_of
from include.extract.catalog import Catalog
from include.extract.exact import ExactRows
from include.extract.look import Look
from include.extract.query import Query, quoted, select, table
from include.extract.way import Session
from include.names import IS_GONE

IDS_PER_CHUNK = 1_000
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
Canonical = Callable[[pa.Table], pa.Table]
"""Keys in the form in which two that are one to the source are the same."""


@dataclass(frozen=True)
class Cohort:
    """Whom somebody has asked for: `ids` of the rows' `column`, each once. `digest`: of their list, to prove later
    what was asked. `doubles`: how many ids of the list were there already."""

    column: str
    ids: tuple[int | str, ...]
    digest: str
    doubles: int = 0

    @property
    def told(self) -> dict[str, int | str]:
        """As the log keeps it: never the list itself."""
        return {"asked": len(self.ids), "list_sha256": self.digest}


def tells_who_is_gone(contract: DatasetContract, cohort: Cohort) -> bool:
    """Whether an asked id that does not come is gone: an account that does not come may have gone to another."""
    return contract.key == [cohort.column] and contract.deletes in ("captured", "key_scan")


@dataclass
class CohortReader:
    """Reads the rows of a cohort as they are now, whatever the position is; `where` names the dataset in errors."""

    session: Session
    contract: DatasetContract
    cohort: Cohort
    catalog: Catalog
    converted: Mapping[str, str]
    canonical: Canonical
    where: str

    def read(self, columns: Sequence[str], bounds: Bounds, sink: Sink) -> Reading:
        """Rows, and a part of keys that are gone, from one picture of the database.

        `bounds` has the position of the batch before: a cohort moves it only as far as windows must wait for it.
        Raises IntegrityError when fewer or more rows came than the source counted in the same picture.
        """
        queries, kinds = list(self._queries(columns)), self.columns_of(columns)
        sink.log(f"rows: {queries[0].sql} -- {len(self.cohort.ids)} ids in {len(queries)} such queries")
        came: list[pa.RecordBatch] = []
        with self.session.snapshot():
            counted = [count_of(self.session, self.contract, q) for q in queries]
            parts = list(sink.write(self._rows(queries, counted, schema(kinds), came), schema(kinds), "rows"))
            high = bounds.high and {**bounds.high, **way_of(self.contract).after_picture(self.session)}
        check_count(sum(part.rows for part in parts), sum(counted), "rows", self.where)
        absent = self._absent(pa.Table.from_batches(came, self._key_schema()))
        if absent.num_rows:
            parts += sink.write(_padded(absent, schema(kinds)), schema(kinds), "gone")
        return Reading(replace(bounds, high=high), parts, None, sum(counted), kinds, [q.sql for q in queries])

    def look(self) -> Look:
        """What `read` would read now, counted; the queries without their ids. Memory: the keys of the rows."""
        contract = self.contract
        telling = [*contract.key, *([contract.flag_column] if contract.flag_column else [])]
        queries, kinds = list(self._queries(telling)), self.columns_of(telling)
        came: list[pa.RecordBatch] = []
        with self.session.snapshot():
            counted = [count_of(self.session, self.contract, q) for q in queries]
            told = pa.Table.from_batches(self._rows(queries, counted, schema(kinds), came), schema(kinds))
        absent = _padded(self._absent(pa.Table.from_batches(came, self._key_schema())), schema(kinds))
        everyone = pa.concat_tables([told, pa.Table.from_batches(absent, schema(kinds))])
        return Look(sum(counted), everyone, None, [replace(q, params=()) for q in queries])

    def columns_of(self, columns: Sequence[str]) -> dict[str, str]:
        """What the parts hold, name to BigQuery type."""
        own = {name: self.contract.column_type(name) for name in columns}
        return {**own, IS_GONE: "BOOL"} if tells_who_is_gone(self.contract, self.cohort) else own

    def _queries(self, columns: Sequence[str]) -> Iterator[Query]:
        also = {IS_GONE: "CAST(0 AS bit)"} if tells_who_is_gone(self.contract, self.cohort) else {}
        for ids in chunks(self._spelled()):
            marks = ", ".join(map(self._mark, ids))
            source = f"FROM {table(self.contract.table)} WHERE {quoted(self.cohort.column)} IN ({marks})"
            yield select(columns, source, tuple(ids), converted=self.converted, also=also)

    def _mark(self, one: int | str) -> str:
        """Texts are sent as nvarchar, and where a varchar column is compared with one SQL Server reads the whole index.
        What is no ASCII stays: a code page may lack it."""
        is_narrow = self._kind in ("varchar", "char") and isinstance(one, str) and one.isascii()
        return "CAST(? AS varchar(8000))" if is_narrow else "?"

    @property
    def _kind(self) -> str:
        """The column's type at the source."""
        return next((there.type for there in self.catalog.columns if there.name == self.cohort.column), "")

    def _spelled(self) -> Sequence[int | str]:
        """The ids as the source writes them. Raises RequestError for what SQL Server would cut down to a GUID."""
        ids, column = self.cohort.ids, self.cohort.column
        if self._kind != "uniqueidentifier":
            return ids
        if wrong := [each for each in ids if not _GUID.fullmatch(str(each))]:
            raise RequestError(
                f"{len(wrong)} of the {len(ids)} ids are no GUID, and {column} is a uniqueidentifier",
                where=self.where,
                remedy="correct the list: 8-4-4-4-12 hexadecimal digits, without braces",
            )
        return list(dict.fromkeys(str(each).upper() for each in ids))

    def _rows(
        self, queries: Sequence[Query], counted: Sequence[int], wanted: pa.Schema, came: list[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """The rows of all queries, each checked as it ends; puts their keys into `came`, if they are needed."""
        for q, count in zip(queries, counted, strict=True):
            exact, got = ExactRows(wanted, self.where), 0
            for batch in exact.of(self.session.batches(q.sql, q.params)):
                got += batch.num_rows
                if tells_who_is_gone(self.contract, self.cohort):
                    came.append(batch.select(self.contract.key))
                yield batch
            check_count(got, count, "rows", self.where)
            exact.check_marks(self.session, q)

    def _key_schema(self) -> pa.Schema:
        return schema({name: self.contract.column_type(name) for name in self.contract.key})

    def _absent(self, came: pa.Table) -> pa.Table:
        """The asked keys that did not come; none where absence says nothing."""
        if not tells_who_is_gone(self.contract, self.cohort):
            return self._key_schema().empty_table()
        asked, key = pa.table([pa.array(self._spelled())], self._key_schema()), self.cohort.column
        there = pc.is_in(self.canonical(asked).column(key), value_set=self.canonical(came).column(key))
        return asked.filter(pc.invert(there))


def chunks(ids: Sequence[int | str], size: int = IDS_PER_CHUNK) -> Iterator[Sequence[int | str]]:
    """The ids in order, about `size` at a time."""
    ordered = sorted(ids, key=_folded)
    begin = 0
    while begin < len(ordered):
        end = min(begin + size, len(ordered))
        while end < len(ordered) and _folded(ordered[end]) == _folded(ordered[end - 1]):
            end += 1
        yield ordered[begin:end]
        begin = end


def _folded(one: int | str) -> tuple[int, str]:
    """The same for ids that a collation may not tell apart by case, accent, width or trailing blanks."""
    if isinstance(one, int):
        return one, ""
    parts = unicodedata.normalize("NFKD", one.casefold())
    return 0, "".join(part for part in parts if not unicodedata.combining(part)).rstrip()


def _padded(keys: pa.Table, wanted: pa.Schema) -> list[pa.RecordBatch]:
    """Rows that say of these keys that they are gone, and nothing else."""
    rows = keys.num_rows
    said = {name: keys.column(name) for name in keys.column_names} | {IS_GONE: pa.repeat(pa.scalar(True), rows)}
    columns = [said.get(field.name, pa.nulls(rows, field.type)) for field in wanted]
    return pa.table(columns, wanted).to_batches() if rows else []
