"""How does Airflow read the table? (`MSSQLToGCSOperator`, executed outside of a run, as lines of JSON, its default)

As Parquet it cannot: pymssql gives a date the code that the operator takes for a bit, and pyarrow then refuses the date
("tried to convert to boolean"). Try it with one more argument, `parquet`.
"""

from __future__ import annotations

import json
import os
import sys

from benchmarks.measuring import DATABASE, bucket, source, tell


def read(prefix: str, export_format: str = "json") -> int:
    # encryption: what FreeTDS calls Encrypt=yes
    os.environ["AIRFLOW_CONN_BENCH"] = json.dumps({**source(), "schema": DATABASE, "extra": {"encryption": "require"}})
    from airflow.providers.google.cloud.transfers.mssql_to_gcs import MSSQLToGCSOperator

    operator = MSSQLToGCSOperator(
        task_id="read",
        sql="SELECT * FROM dbo.Reading",
        bucket=bucket(),
        filename=f"{prefix}{{}}.{export_format}",
        export_format=export_format,
        bit_fields=["IsActive"],
        mssql_conn_id="bench",
    )
    return int(operator.execute({})["total_row_count"])


if __name__ == "__main__":
    tell(lambda: read(*sys.argv[1:]))
