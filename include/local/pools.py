"""Which pools does the laptop's Airflow have? Those that `python -m include pools` prints, as in a deployment."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from include.errors import Unavailable
from include.local.airflow_api import AirflowApi, ApiRefused
from include.local.laptop import ROOT, Laptop
from include.local.processes import plain_environment
from include.local.servers.airflow import settings


def wanted_pools(laptop: Laptop) -> dict[str, dict[str, Any]]:
    """`{name: {"slots": …, "description": …}}`; raises Unavailable when the command fails."""
    done = subprocess.run(
        [sys.executable, "-m", "include", "pools"],
        env={**plain_environment(), **settings(laptop)},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(
            f"the pools are not known: {(done.stderr.strip().splitlines() or ['no message'])[-1]}",
            where="python -m include pools",
            remedy="mend what it says; the next `up` imports the pools",
        )
    pools: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return pools


def import_pools(api: AirflowApi, pools: dict[str, dict[str, Any]]) -> None:
    """Makes and changes pools; removes none."""
    present = {pool["name"]: pool for pool in api.get("/pools?limit=1000")["pools"]}
    for name, wanted in pools.items():
        body = {"slots": wanted["slots"], "description": wanted.get("description", "")}
        found = present.get(name)
        if found is None:
            _create(api, {"name": name, **body, "include_deferred": False})
        elif any(found.get(key) != value for key, value in body.items()):
            api.call("PATCH", f"/pools/{name}", {"pool": name, **body, "include_deferred": False})


def _create(api: AirflowApi, body: dict[str, Any]) -> None:
    try:
        api.call("POST", "/pools", body)
    except ApiRefused as error:
        if error.status != 409:  # made by another `up` since we looked
            raise
