"""The command line: one module per command; each adds itself to the parser and returns an exit code."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence

from include.errors import DataPlatformError

COMMANDS = (
    "status",
    "batches",
    "plan",
    "hold",
    "customer",
    "tail",
    "tables",
    "topics",
    "schemas",
    "pools",
    "new",
    "check",
    "docs",
    "grants",
    "local",
)
ON_A_LAPTOP = {"local": "include.local.platform"}
"""Commands that the image does not have: it is built without `include/local`."""


def main(argv: Sequence[str]) -> int:
    """Run one command; 1 when it was refused (the message says why), 2 when the words are wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except DataPlatformError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include", description="See and deploy what the DAGs work on.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in COMMANDS:
        if name in ON_A_LAPTOP and not _is_there(ON_A_LAPTOP[name]):
            continue
        importlib.import_module(f"include.cli.{name}").add(subparsers)
    return parser


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
