"""How does dlt merge rows? (write disposition `merge`: `merge.py duckdb|big_query <its folder> <rows.parquet>`)"""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.measuring import tell_seconds


def main(target: str, folder: str, rows: str) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"  # the local server reads no gzip
    import dlt
    import pyarrow.parquet as pq
    from dlt.destinations import bigquery, duckdb

    there = duckdb(f"{folder}/customer.duckdb") if target == "duckdb" else bigquery(credentials=_nobody())
    pipeline = dlt.pipeline("bench", pipelines_dir=folder, dataset_name="dlt_merge", destination=there)

    def run() -> None:
        customer = dlt.resource(pq.read_table(rows), name="customer", write_disposition="merge", primary_key="id")
        pipeline.run(customer, loader_file_format="parquet").raise_on_failed_jobs()

    tell_seconds(run)


def _nobody() -> Any:
    """The local server looks at no credentials; dlt needs some, and Google's client would fetch a token for them."""
    from dlt.common.configuration.specs import GcpServiceAccountCredentials
    from google.auth.credentials import AnonymousCredentials

    GcpServiceAccountCredentials.to_native_credentials = lambda self: AnonymousCredentials()
    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    return GcpServiceAccountCredentials(project_id=project, private_key="none", client_email="none")


if __name__ == "__main__":
    main(*sys.argv[1:])
