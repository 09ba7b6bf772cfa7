"""`grants <system>`: which rights do we need there? (printed for the system's owner; nothing is executed)"""

from __future__ import annotations

import argparse
import re
from typing import Any

from include.catalogue import Catalogue
from include.cli.servers import connections
from include.steps.grants import Accounts, airflow, google, kafka, sql_server

SYSTEMS = ("sse", "mis", "big_query", "bucket", "kafka", "airflow")


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("grants", help="the rights that a system must give, column by column")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--to", default="migration", help="the account of Airflow's tasks there (migration)")
    parser.add_argument(
        "--deployer", default="migration-deployment", help="the deployment's account (migration-deployment)"
    )
    parser.add_argument("--analysts", default="analysts", help="the group that reads the common model (analysts)")
    parser.add_argument(
        "--reader",
        action="append",
        default=[],
        type=_member,
        help="with big_query: who reads us for long, and nothing else",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue, accounts = Catalogue(), Accounts(args.to, args.deployer, args.analysts)
    match args.system:
        case "airflow":
            print(airflow.roles())
            return 0
        case "big_query" if args.reader:
            lines = google.readers(catalogue, connections().google_cloud(), args.reader)
        case "big_query":
            lines = google.big_query(catalogue, connections().google_cloud(), accounts)
        case "bucket":
            lines = google.bucket(connections().google_cloud(), accounts)
        case "kafka":
            lines = kafka.lines(catalogue, connections().kafka(), accounts)
        case system:
            lines = sql_server.lines(catalogue, system, accounts)
    print("\n".join(lines))
    return 0


def _member(text: str) -> str:
    """A member in Google's words, for argparse."""
    if not re.fullmatch(r"(serviceAccount|group|user):[^@\s\"]+@[^@\s\"]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no member: write serviceAccount:…@…, group:…@… or user:…@…")
    return text
