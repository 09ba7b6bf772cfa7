"""`batches <system>/<dataset>`: what has been read of a dataset, and when?"""

from __future__ import annotations

import argparse
from typing import Any

from include.catalogue import Catalogue
from include.cli.arguments import dataset_named
from include.cli.report import as_text, count
from include.cli.servers import servers
from include.stage.log import Batch, DatasetLog


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("batches", help="the batches of a dataset, the newest first")
    parser.add_argument("dataset", help="for example sse/customer")
    parser.add_argument("--most", type=count, default=20, help="how many (20)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    name = dataset_named(args.dataset, Catalogue())
    log = DatasetLog(servers().bucket, name)
    rows = [_row(batch) for batch, _ in zip(log.newest_first(), range(args.most), strict=False)]
    print(as_text(rows) if rows else f"{name} has no batch yet")
    return 0


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.number,
        "kind": batch.kind,
        "rows": batch.rows,
        "deleted": batch.deleted,
        "keys": sum(part.rows for part in batch.keys) if batch.keys is not None else None,
        "parts": sum(len(layer) for layer in batch.layers),
        "read at (UTC)": batch.read_at.strftime("%Y-%m-%d %H:%M:%S"),
        "try": batch.attempt,
    }
