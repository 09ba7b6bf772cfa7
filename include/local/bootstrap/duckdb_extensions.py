"""Where does DuckDB look for its extensions? (those that came as wheels are put into $HOME/.duckdb)

Run by the Python of the local BigQuery server with the HOME that the server will have; DuckDB's own way would be a
download while the server runs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import duckdb


def main() -> None:
    connection = duckdb.connect()
    for name in sorted(str(found.metadata["Name"]).lower() for found in importlib.metadata.distributions()):
        if name.replace("_", "-").startswith("duckdb-extension-"):
            for file in _files(name.replace("-", "_")):
                connection.execute(f"INSTALL '{file}'")
                print("installed", file.name)


def _files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return [
        file
        for folder in folders or ()
        for file in Path(folder).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
    ]


if __name__ == "__main__":
    main()
