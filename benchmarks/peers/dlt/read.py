"""How does dlt read the table? (`sql_table` with pyarrow, by SQLAlchemy and pymssql, to its filesystem destination)"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from benchmarks.measuring import DATABASE, bucket, source, tell


def read(prefix: str) -> int:
    import dlt
    import sqlalchemy
    from dlt.destinations import filesystem
    from dlt.sources.sql_database import sql_table

    there = source()
    url = sqlalchemy.URL.create(
        "mssql+pymssql",
        there["login"],
        there["password"],
        there["host"],
        there["port"],
        DATABASE,
        {"encryption": "require"},
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            dataset_name="bench",
            destination=filesystem(f"gs://{bucket()}/{prefix}", credentials=_nobody()),
        )
        table = sql_table(sqlalchemy.create_engine(url), "Reading", metadata=_reflected(), backend="pyarrow")
        pipeline.run(table, loader_file_format="parquet")
        return int(pipeline.last_trace.last_normalize_info.row_counts["reading"])


def _nobody() -> Any:
    """The local bucket knows no credentials; dlt needs some, and would hand them on to gcsfs."""
    from dlt.common.configuration.specs import GcpServiceAccountCredentials
    from dlt.common.storages.fsspec_filesystem import CREDENTIALS_DISPATCH

    CREDENTIALS_DISPATCH["gs"] = lambda config: {"project": "laptop", "token": "anon"}
    return GcpServiceAccountCredentials(project_id="laptop", private_key="none", client_email="none")


def _reflected() -> Any:
    """The table as reflection would give it: our stand-in for SQL Server does not know all that SQLAlchemy asks for."""
    from sqlalchemy import Column, MetaData, Table
    from sqlalchemy.dialects import mssql

    metadata = MetaData(schema="dbo")
    types = {
        "Id": mssql.BIGINT(),
        "Code": mssql.CHAR(8),
        "Name": mssql.NVARCHAR(60),
        "Note": mssql.VARCHAR(200),
        "Amount": mssql.DECIMAL(18, 4),
        "Balance": mssql.MONEY(),
        "Price": mssql.FLOAT(53),
        "IsActive": mssql.BIT(),
        "BornOn": mssql.DATE(),
        "CreatedAt": mssql.DATETIME2(3),
        "ModifiedAt": mssql.DATETIME(),
        "Kind": mssql.SMALLINT(),
    }
    Table("Reading", metadata, *(Column(name, kind, primary_key=name == "Id") for name, kind in types.items()))
    return metadata


if __name__ == "__main__":
    tell(lambda: read(sys.argv[1]))
