"""`plan <use case>`: what would a run read, merge and publish, if it began now? (the bite before it is eaten)"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from include.catalogue import Catalogue
from include.cli.report import as_text
from include.cli.servers import servers
from include.steps import plan_bite

_ASKED: tuple[tuple[str, Callable[..., Iterator[dict[str, Any]]]], ...] = (
    ("Datasets", plan_bite.datasets),
    ("Mappings", plan_bite.mappings),
    ("Topics", plan_bite.topics),
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("plan", help="what a run of a use case would read, merge and publish")
    parser.add_argument("use_case", help="for example customer_base")
    parser.add_argument(
        "--statements", action="store_true", help="and what each statement of its merges reads, in columns and bytes"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    case, clients = catalogue.use_case(args.use_case), servers()
    asked = [*_ASKED, ("Statements", plan_bite.statements)] if args.statements else list(_ASKED)
    for title, rows in asked:
        print(f"{title}\n{as_text(list(rows(catalogue, clients, case)))}\n")
    return 0
