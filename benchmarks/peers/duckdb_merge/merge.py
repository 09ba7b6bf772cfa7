"""What would DuckDB alone do? (one plain MERGE, in dbt's environment: `merge.py duckdb <folder> <rows.parquet>`)"""

from __future__ import annotations

import sys

from benchmarks.measuring import tell_seconds


def main(_: str, folder: str, rows: str) -> None:
    import duckdb

    database = f"{folder}/customer.duckdb"
    with duckdb.connect(database) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS duckdb_merge")
        connection.execute(f"CREATE TABLE IF NOT EXISTS duckdb_merge.customer AS FROM read_parquet('{rows}') LIMIT 0")

    def run() -> None:
        with duckdb.connect(database) as connection:
            connection.execute(
                f"MERGE INTO duckdb_merge.customer USING read_parquet('{rows}') AS changed USING (id) "
                "WHEN MATCHED THEN UPDATE BY NAME WHEN NOT MATCHED THEN INSERT BY NAME"
            )

    tell_seconds(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
