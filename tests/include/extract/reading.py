"""A table at the stand-in, and what a batch of it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from include.clients.sql_server import Session
from include.contract import DatasetContract
from include.extract import capture
from include.extract.catalog import read_catalog
from include.extract.drift import conversions

DATABASE = "capture"


def contract_of(table: str, method: Mapping[str, Any], deletes: object, **more: Any) -> DatasetContract:
    """Of a table with the columns id, v, hidden, at, gone and perhaps rv; nobody claims `hidden`."""
    return DatasetContract.model_validate(
        {
            "describes": "x",
            "owner": "x",
            "table": f"{DATABASE}.dbo.{table}",
            "key": ["id"],
            "capture": dict(method),
            "deletes": deletes,
            "zone": "Europe/London",
            "columns": {
                "id": {"type": "INT64", "required": True},
                "v": {"type": "STRING"},
                "hidden": {"type": "STRING"},
                "at": {"type": "STRING", "required": True},
                "gone": {"type": "BOOL"},
            },
            **more,
        }
    )


@dataclass
class Rows:
    """Keeps what is written; stands for one part."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    @property
    def sink(self) -> capture.Sink:
        return capture.Sink(self._write, self.queries.append)

    def _write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: str) -> list[Any]:
        self.tables[kind] = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
        return [type("Part", (), {"rows": self.tables[kind].num_rows})]

    def ids(self, kind: str = "rows") -> list[int]:
        return sorted(self.tables[kind].column("id").to_pylist())

    def column(self, name: str) -> dict[int, Any]:
        """A column by id."""
        rows = self.tables["rows"]
        return dict(zip(rows.column("id").to_pylist(), rows.column(name).to_pylist(), strict=True))


@dataclass
class Table:
    """A table, read as its contract says. `before` is the batch that the next window goes on from."""

    contract: DatasetContract
    session: Session
    before: capture.Bounds | None = None
    claims: Sequence[str] = ("v",)

    def full(self, rows: Rows | None = None) -> Rows:
        return self._read("full", False, rows)

    def window(self, rows: Rows | None = None) -> Rows:
        return self._read("window", self.contract.deletes == "key_scan", rows)

    def bounds(self, kind: capture.Kind, looks: bool = False) -> capture.Bounds:
        before = (self.before.high, self.before.epoch) if self.before else None
        return capture.bounds(self.session, self.contract, kind, before, "here", looks=looks)

    def _read(self, kind: capture.Kind, looks: bool, rows: Rows | None) -> Rows:
        rows = rows or Rows()
        bounds, columns = self.bounds(kind, looks), self.contract.read_columns(list(self.claims))
        converted = conversions(self.contract, read_catalog(self.session, self.contract.table), columns)
        reading = capture.read(self.session, self.contract, columns, bounds, rows.sink, "here", converted)
        assert list(reading.columns) == rows.tables["rows"].column_names
        self.before = reading.bounds
        return rows
