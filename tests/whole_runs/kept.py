"""What does Airflow keep, in which somebody's data could be? (logs, the metadata database with its XComs)"""

from __future__ import annotations

from pathlib import Path


def kept_by_airflow(state: Path) -> dict[str, str]:
    """By file below `state`: logs of tasks, callbacks and components, and the database as it lies on the disk."""
    files = [
        *(state / "airflow" / "logs").rglob("*"),
        *(state / "airflow").glob("airflow.db*"),
        *(state / "logs").glob("airflow*.log"),
    ]
    found = {path: path.read_bytes() for path in files if path.is_file() and not path.is_symlink()}
    return {str(path.relative_to(state)): content.decode("utf-8", errors="ignore") for path, content in found.items()}
