"""How do made records get into the dataset where Kafka Connect would land them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.clients.big_query import BigQuery
from include.local.estates.landing import as_json
from include.local.estates.seeded import SeededBy, is_done
from include.local.estates.tables import KAFKA_COLUMNS, LANDING_TABLES, Row, Table, TableData

ROWS_PER_LOAD = 20_000


@dataclass(frozen=True)
class LandingDataset:
    """A dataset and the tables that a seed makes there; without our prefix: it belongs to the platform, not to us."""

    big_query: BigQuery
    dataset: str = "platform_landing"
    tables: tuple[Table, ...] = LANDING_TABLES

    def __str__(self) -> str:
        return f"BigQuery dataset {self.dataset}"

    def table_id(self, name: str) -> str:
        """`project.dataset.table` of a table of ours, named `dataset.table`."""
        return f"{self.big_query.settings.project}.{name}"

    def holds(self, table: Table) -> bool:
        return table in self.tables

    def is_done(self, seed: int, customers: int) -> bool:
        """Raises RequestError when the dataset holds another seed's tables, or tables that no seed made."""
        return is_done(str(self), self.marker(), self._present(), seed, customers)

    def marker(self) -> SeededBy | None:
        """Which seed filled the dataset; None when none did."""
        marker = self.table_id(f"{self.dataset}.seeded_by")
        if self.big_query.facts(marker) is None:
            return None
        rows = self.big_query.query(f"SELECT seed, customers, is_done FROM `{marker}` ORDER BY is_done DESC LIMIT 1")
        return SeededBy(rows[0]["seed"], rows[0]["customers"], rows[0]["is_done"]) if rows else SeededBy(0, 0, False)

    def begin(self, seed: int, customers: int) -> None:
        """Empty tables, whatever a killed seed left. The marker is first: what follows it may be dropped by a seed."""
        self.big_query.create_dataset(self.dataset)
        self._mark(seed, customers, done=False)
        for table in self.tables:
            self.big_query.query(f"CREATE OR REPLACE TABLE `{self.table_id(table.name)}` ({_columns(table)})")

    def write(self, data: TableData) -> None:
        self.append(data.table, data.rows)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows as Connect would land them, by load jobs."""
        for start in range(0, len(rows), ROWS_PER_LOAD):
            chunk = [as_json(table, row) for row in rows[start : start + ROWS_PER_LOAD]]
            self.big_query.append_json(self.table_id(table.name), chunk)

    def finish(self, seed: int, customers: int) -> None:
        self._mark(seed, customers, done=True)

    def _mark(self, seed: int, customers: int, *, done: bool) -> None:
        self.big_query.query(
            f"CREATE OR REPLACE TABLE `{self.table_id(f'{self.dataset}.seeded_by')}` AS "
            f"SELECT {seed} AS seed, {customers} AS customers, {str(done).upper()} AS is_done"
        )

    def _present(self) -> list[str]:
        return [table.name for table in self.tables if self.big_query.facts(self.table_id(table.name)) is not None]


def _columns(table: Table) -> str:
    """Kafka Connect's own columns first; PARTITION is a reserved word."""
    kafka = (
        "kafka_key STRING, kafka_data STRUCT<topic STRING, `partition` INT64, `offset` INT64, insert_time TIMESTAMP>"
    )
    return ", ".join([kafka, *(f"{name} {kind}" for name, kind in table.columns[len(KAFKA_COLUMNS) :])])
