"""`topics plan | apply`: are the topics in Kafka as the contracts say? (a step of the deployment)"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.report import as_text, numbered
from include.cli.servers import servers
from include.steps.deploy import apply_topics
from include.steps.topics_there import plan, refuse_fixed

_ACTIONS = """\
plan    print every difference (topic, setting, is, must be) and change nothing; the exit code is 0 when there is none,
        1 when there is one
apply   create what is not there, and set what differs
Another number of partitions or replicas is refused by both, for all topics, before anything is changed."""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "topics",
        help="make the topics in Kafka as the contracts say",
        epilog=_ACTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["plan", "apply"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.action == "plan":
        return _plan()
    apply_topics(Catalogue(), servers(), print)
    return 0


def _plan() -> int:
    found, rows = plan(Catalogue(), servers())
    if rows:
        print(as_text(rows))
    print(f"{numbered(len(rows), 'difference')} in {numbered(len(found), 'topic')}; nothing was changed")
    refuse_fixed(found)
    return 1 if rows else 0
