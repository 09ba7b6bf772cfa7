"""An Airflow that logs people in as the image does: what does its API answer to each role? (a process of its own)

python -m tests.dags.airflow_with_people <empty folder>     prints {"answers": {role: {deed: HTTP status}}, "pools": …}

Airflow reads its settings when it is imported, hence the process. The API is asked without a socket.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from include.catalogue import ROOT, Catalogue
from include.steps.deploy import pools
from include.steps.grants.airflow import ROLES, VIEWER, roles

_RUN = "/api/v2/dags/a_dag/dagRuns/a_run"
DEEDS: dict[str, tuple[str, str, Any]] = {
    "see the DAGs": ("GET", "/api/v2/dags", None),
    "read a log": ("GET", f"{_RUN}/taskInstances/a_task/logs/1", None),
    "read a summary": ("GET", f"{_RUN}/taskInstances/a_task/xcomEntries/return_value", None),
    "see who did what": ("GET", "/api/v2/eventLogs", None),
    "see the code": ("GET", "/api/v2/dagSources/a_dag", None),
    "see why a file is no DAG": ("GET", "/api/v2/importErrors", None),
    "see the assets": ("GET", "/api/v2/assets", None),
    "see the pools": ("GET", "/api/v2/pools", None),
    "see what waits for a person": ("GET", f"{_RUN}/hitlDetails", None),
    "pause": ("PATCH", "/api/v2/dags/a_dag", {"is_paused": True}),
    "trigger": ("POST", "/api/v2/dags/a_dag/dagRuns", {"logical_date": None}),
    "clear": ("POST", "/api/v2/dags/a_dag/clearTaskInstances", {}),
    "mark": ("PATCH", f"{_RUN}/taskInstances/a_task", {"new_state": "success"}),
    "approve": ("PATCH", f"{_RUN}/taskInstances/a_task/-1/hitlDetails", {"chosen_options": ["Approve"]}),
    "change a pool": ("PATCH", "/api/v2/pools/publish", {"pool": "publish", "slots": 4}),
    "read connections": ("GET", "/api/v2/connections", None),
    "read variables": ("GET", "/api/v2/variables", None),
    "delete a run": ("DELETE", _RUN, None),
    "delete a DAG": ("DELETE", "/api/v2/dags/a_dag", None),
}


def settings(home: Path) -> dict[str, str]:
    (manager,) = re.findall(r"AIRFLOW__CORE__AUTH_MANAGER=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": manager,
        "AIRFLOW__CORE__DAGS_FOLDER": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-of-this-test" * 4,
        "AIRFLOW__API__SECRET_KEY": "only-of-this-test",
    }


def main(home: Path) -> None:
    os.environ.update(settings(home))
    from airflow.cli.cli_parser import get_parser

    def airflow(*words: str) -> None:
        given = get_parser().parse_args(list(words))
        given.func(given)

    airflow("db", "migrate")
    for command, text in (("roles", roles()), ("pools", json.dumps(pools(Catalogue())))):
        (home / f"{command}.json").write_text(text, encoding="utf-8")
    for command in ("roles", "pools", "pools"):
        airflow(command, "import", str(home / f"{command}.json"))
    for role in ROLES:
        person = ["-u", role, "-p", role, "-f", "Some", "-l", "Body", "-e", f"{role}@example.org"]
        airflow("users", "create", "-r", VIEWER, *person)
        if role != VIEWER:
            airflow("users", "add-role", "-u", role, "-r", role)
    print(json.dumps(_ask()))


def _ask() -> dict[str, Any]:
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    found: dict[str, dict[str, int]] = {}
    with TestClient(create_app()) as client:
        for role in ROLES:
            token = client.post("/auth/token", json={"username": role, "password": role}).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            found[role] = {
                deed: client.request(method, path, json=body, headers=headers).status_code
                for deed, (method, path, body) in DEEDS.items()
            }
        there = client.get("/api/v2/pools", headers=headers).json()["pools"]
    return {"answers": found, "pools": {pool["name"]: pool["slots"] for pool in there}}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
