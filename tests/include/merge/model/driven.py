"""The same batches through the real statements, and what then stands in BigQuery."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from include.catalogue import Catalogue
from include.merge.execute import execute_merge
from include.merge.move import move_statement, roll_back_statement
from include.merge.progress import NEVER, MappingProgress
from include.merge.statement import Chain, OffsetWindow, Staged, mapping_hash, merge_statement
from include.names import IS_GONE, DatasetName, MappingName
from include.steps.servers import Servers
from tests.include.merge.model.batches import Read, Record, Source, as_typed
from tests.include.merge.model.declared import ENTITIES, KEY, PLACE, Entity, dataset, mapping, source_columns

SALT = "stories"
OVERLAP = 3
"""So many offsets of a landing table are read again."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Merge:
    """A merge as it is sent: `expected` is the progress that its run believes in."""

    source: Source
    name: MappingName
    chain: Chain
    expected: MappingProgress


@dataclass
class Driven:
    """One world, in which one story after the other happens."""

    servers: Servers
    catalogue: Catalogue
    progress: dict[MappingName, MappingProgress] = field(default_factory=dict)
    last: Merge | None = None
    offsets: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """Of each landing table: the offset at which each batch ends."""

    def forget(self) -> None:
        """As if nothing had ever happened."""
        emptied = [
            self.table(place, entity.name)
            for place in ("conformed", "identity", "common_model", "change_log")
            for entity in ENTITIES
        ] + [self.table("migration", name) for name in ("authority", "move", "moved_customer")]
        lines = [f"DELETE FROM `{table}` WHERE TRUE" for table in emptied]
        for entity in ENTITIES:
            ledger = self.table("ledger", entity.name)
            lines += [
                f"DELETE FROM `{ledger}` WHERE name <> 'entity'",
                f"UPDATE `{ledger}` SET change_number = 0 WHERE TRUE",
            ]
        lines.append(f"UPDATE `{self.table('identity', 'salt')}` SET salt = '{SALT}' WHERE TRUE")
        self._query(["BEGIN TRANSACTION", *lines, "COMMIT TRANSACTION"])
        self.progress, self.offsets, self.last = {}, {}, None

    def table(self, place: str, name: str) -> str:
        return self.servers.cloud.table(place, name)

    def _query(self, lines: Iterable[str]) -> Rows:
        return self.servers.big_query.query(";\n".join(lines))

    # -- batches
    def stage(self, source: Source, read: Read) -> None:
        """The batch into its staging tables, or behind the landing table's end."""
        if source.system == "platform":
            self._land(source, read)
            return
        columns = _staged_columns(source.system, source.entity)
        rows = [_row(source.system, source.entity, key, record, read.number) for key, record in read.rows.items()]
        name = self._name(source)
        lines = [f"CREATE OR REPLACE TABLE `{self._staging(name, read)}` AS {_literal(columns, rows)}"]
        if read.keys is not None:
            keys = [{KEY: as_typed(source.system, key)} for key in sorted(read.keys)]
            kinds = {KEY: columns[KEY]}
            table = self.table("staging", name.keys_table(read.number))
            lines.append(f"CREATE OR REPLACE TABLE `{table}` AS {_literal(kinds, keys)}")
        self._query(lines)

    def _land(self, source: Source, read: Read) -> None:
        ends = self.offsets.setdefault((source.system, source.entity.name), [])
        start, place = ends[-1] if ends else 0, _landing(self.table, source)
        columns = {"kafka_key": "STRING", **source_columns(source.system, source.entity)}
        rows = [
            _row(source.system, source.entity, key, record, 0) | {"kafka_key": key} for key, record in read.rows.items()
        ]
        numbered = [_place(start + n) for n in range(len(rows))]
        select = _literal(columns, rows, numbered or [_place(0)])
        self._query([f"INSERT INTO `{place}` {select}" if ends else f"CREATE OR REPLACE TABLE `{place}` AS {select}"])
        ends.append(start + len(rows))

    def _name(self, source: Source) -> DatasetName:
        return DatasetName(source.system, dataset(source.system, source.entity.name))

    def _staging(self, name: DatasetName, read: Read) -> str:
        return self.table("staging", name.staging_table(read.number))

    def chain(self, source: Source, reads: Sequence[Read]) -> Chain:
        numbers = tuple(read.number for read in reads)
        name = self._name(source)
        if source.system == "platform":
            return self._landed_chain(source, reads, numbers)
        gone = IS_GONE if source.system == "mis" else None
        order = "RowVer" if source.system == "sse" else None
        staged = [
            Staged(
                read.number,
                self._staging(name, read),
                read.is_full,
                self.table("staging", name.keys_table(read.number)) if read.keys is not None else None,
                order,
                gone,
            )
            for read in reads
        ]
        return Chain(numbers, tuple(staged))

    def _landed_chain(self, source: Source, reads: Sequence[Read], numbers: tuple[int, ...]) -> Chain:
        ends = [0, *self.offsets[source.system, source.entity.name]]
        start, end = ends[numbers[0] - 1], ends[numbers[-1]]
        is_full = any(read.is_full for read in reads)
        begins = 0 if is_full else start
        window = OffsetWindow(0, 0 if is_full else max(0, start - OVERLAP), begins, end)
        return Chain(
            numbers,
            landing_table=_landing(self.table, source),
            windows=(window,),
            landing_is_full=is_full,
            landing_counted=end - begins,
        )

    # -- merging
    def merge(self, source: Source, reads: Sequence[Read]) -> None:
        """One transaction."""
        name = MappingName.parse(mapping(source.system, source.entity.name), "stories")
        self.last = Merge(source, name, self.chain(source, reads), self.progress.get(name, NEVER))
        self.progress[name] = self._execute(self.last)

    def merge_last_again(self) -> Source:
        """As a run does that believes in the progress of before: it finds what it wanted, and does nothing."""
        assert self.last, "there was a merge"
        assert self._execute(self.last) == self.progress[self.last.name]
        return self.last.source

    def _execute(self, one: Merge) -> MappingProgress:
        return execute_merge(
            self.servers.big_query,
            self.table("ledger", one.name.entity),
            one.name.file_stem,
            merge_statement(self.catalogue, self.servers.cloud.table, one.name, one.chain),
            expected=one.expected,
            batch=one.chain.last,
            mapping_hash=mapping_hash(self.catalogue, one.name),
            run_id="stories",
            attempt=uuid.uuid4().hex,
        )

    def move(self, customer_keys: Sequence[str], to_system: str, move_id: str, told: Mapping[str, int]) -> None:
        """`told`: what the report has said that it changes, which the transaction counts once more."""
        more = {"ids": "\n".join(customer_keys), "to_system": to_system, "ignore_balances": True}
        self._move(move_statement(self.catalogue, self.servers.cloud.table), customer_keys, move_id, more, told)

    def roll_back(self, customer_keys: Sequence[str], rolls_back: str, move_id: str, told: Mapping[str, int]) -> None:
        sql = roll_back_statement(self.catalogue, self.servers.cloud.table)
        more = {"ids": "\n".join(customer_keys), "rolls_back": rolls_back}
        self._move(sql, customer_keys, move_id, more, told)

    def _move(
        self, sql: str, customer_keys: Sequence[str], move_id: str, more: Mapping[str, Any], told: Mapping[str, int]
    ) -> None:
        names = ("reason", "requested_by", "approved_by", "cohort_hash", "run_id")
        params = {**dict.fromkeys(names, "stories"), **more, **told, "move_id": move_id, "attempt": uuid.uuid4().hex}
        self.servers.big_query.query(sql, {**params, "customers": len(customer_keys)}, where=f"the move {move_id}")

    # -- looking
    def look(self, places: Sequence[str], after: dict[str, int]) -> dict[str, Rows]:
        """Rows of `<dataset>.<table>` by that name, in one question; of change logs only what is `after` a number."""
        parts = []
        for place in places:
            where, _, table = place.partition(".")
            later = f" WHERE change_number > {after.get(table, 0)}" if where == "change_log" else ""
            parts.append(
                f"SELECT '{place}' AS place, TO_JSON_STRING(t) AS found FROM `{self.table(where, table)}` AS t{later}"
            )
        found: dict[str, Rows] = {place: [] for place in places}
        for row in self.servers.big_query.query("\nUNION ALL\n".join(parts)):
            found[row["place"]].append(json.loads(row["found"]))
        return found


