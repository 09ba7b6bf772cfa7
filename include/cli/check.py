"""`check`: is everything that is declared right? (no server is asked)"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from include.catalogue import Catalogue
from include.cli.report import numbered
from include.steps.check import problems
from include.steps.left_to_do import left_to_do


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
    todos = left_to_do(catalogue)
    for todo in todos:
        print(todo)
    use_cases = len(catalogue.use_cases) + len(catalogue.broken)
    checked = [
        numbered(len(catalogue.dataset_names()), "dataset"),
        numbered(len(catalogue.entity_names()), "entity", "entities"),
        numbered(len(catalogue.well_named_mappings()), "mapping"),
        numbered(use_cases, "use case"),
    ]
    left = f", {numbered(len(todos), 'to-do')} left" if todos else ""
    print(f"{', '.join(checked)} checked: {numbered(len(found), 'problem')}{left}")
    return 1 if found else 0
