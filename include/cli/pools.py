"""`pools`: which pools must Airflow have? (as JSON, for `airflow pools import`: a step of the deployment)"""

from __future__ import annotations

import argparse
import json
from typing import Any

from include.catalogue import Catalogue
from include.steps.deploy import pools


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("pools", help="Airflow's pools as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    print(json.dumps(pools(Catalogue()), indent=1))
    return 0
