"""`schemas register`: does the registry know the schemas of all events? (a step of the deployment)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.servers import servers
from include.steps.deploy import register_schemas


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("schemas", help="register the schemas of all events")
    parser.add_argument("action", choices=["register"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    register_schemas(Catalogue(), servers(), print)
    return 0
