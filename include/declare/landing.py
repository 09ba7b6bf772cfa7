"""What is the contract of a table that Kafka Connect lands in BigQuery, as far as BigQuery tells?"""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.catalogue import Catalogue
from include.contract import COLUMN, TYPES
from include.declare.source import ColumnLine, guessed, usual_owner
from include.errors import SourceRefused
from include.names import DatasetName

_KEY, _PLACE = "kafka_key", "kafka_data"
_FIELDS = ("partition", "offset", "insert_time")


def landing_text(name: DatasetName, table: str, columns: Mapping[str, str] | None, siblings: Catalogue) -> str:
    """A contract that passes `check`. `columns`: name to type as SQL writes it, None when there is no such table.

    Raises SourceRefused unless the table has a `kafka_key` and a `kafka_data` as Kafka Connect makes them.
    """
    if columns is None:
        raise SourceRefused(
            f"there is no table {table}",
            where="connection google_cloud_default",
            remedy="correct the name, or have the topic landed there first",
        )
    if columns.get(_KEY) != "STRING" or columns.get(_PLACE) not in ("STRUCT", "RECORD"):
        raise SourceRefused(
            f"{table} was not landed by Kafka Connect as we know it: it needs {_KEY} STRING and {_PLACE} STRUCT<topic, "
            f"{', '.join(_FIELDS)}>",
            where=table,
            remedy="have the connector add them (kafkaKeyFieldName, kafkaDataFieldName), or write the contract by hand "
            "after sql/sources/platform/customer/contract.yaml",
        )
    carried = {c: kind for c, kind in columns.items() if COLUMN.fullmatch(c) and kind in TYPES}
    left_out = [f"  # {c} is {kind}: not carried" for c, kind in columns.items() if c not in carried and c != _PLACE]
    return "\n".join([*_head(name, table, carried, siblings), *_lines(name, carried, siblings), *left_out]) + "\n"


def _head(name: DatasetName, table: str, columns: Mapping[str, str], siblings: Catalogue) -> list[str]:
    return [
        f"describes: {json.dumps(f'Records of the topic that is landed in {table}.')}  # to do: one record per what",
        f"owner: {usual_owner(name.system, siblings)}  # a guess: whom to ask when the topic changes",
        f"table: {table}",
        f"key: [{_KEY}]",
        "capture:",
        "  method: landed  # nothing is read: a batch is a window of offsets, which Kafka Connect has noted",
        *(
            f"  {word}: {_PLACE}.{field}"
            for word, field in zip(("partition", "offset", "landed_at"), _FIELDS, strict=True)
        ),
        "  settle: 15m  # a gap in the offsets stops a window until it is older than this",
        "  overlap: 1000  # offsets that each merge reads again: how far behind a record may land",
        f"  deleted_when: {_lacks_all(columns)}  # a guess: only a tombstone has nothing",
        "deletes: captured  # a tombstone says that its key is gone",
        *(
            ["zone: Europe/London  # a guess: of its date-times, which have none"]
            if "DATETIME" in columns.values()
            else []
        ),
        "columns:",
    ]


def _lacks_all(columns: Mapping[str, str]) -> str:
    """Which column is never NULL in a live record BigQuery does not tell: one that is would make it a tombstone."""
    others = [column for column in columns if column != _KEY]
    return " AND ".join(f"{column} IS NULL" for column in others or [_KEY])


def _lines(name: DatasetName, columns: Mapping[str, str], siblings: Catalogue) -> list[str]:
    lines = [ColumnLine(_KEY, {"type": "STRING", "required": "true", "collation": "exact"})]
    for column, kind in columns.items():
        if column != _KEY:
            found = guessed(name, column, kind, siblings, is_key=False)
            lines.append(ColumnLine(column, {"type": kind, **found}, "a guess, by its name" if found else ""))
    return [line.text(max(len(line.name) for line in lines)) for line in lines]
