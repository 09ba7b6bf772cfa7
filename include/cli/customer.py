"""`customer <key>`: what has become of one customer? (across systems, moves, changes and events)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.report import as_text
from include.cli.servers import servers
from include.steps.customer_story import key_of, story


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("customer", help="one customer's story; of what changed the columns, not the values")
    parser.add_argument("customer", help="a key of the common model, or <system>:<id>, for example sse:1000017")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue, clients = Catalogue(), servers()
    key = key_of(catalogue, clients, args.customer)
    print(f"Customer {key}\n")
    for title, rows in story(catalogue, clients, key).items():
        print(f"{title}\n{as_text(rows) if rows else 'none'}\n")
    return 0
