"""`grants <system>`: which rights do we need there? (printed for the system's owner; nothing is executed)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.servers import connections
from include.steps import grants

SYSTEMS = ("sse", "mis", "big_query", "bucket", "kafka")


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("grants", help="the rights that a system must give us, column by column")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--to", default="migration", help="our user, service account or principal there (migration)")
    parser.add_argument("--deployer", default="migration-deployment", help="who deploys topics (migration-deployment)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    match args.system:
        case "big_query":
            lines = grants.big_query(catalogue, connections().google_cloud(), args.to)
        case "bucket":
            lines = grants.bucket(connections().google_cloud(), args.to)
        case "kafka":
            lines = grants.kafka(catalogue, connections().kafka(), args.to, args.deployer)
        case system:
            lines = grants.sql_server(catalogue, system, args.to)
    print("\n".join(lines))
    return 0
