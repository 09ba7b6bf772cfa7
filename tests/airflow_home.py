"""Airflow with a home of its own: imported before Airflow is, by the tests that look at DAGs; no database is asked."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

_HOME = tempfile.TemporaryDirectory(prefix="airflow-")
atexit.register(_HOME.cleanup)
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).resolve().parents[1] / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME.name}/airflow.db",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
}
