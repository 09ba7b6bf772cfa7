"""How does pandas read the table? (`read_sql` in chunks, by SQLAlchemy and pymssql; each an object by `to_parquet`)"""

from __future__ import annotations

import sys

from benchmarks.measuring import DATABASE, bucket, source, tell

CHUNK = 100_000


def read(prefix: str) -> int:
    import io

    import pandas as pd
    import sqlalchemy
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    there, rows = source(), 0
    client = storage.Client(project="laptop", credentials=AnonymousCredentials())
    words = {"encryption": "require"}  # what FreeTDS calls Encrypt=yes
    url = sqlalchemy.URL.create(
        "mssql+pymssql", there["login"], there["password"], there["host"], there["port"], DATABASE, words
    )
    with sqlalchemy.create_engine(url).connect().execution_options(stream_results=True) as connection:
        for index, frame in enumerate(pd.read_sql("SELECT * FROM dbo.Reading", connection, chunksize=CHUNK)):
            file = io.BytesIO()
            frame.to_parquet(file, compression="zstd")
            client.bucket(bucket()).blob(f"{prefix}{index:04}.parquet").upload_from_file(file, rewind=True)
            rows += len(frame)
    return rows


if __name__ == "__main__":
    tell(lambda: read(sys.argv[1]))