def _landing(table: Any, source: Source) -> str:
    return str(table("staging", f"landing_{source.entity.name}"))


def _place(offset: int) -> str:
    at = "TIMESTAMP '2026-01-01 00:00:00+00'"
    return f"STRUCT(0 AS partition, {offset} AS offset, {at} AS insert_time) AS {PLACE}"


def _staged_columns(system: str, entity: Entity) -> dict[str, str]:
    more = {"RowVer": "BYTES"} if system == "sse" else {IS_GONE: "BOOL"}
    return {**source_columns(system, entity), **more}


def _row(system: str, entity: Entity, key: str, record: Record | None, version: int) -> dict[str, Any]:
    """The record in the columns of its dataset; of one that is gone only the key, which a tombstone has not even."""
    if record is None:
        return {} if system == "platform" else {KEY: as_typed(system, key), IS_GONE: True}
    row: dict[str, Any] = {KEY: as_typed(system, key), "counts": record.counts, "copy_of": record.copy_of}
    row |= {"taken_over_at": record.taken_over_at, "RowVer": version.to_bytes(8, "big"), IS_GONE: False}
    for name, value in record.values.items():
        row[name] = as_typed(system, value) if name in entity.refers and isinstance(value, str) else value
    return row


def _literal(columns: dict[str, str], rows: Rows, places: Sequence[str] = ()) -> str:
    """A SELECT of these rows and nothing else."""
    lines = []
    for number, row in enumerate(rows or [{}]):
        cells = [f"{_sql(row.get(name), kind)} AS {name}" for name, kind in columns.items()]
        lines.append("SELECT " + ", ".join([*places[number : number + 1], *cells]))
    return "\nUNION ALL ".join(lines) if rows else f"SELECT * FROM ({lines[0]}) WHERE FALSE"


def _sql(value: Any, kind: str) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})"
    if isinstance(value, bytes):
        return f"FROM_HEX('{value.hex()}')"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat()}'"
    if isinstance(value, date | Decimal):
        return f"{kind} '{value}'"
    return f"'{value}'"
