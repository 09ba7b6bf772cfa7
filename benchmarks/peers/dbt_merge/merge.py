"""How does dbt merge rows? (an incremental model: `merge.py duckdb|big_query <its folder> <what to select from>`)"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.measuring import tell_seconds

PROJECT = Path(__file__).resolve().parent


def main(target: str, folder: str, rows: str) -> None:
    os.environ.update(BENCH_DATABASE=f"{folder}/customer.duckdb", BENCH_ROWS=rows)
    from dbt.cli.main import dbtRunner

    said = ["--quiet", "--target", target, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    said += ["--target-path", f"{folder}/target", "--log-path", f"{folder}/logs"]

    def run() -> None:
        _done(dbtRunner(), ["run", *said])
        if target == "duckdb":
            _close()

    _done(dbtRunner(), ["parse", *said])
    tell_seconds(run)


def _close() -> None:
    """dbt keeps the file open until its process ends; what DuckDB writes then is of the merge."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


def _done(runner: object, words: list[str]) -> None:
    result = runner.invoke(words)  # type: ignore[attr-defined]
    if not result.success:
        sys.exit(f"dbt {words[0]} failed: {result.exception or [one.message for one in result.result]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
