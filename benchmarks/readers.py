"""How do we read a table, and what would nothing but driver, Parquet and bucket do? (each in a process of its own:
`python -m benchmarks.readers ours|limit|drain <rows a part> [<where the parts go> [<first key> <key after the last>]]`)
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks.measuring import DATABASE, tell

TABLE = f"{DATABASE}.dbo.Reading"
COLUMNS = {
    "Id": {"type": "INT64", "required": True},
    "Code": {"type": "STRING"},
    "Name": {"type": "STRING", "privacy": "personal"},
    "Note": {"type": "STRING"},
    "Amount": {"type": "NUMERIC"},
    "Balance": {"type": "NUMERIC"},
    "Price": {"type": "FLOAT64"},
    "IsActive": {"type": "BOOL"},
    "BornOn": {"type": "DATE"},
    "CreatedAt": {"type": "DATETIME"},
    "ModifiedAt": {"type": "DATETIME"},
    "Kind": {"type": "INT64"},
}
CONTRACT = {
    "describes": "What is read for the benchmark.",
    "owner": "benchmark",
    "table": TABLE,
    "key": ["Id"],
    "capture": {"method": "snapshot"},
    "deletes": "captured",
    "zone": "Europe/London",
    "columns": COLUMNS,
}


def ours(part: int, token: str, first: str = "", end: str = "") -> int:
    """What an extract does between its plan and its log entry: catalog, drift, one picture, count, parts. Of a range of
    keys where there is one."""
    from include.connections import EnvironmentConnections
    from include.contract import DatasetContract
    from include.extract import capture, drift
    from include.extract.catalog import read_catalog
    from include.extract.ranges import Range, read_range
    from include.names import DatasetName
    from include.stage.parquet import PartWriter
    from include.steps.servers import Servers

    servers, contract = Servers(EnvironmentConnections(os.environ)), DatasetContract.model_validate(CONTRACT)
    name, columns = DatasetName("sse", "reading"), list(COLUMNS)
    writer = PartWriter(servers.bucket, name, 1, token, part)
    with servers.sql_server("sse", DATABASE) as session:
        catalog = read_catalog(session, TABLE)
        drift.compare(name, contract, catalog, columns)
        bounds = capture.bounds(session, contract, "full", None, TABLE)
        sink = capture.Sink(writer.write, lambda text: None)
        converted = drift.conversions(contract, catalog, columns)
        if not end:
            return capture.read(session, contract, columns, bounds, sink, TABLE, converted).counted
        split, one = contract.model_copy(update={"split_by": "Id"}), Range(0, 2, int(first), int(end))
        return read_range(session, split, columns, bounds, one, sink, TABLE, converted).counted


def limit(part: int, token: str) -> int:
    """The driver's Arrow batches as zstd Parquet, by the plain clients, and nothing else."""
    import pyarrow.parquet as pq

    bucket, rows = _plain_bucket(), 0
    batches = _plain_batches()
    batch = next(batches, None)
    index = 0
    while batch is not None:
        with tempfile.TemporaryFile() as file:
            in_part = 0
            with pq.ParquetWriter(file, batch.schema, compression="zstd") as writer:
                while batch is not None and in_part < part:
                    writer.write_batch(batch)
                    in_part += batch.num_rows
                    batch = next(batches, None)
            file.seek(0)
            bucket.blob(f"{token}-{index:04}.parquet").upload_from_file(file, checksum="crc32c")
        rows, index = rows + in_part, index + 1
    return rows


def drain(part: int) -> int:
    """The driver's Arrow batches, thrown away: what server and driver can give at most."""
    return sum(batch.num_rows for batch in _plain_batches())


def _plain_batches() -> Iterator[Any]:
    import mssql_python

    from include.connections import EnvironmentConnections

    settings = EnvironmentConnections(os.environ).sql_server("sse")
    text = f"Server={settings.host},{settings.port};Database={DATABASE};UID={settings.user};PWD={settings.password};"
    options = {"Encrypt": "yes", **settings.options}
    connection = mssql_python.connect(text + ";".join(f"{key}={value}" for key, value in options.items()))
    connection.setautocommit(True)
    cursor = connection.cursor()
    yield from cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM dbo.Reading").arrow_reader(20_000)
    connection.close()


def _plain_bucket() -> Any:
    from google.cloud import storage

    from include.connections import EnvironmentConnections

    cloud = EnvironmentConnections(os.environ).google_cloud()
    return storage.Client(project=cloud.project, credentials=cloud.credentials).bucket(cloud.bucket)


READERS = {"ours": ours, "limit": limit, "drain": drain}


if __name__ == "__main__":
    name, part, *where = sys.argv[1:]
    tell(lambda: READERS[name](int(part), *where))
