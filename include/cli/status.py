"""`status`: how far is everything? (log, merges, change logs, topics)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.report import as_text
from include.cli.servers import servers
from include.steps.status import datasets, entities, holds, mappings


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="how far extraction, merging and publishing are")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue, clients = Catalogue(), servers()
    for title, rows in (
        ("Datasets", datasets(catalogue, clients)),
        ("Mappings", mappings(catalogue, clients)),
        ("Entities", entities(catalogue, clients)),
    ):
        print(f"{title}\n{as_text(rows)}\n")
    if held := holds(catalogue, clients):
        print(f"Publishing is held\n{as_text(held)}\n")
    return 0
