"""`schemas write | register`: what is promised to consumers, as files, and in the registry? (the second deploys)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.servers import servers
from include.names import place
from include.publish.schema_files import write_schema
from include.steps.deploy import register_schemas


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("schemas", help="the schemas of all events: as files, and in the registry")
    parser.add_argument(
        "action", choices=["write", "register"], help="write: the next version where a contract has changed"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    if args.action == "register":
        register_schemas(catalogue, servers(), print)
        return 0
    for entity in catalogue.published_entities():
        path = write_schema(catalogue.entity_folder(entity), entity, catalogue.entity(entity))
        print(f"{entity}: {f'{place(path)} is written' if path else 'as its contract says'}")
    return 0
