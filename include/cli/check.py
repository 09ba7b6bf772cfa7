"""`check`: is everything that is declared right? (no server is asked)"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from include.catalogue import Catalogue
from include.steps.check import problems


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check", help="find every mistake in dags/ and sql/ that can be found without a server"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    found = list(problems(catalogue))
    for error in found:
        print(f"{type(error).__name__}: {error}\n", file=sys.stderr)
    counts = len(catalogue.dataset_names()), len(catalogue.entity_names()), len(catalogue.well_named_mappings())
    what = f"{len(found) or 'no'} problem{'' if len(found) == 1 else 's'}"
    print(f"{counts[0]} datasets, {counts[1]} entities, {counts[2]} mappings checked: {what}")
    return 1 if found else 0
