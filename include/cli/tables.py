"""`tables apply`: are the tables in BigQuery as the contracts say? (a step of the deployment)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.servers import servers
from include.steps.deploy import apply_tables


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("tables", help="make the tables in BigQuery as the contracts say")
    parser.add_argument("action", choices=["apply"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    apply_tables(Catalogue(), servers(), print)
    return 0
