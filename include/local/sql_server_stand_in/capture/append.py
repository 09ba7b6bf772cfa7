"""How do rows of Arrow get into a table of DuckDB?"""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def append(connection: Any, target: str, rows: pa.Table) -> None:
    connection.register("_rows", rows)
    try:
        connection.execute(f"INSERT INTO {target} BY NAME SELECT * FROM _rows")
    finally:
        connection.unregister("_rows")
