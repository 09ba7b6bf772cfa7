"""`docs write | check`: do the written pages say what declarations and code say? (no server is asked)"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from include.catalogue import ROOT, Catalogue
from include.steps import catalogue_page, types_page
from include.steps.check import check_declarations


def add(subparsers: Any) -> None:
    pages = f"{catalogue_page.PAGE}, written from the declarations, and {types_page.PAGE}, from the rules of types"
    parser = subparsers.add_parser("docs", help=pages)
    parser.add_argument("action", choices=["write", "check"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    check_declarations(catalogue)
    pages = {catalogue_page.PAGE: catalogue_page.page(catalogue), types_page.PAGE: types_page.page()}
    if args.action == "write":
        for name, text in pages.items():
            (ROOT / name).write_text(text, encoding="utf-8")
            print(f"{name} is written")
        return 0
    old = [name for name, text in pages.items() if not _says(name, text)]
    for name in old:
        print(f"{name} is out of date: run `make docs` and commit it", file=sys.stderr)
    return 1 if old else 0


def _says(name: str, text: str) -> bool:
    path = ROOT / name
    return path.exists() and path.read_text(encoding="utf-8") == text
