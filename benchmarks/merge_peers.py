"""What do dbt and dlt take for their merge of the same rows? (on the same server, and on DuckDB beside one plain MERGE
of DuckDB's own; each merge is a process)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from benchmarks.peers.environments import python_of
from benchmarks.processes import environ_of_others, started, told
from include.steps.servers import Servers


@dataclass(frozen=True)
class Peer:
    """Its name in the report, the module below peers/ (its dataset is called so, too), whose environment, and where."""

    name: str
    module: str
    environment: str
    target: str


PLAIN = Peer("plain on DuckDB", "duckdb_merge", "dbt_merge", "duckdb")  # dbt's DuckDB; dlt's lock has the same
PEERS = (
    PLAIN,
    Peer("dbt on DuckDB", "dbt_merge", "dbt_merge", "duckdb"),
    Peer("dlt on DuckDB", "dlt_merge", "dlt_merge", "duckdb"),
    Peer("dbt", "dbt_merge", "dbt_merge", "big_query"),
    Peer("dlt", "dlt_merge", "dlt_merge", "big_query"),
)


@dataclass(frozen=True)
class Rows:
    """The rows of a merge: how the server selects them, and the same as Parquet."""

    sql: str
    parquet: Path


def make_environments() -> dict[str, Path]:
    """The peers' interpreters; those that are missing are made."""
    return {name: python_of(name) for name in sorted({one.environment for one in PEERS})}


class PeerMerges:
    """The peers' own tables, which begin with the rows of the server's `plain`; `folder` has all that they keep."""

    def __init__(self, servers: Servers, plain: str, folder: Path) -> None:
        self.servers, self.plain, self.folder = servers, plain, folder
        self.pythons, self.batches = make_environments(), 0
        self._begin(f"SELECT * FROM `{plain}`")

    def _begin(self, sql: str) -> None:
        """dbt's table on the server is made for it: it wants to know of a CREATE where its answer is, and the local
        server does not say that."""
        self.servers.big_query.create_dataset("dbt_merge")
        self.servers.big_query.query(f"CREATE TABLE {self._on_server('dbt_merge')} AS {sql}")
        rows = self._rows(sql)
        for peer in PEERS:
            if (peer.module, peer.target) != ("dbt_merge", "big_query"):
                self._merge(peer, rows)

    def merge(self, sql: str, count: int) -> dict[str, float]:
        """Seconds of each peer, by name. Ends the benchmark unless each leaves `count` rows, those of a plain merge."""
        rows = self._rows(sql)
        seconds = {}
        for peer in PEERS:
            seconds[peer.name] = self._merge(peer, rows)
            found = self._compared_on_duckdb(peer) if peer.target == "duckdb" else self._compared_on_server(peer)
            if found != (count, 0, 0):
                sys.exit(f"{peer.name}: rows, missing and surplus ones are {found} instead of {(count, 0, 0)}")
        return seconds

    def _rows(self, sql: str) -> Rows:
        self.batches += 1
        rows = Rows(sql, self.folder / f"rows_{self.batches}.parquet")
        read, where = self.servers.storage_read, "the peers' rows"
        batches = read.rows(read.query(f"{sql} ORDER BY id", {}, where=where), where=where)
        first = next(batches)
        with pq.ParquetWriter(rows.parquet, first.schema, compression="zstd") as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        return rows

    def _merge(self, peer: Peer, rows: Rows) -> float:
        folder = self._folder(peer)
        folder.mkdir(parents=True, exist_ok=True)
        given = str(rows.parquet)
        if peer.module == "dbt_merge":
            given = f"({rows.sql})" if peer.target == "big_query" else f"read_parquet('{given}')"
        command = [self.pythons[peer.environment], "-m", f"benchmarks.peers.{peer.module}.merge", peer.target, folder]
        return told(started([*map(str, command), given], environ_of_others()))["wall"]

    def _folder(self, peer: Peer) -> Path:
        return self.folder / peer.target / peer.module

    def _compared_on_duckdb(self, peer: Peer) -> tuple[int, ...]:
        with duckdb.connect() as connection:
            for name, one in (("plain", PLAIN), ("peer", peer)):
                connection.execute(f"ATTACH '{self._folder(one)}/customer.duckdb' AS {name} (READ_ONLY)")
            sql = _comparison(f"plain.{PLAIN.module}.customer", f"peer.{peer.module}.customer")
            return connection.execute(sql).fetchone() or ()

    def _compared_on_server(self, peer: Peer) -> tuple[int, ...]:
        (found,) = self.servers.big_query.query(_comparison(f"`{self.plain}`", self._on_server(peer.module)))
        return tuple(int(str(one)) for one in found.values())

    def _on_server(self, module: str) -> str:
        return f"`{self.servers.cloud.project}.{module}.customer`"


def _comparison(plain: str, peer: str) -> str:
    """Rows of the peer's; rows that it lacks; rows that it should not have."""
    lacking, surplus = (
        f"(SELECT * FROM {a} EXCEPT DISTINCT SELECT * FROM {b})" for a, b in ((plain, peer), (peer, plain))
    )
    counts = (
        f"(SELECT COUNT(*) FROM {rows}) AS {name}"
        for name, rows in (("present", peer), ("lacking", lacking), ("surplus", surplus))
    )
    return f"SELECT {', '.join(counts)}"
