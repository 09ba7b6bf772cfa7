"""`tail <entity>`: what is on the topic? (personal columns are masked unless asked for)"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from include.catalogue import Catalogue
from include.cli.arguments import entity_named
from include.cli.report import count
from include.cli.servers import servers
from include.contract import EntityContract
from include.names import key_column
from include.publish.events import Decoder
from include.steps.servers import Servers

MASK = "•••"


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("tail", help="decoded events of an entity")
    parser.add_argument("entity", help="for example customer")
    parser.add_argument("--most", type=count, default=10, help="how many of the newest events (10)")
    parser.add_argument("--follow", action="store_true", help="go on as they come; stop with Ctrl-C")
    parser.add_argument("--show-personal", action="store_true", help="do not mask personal columns")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    contract = catalogue.entity(entity_named(args.entity, catalogue))
    clients = servers()
    topic = clients.kafka_settings.topic(catalogue.topic(args.entity))
    lines = _Lines(clients, args.entity, contract, show_personal=args.show_personal)
    newest = sorted(clients.kafka.committed(topic), key=_change_number)[-args.most :]
    for message in newest:
        print(lines.line(message))
    if not newest:
        print(f"{topic} has no events yet", file=sys.stderr)
    if args.follow:
        for message in clients.kafka.follow(topic, stop=lambda: False):
            print(lines.line(message), flush=True)
    return 0


def _change_number(message: Any) -> int:
    """The number in `ce_id`; -1 for a record that is none of ours."""
    number = dict(message.headers() or []).get("ce_id", b"").decode().rpartition(":")[2]
    return int(number) if number.isdigit() else -1


class _Lines:
    """Events as lines: change number, key, and the row as JSON or the word removed."""

    def __init__(self, clients: Servers, entity: str, contract: EntityContract, *, show_personal: bool) -> None:
        self._decoder, self._show_personal = Decoder(clients.registry.schema), show_personal
        published = zip(contract.model_columns(), contract.columns.values(), strict=True)
        self._harmless = {key_column(entity), *(n for n, c in published if c.privacy == "none" or c.references)}

    def line(self, message: Any) -> str:
        head = f"{_change_number(message):>8}  {message.key().decode()}"
        if message.value() is None:
            return f"{head}  removed"
        row = self._decoder.row(message.value())
        shown = {k: v if self._shows(k) or v is None else MASK for k, v in row.items()}
        return f"{head}  {json.dumps(shown, default=str, ensure_ascii=False)}"

    def _shows(self, column: str) -> bool:
        """A column that today's contract does not know (an older event may have one) is masked too."""
        return self._show_personal or column in self._harmless
