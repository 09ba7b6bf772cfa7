"""`docs write | check`: does `docs/catalogue.md` say what the declarations say? (no server is asked)"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from include.catalogue import ROOT, Catalogue
from include.steps.catalogue_page import PAGE, page
from include.steps.check import check_declarations


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("docs", help=f"{PAGE}, written from the declarations")
    parser.add_argument("action", choices=["write", "check"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    check_declarations(catalogue)
    path, text = ROOT / PAGE, page(catalogue)
    if args.action == "write":
        path.write_text(text, encoding="utf-8")
        print(f"{PAGE} is written")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is out of date: run `make docs` and commit it", file=sys.stderr)
    return 1
