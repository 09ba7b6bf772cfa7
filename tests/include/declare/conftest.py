"""Declarations as they are shipped, in a folder of a test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.declarations import copied


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copied(tmp_path)
    for dataset in ("salesforce_task", "salesforce_case"):  # they are written here
        shutil.rmtree(tmp_path / "sql" / "sources" / "mis" / dataset)
    shutil.rmtree(tmp_path / "sql" / "common_model" / "interaction")  # and what is made of them
    (tmp_path / "dags" / "agent_service.py").unlink()
    return tmp_path
