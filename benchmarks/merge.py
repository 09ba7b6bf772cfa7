"""What does a merge cost? (`make bench-merge`; see README.md beside this file)

The whole step by the real statements, with 100,000 and with 1,000 changed rows, and one plain MERGE of the same rows
into a table of the same shape, and the least that a step can cost (merge_least.py): all on the local BigQuery server,
in turn. Everything is counted and compared after.
Then, in rounds of their own, what dbt and dlt take (merge_peers.py).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.merge_declarations import COLUMNS, MAPPING, SOURCE, declare, staged_columns
from benchmarks.merge_least import Least
from benchmarks.merge_peers import PLAIN, PeerMerges, make_environments
from benchmarks.processes import ROOT
from benchmarks.world import silent, world
from include.catalogue import Catalogue
from include.merge.execute import execute_merge
from include.merge.progress import MappingProgress, read_progress
from include.merge.statement import Chain, Staged, mapping_hash, merge_statement
from include.names import MappingName
from include.steps.deploy import apply_tables
from include.steps.servers import Servers

ROWS, LARGE, SMALL, ROUNDS = 1_000_000, 100_000, 1_000, 3
Seconds = dict[str, list[float]]


class Bench:
    """A world with one entity; batches are numbered as they are made."""

    def __init__(self, servers: Servers, catalogue: Catalogue) -> None:
        self.servers, self.catalogue, self.batch = servers, catalogue, 0
        self.name = MappingName.parse(MAPPING, "benchmark")
        self.plain = servers.cloud.table("staging", "plain")
        self.model = servers.cloud.table("common_model", self.name.entity)
        self.rows = 0

    def query(self, sql: str) -> list[dict[str, object]]:
        return self.servers.big_query.query(sql)

    def stage(self, changed: int, added: int, *, is_full: bool = False) -> Staged:
        """A batch: `changed` rows spread over those that are there, and `added` new ones."""
        self.batch += 1
        table = self.servers.cloud.table("staging", SOURCE.staging_table(self.batch))
        step = max(1, self.rows // max(1, changed))
        old = f"SELECT n * {step} AS id FROM UNNEST(GENERATE_ARRAY(0, {changed - 1})) AS n" if changed else ""
        new = f"SELECT n AS id FROM UNNEST(GENERATE_ARRAY({self.rows}, {self.rows + added - 1})) AS n" if added else ""
        ids = " UNION ALL ".join(part for part in (old, new) if part)
        self.query(f"CREATE TABLE `{table}` AS SELECT {staged_columns(self.batch)} FROM ({ids})")
        self.rows += added
        return Staged(self.batch, table, is_full)

    def step(self, staged: Staged) -> MappingProgress:
        """What a run does: the script, and what the ledger says then."""
        ledger = self.servers.cloud.table("ledger", self.name.entity)
        before = read_progress(self.servers.big_query, ledger).of(self.name.file_stem)
        return execute_merge(
            self.servers.big_query,
            ledger,
            self.name.file_stem,
            merge_statement(self.catalogue, self.servers.cloud.table, self.name, Chain((staged.batch,), (staged,))),
            expected=before,
            batch=staged.batch,
            mapping_hash=mapping_hash(self.catalogue, self.name),
            run_id="benchmark",
            attempt=f"benchmark{staged.batch}",
        )

    def mapped(self, staged: Staged) -> str:
        """The staged rows as the mapping gives them, with their id; all of them count."""
        rows = f"SELECT Id AS id, {self.catalogue.mapping(self.name).projections} FROM `{staged.table}`"
        return f"SELECT id, {', '.join(COLUMNS)} FROM ({rows})"

    def merge_plainly(self, staged: Staged) -> None:
        """The same rows through the same mapping, and nothing else that a run does."""
        names = ["id", *COLUMNS]
        self.query(
            f"MERGE `{self.plain}` AS t "
            f"USING ({self.mapped(staged)}) AS s ON t.id = s.id "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = s.{name}' for name in COLUMNS)} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
        )

    def differences(self, model: str = "") -> int:
        """Rows of the common model (or another table) that are not, value by value, those of the plain table; and the
        other way round."""
        model = model or self.model
        columns, log = ", ".join(COLUMNS), self.servers.cloud.table("change_log", self.name.entity)
        ours, plain = (f"SELECT {columns} FROM `{table}`" for table in (model, self.plain))
        (found,) = self.query(
            f"SELECT (SELECT COUNT(*) FROM ({ours} EXCEPT DISTINCT {plain})) "
            f"+ (SELECT COUNT(*) FROM ({plain} EXCEPT DISTINCT {ours})) AS rows_differ, "
            f"(SELECT COUNT(*) FROM `{model}`) AS model, (SELECT COUNT(*) FROM `{self.plain}`) AS plain, "
            f"(SELECT MAX(change_number) - COUNT(*) FROM `{log}`) AS gaps"
        )
        assert found["model"] == found["plain"] == self.rows, found
        assert found["gaps"] == 0, found
        return int(str(found["rows_differ"]))


def main() -> None:
    make_environments()
    with _bench() as bench, tempfile.TemporaryDirectory() as folder:
        seconds: Seconds = {}
        first = bench.stage(0, ROWS, is_full=True)
        _timed(seconds, "first full", lambda: bench.step(first))
        bench.query(
            f"CREATE TABLE `{bench.plain}` ({', '.join(f'{n} {t}' for n, t in {'id': 'INT64', **COLUMNS}.items())})"
        )
        bench.merge_plainly(first)
        least = Least(bench.servers, bench.plain, bench.mapped)
        for _ in range(ROUNDS):
            for name, size in (("large", LARGE), ("small", SMALL)):
                _round(bench, least, seconds, name, size)
        peers = PeerMerges(bench.servers, bench.plain, Path(folder))
        for _ in range(ROUNDS):
            _round_of_peers(bench, peers, seconds)
    _report(seconds)


def _round(bench: Bench, least: Least, seconds: Seconds, name: str, size: int) -> None:
    """Ours, the plain one and the least with the same rows, of which nine of ten change a row and one is new."""
    staged = bench.stage(size - size // 10, size // 10)
    _timed(seconds, f"plain, {name}", lambda: bench.merge_plainly(staged))
    done = _timed(seconds, f"step, {name}", lambda: bench.step(staged))
    assert (done.inserted, done.updated, done.removed) == (size // 10, size - size // 10, 0), done
    _timed(seconds, f"least, {name}", lambda: least.merge(staged))
    assert bench.differences() == bench.differences(least.model) == 0


def _round_of_peers(bench: Bench, peers: PeerMerges, seconds: Seconds) -> None:
    """The plain one and theirs with the same rows, as many as in a large round."""
    staged = bench.stage(LARGE - LARGE // 10, LARGE // 10)
    _timed(seconds, "plain, with peers", lambda: bench.merge_plainly(staged))
    for peer, one in peers.merge(bench.mapped(staged), bench.rows).items():
        seconds.setdefault(peer, []).append(one)


def _timed[T](seconds: Seconds, name: str, work: Callable[[], T]) -> T:
    began = time.monotonic()
    done = work()
    seconds.setdefault(name, []).append(time.monotonic() - began)
    return done


@contextmanager
def _bench() -> Iterator[Bench]:
    with world(["cloud_storage", "big_query"]) as (_, servers, folder):
        catalogue = declare(folder, ROOT / "sql")
        apply_tables(catalogue, servers, silent)
        yield Bench(servers, catalogue)


def _report(seconds: Seconds) -> None:
    least = {name: min(rounds) for name, rounds in seconds.items()}
    print(f"{'merge':20} {'seconds':>8}")
    for name, one in least.items():
        print(f"{name:20} {one:>8.2f}")
    ratios = {
        "step_to_plain_merge": round(least["step, large"] / least["plain, large"], 2),
        "small_to_large_step": round(least["step, small"] / least["step, large"], 2),
        "least_to_plain_merge": round(least["least, large"] / least["plain, large"], 2),
        "small_to_large_least": round(least["least, small"] / least["least, large"], 2),
        "small_step_to_plain_merge": round(least["step, small"] / least["plain, small"], 2),
        **{f"{peer}_to_plain_merge": round(least[peer] / least["plain, with peers"], 2) for peer in ("dbt", "dlt")},
        **{
            f"{peer}_on_duckdb_to_plain_duckdb_merge": round(least[f"{peer} on DuckDB"] / least[PLAIN.name], 2)
            for peer in ("dbt", "dlt")
        },
    }
    print(json.dumps({"benchmark": "merge", "ratios": ratios}))


if __name__ == "__main__":
    main()
