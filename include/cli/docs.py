"""`docs write | check`: do the written pages say what declarations and code say? (no server is asked)"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from include.catalogue import ROOT, Catalogue
from include.steps import catalogue_page, topic_pages, types_page
from include.steps.check import check_declarations


def add(subparsers: Any) -> None:
    declared = f"{catalogue_page.PAGE} and {topic_pages.FOLDER}/, written from the declarations"
    pages = f"{declared}, and {types_page.PAGE}, from the rules of types"
    parser = subparsers.add_parser("docs", help=pages)
    parser.add_argument("action", choices=["write", "check"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    check_declarations(catalogue)
    pages = {catalogue_page.PAGE: catalogue_page.page(catalogue), types_page.PAGE: types_page.page()}
    pages |= topic_pages.pages(catalogue)
    if args.action == "write":
        _write(pages)
        return 0
    old = [name for name, text in pages.items() if not _says(name, text)] + _of_no_topic(pages)
    for name in old:
        print(f"{name} is out of date: run `make docs` and commit it", file=sys.stderr)
    return 1 if old else 0


def _write(pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
        print(f"{name} is written")
    for name in _of_no_topic(pages):
        (ROOT / name).unlink()
        print(f"{name} is deleted: there is no such topic")


def _of_no_topic(pages: Mapping[str, str]) -> list[str]:
    """Pages of topics that were called otherwise, or are no more."""
    there = (str(path.relative_to(ROOT)) for path in (ROOT / topic_pages.FOLDER).glob("*.yaml"))
    return sorted(name for name in there if name not in pages)


def _says(name: str, text: str) -> bool:
    path = ROOT / name
    return path.exists() and path.read_text(encoding="utf-8") == text
