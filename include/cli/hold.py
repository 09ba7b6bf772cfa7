"""`hold <mapping> <batch>`: what may be kept aside, so that the rest of the batch is merged?"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.arguments import mapping_named
from include.cli.report import count, numbered
from include.cli.servers import servers
from include.merge.hold import Held
from include.steps.hold_batch import hold_batch


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("hold", help="keep aside the rows of a batch that break a check: the rest goes on")
    parser.add_argument("mapping", help="for example account/from_sse_account, as the failed task names it")
    parser.add_argument("batch", type=count, help="its batch, as the failed task names it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    name = mapping_named(args.mapping, catalogue)
    held = hold_batch(catalogue, servers(), name, args.batch)
    if held.rows:
        rows = numbered(held.rows, "row")
        print(
            f"Held: {rows} of {name.source} that break {', '.join(held.rules)}. Kept in quarantine.{name.source.flat},"
        )
        print("until they say something else. Clear the failed task, and the rest goes on.")
    if held.others:
        some = ", ".join(held.others[:3])
        print(f"Still in the way, without a row in the batch: {numbered(len(held.others), 'key')} ({some})")
    if held == Held():
        print("No row of the batch breaks a check.")
    return 1 if held.others else 0
