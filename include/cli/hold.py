"""`hold <mapping> <batch>`: what may be kept aside, so that the rest of the batch is merged?
`hold publish <entity>`: how is its publishing stopped, and let go?
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from include.catalogue import Catalogue
from include.cli.arguments import entity_named, mapping_named
from include.cli.report import count, numbered
from include.cli.servers import servers
from include.merge.hold import Held
from include.steps.hold_batch import hold_batch
from include.steps.publish_hold import hold_publishing, let_go

PUBLISH = "publish"
_USAGE = """%(prog)s [-h] <mapping> <batch>
       %(prog)s [-h] publish <entity> [--why TEXT | --let-go]"""
_WHAT = """\
<mapping> <batch>   keep aside the rows of a batch that break a check, so that the rest is merged
publish <entity>    stop the publishing of an entity at once, until it is let go; nothing is lost: its changes wait. The
                    tasks that would publish it are skipped; after a day they fail, so that nobody forgets it"""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "hold",
        help="keep aside the rows of a batch that break a check: the rest goes on; or stop publishing an entity",
        usage=_USAGE,
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "mapping", help="for example account/from_sse_account, as the failed task names it; or: publish"
    )
    parser.add_argument("batch", help="its batch, as the failed task names it; or the entity, for example account")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--why", metavar="TEXT", default="", help="why it is held: it is logged and shown, so name nobody")
    how.add_argument("--let-go", action="store_true", help="the entity's next run publishes what has waited")
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.mapping == PUBLISH:
        return _hold_publishing(args.batch, args.why, args.let_go)
    if args.why or args.let_go:
        parser.error("--why and --let-go belong to `hold publish`")
    try:
        return _hold_batch(args.mapping, count(args.batch))
    except argparse.ArgumentTypeError as mistake:
        parser.error(f"argument batch: {mistake}")


def _hold_publishing(text: str, why: str, is_let_go: bool) -> int:
    catalogue = Catalogue()
    entity = entity_named(text, catalogue)
    if is_let_go:
        was = let_go(catalogue, servers(), entity)
        since = (
            f"was held since {was.began}, and is let go: its next run sends what has waited" if was else "is not held"
        )
        print(f"Publishing of {entity} {since}.")
        return 0
    hold = hold_publishing(catalogue, servers(), entity, why)
    print(f"Held: nothing more of {entity} is published, since {hold.began}. Its changes wait.")
    print(f"To let it go: `python -m include hold {PUBLISH} {entity} --let-go`")
    return 0


def _hold_batch(mapping: str, batch: int) -> int:
    catalogue = Catalogue()
    name = mapping_named(mapping, catalogue)
    held = hold_batch(catalogue, servers(), name, batch)
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
