"""Which entity is merged for the benchmark? (declarations of its own, with our statements)"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from include.catalogue import Catalogue
from include.names import DatasetName

MAPPING = "customer/from_sse_customer"
SOURCE = DatasetName("sse", "customer")
_TEXTS, _NUMBERS, _DATES, _FLAGS = 8, 5, 4, 2
COLUMNS = {
    **{f"text_{n}": "STRING" for n in range(_TEXTS)},
    **{f"amount_{n}_gbp": "NUMERIC" for n in range(_NUMBERS)},
    **{f"day_{n}_on": "DATE" for n in range(_DATES)},
    **{f"is_flag_{n}": "BOOL" for n in range(_FLAGS)},
}
"""Of the entity: with its key 20."""
_SOURCE_TYPES = {"Id": "INT64", "Status": "STRING"} | {f"C_{name}": kind for name, kind in COLUMNS.items()}


def staged_columns(batch: int) -> str:
    """What a batch's rows hold, by `id`; every value but the flags is another in another batch."""
    values = {"Id": "id", "Status": "'A'"}
    for n, (name, kind) in enumerate(COLUMNS.items()):
        values[f"C_{name}"] = {
            "STRING": f"CONCAT(' value ', CAST(MOD(id * {n + 3}, 99991) AS STRING), '-{batch}')",
            "NUMERIC": f"CAST(MOD(id * {n + 7}, 100003) + {batch} AS NUMERIC) / 100",
            "DATE": f"DATE_ADD(DATE '1990-01-01', INTERVAL MOD(id + {n} + {batch}, 9000) DAY)",
            "BOOL": f"MOD(id, {n}) = 0",
        }[kind]
    return ", ".join(f"CAST({value} AS {_SOURCE_TYPES[name]}) AS {name}" for name, value in values.items())


def declare(root: Path, sql: Path) -> Catalogue:
    """A root with our statements and tables, one entity, and two systems that have it (records may be linked)."""
    for folder in ("statements", "ledger"):
        shutil.copytree(sql / folder, root / "sql" / folder)
    (root / "dags").mkdir()
    for system in ("sse", "mis"):
        _write(root / "sql" / "sources" / system / "customer" / "contract.yaml", _dataset(system))
        path = root / "sql" / "common_model" / "customer" / f"from_{system}_customer.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_mapping(system), encoding="utf-8")
    _write(root / "sql" / "common_model" / "customer" / "contract.yaml", _entity())
    return Catalogue(root)


def _write(path: Path, declaration: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(declaration, sort_keys=False), encoding="utf-8")


def _dataset(system: str) -> object:
    columns = {name: {"type": kind} for name, kind in _SOURCE_TYPES.items()}
    columns["Id"] = {"type": "INT64", "required": True}  # type: ignore[dict-item]
    if system == "mis":
        columns["CopyOf"] = {"type": "STRING"}
    return {
        "describes": "What is merged for the benchmark.",
        "owner": "benchmark",
        "table": "bench.dbo.Customer",
        "key": ["Id"],
        "capture": {"method": "snapshot"},
        "deletes": "captured",
        "zone": "Europe/London",
        "columns": columns,
    }


def _entity() -> object:
    return {
        "describes": "One row per customer of the benchmark.",
        "owner": "benchmark",
        "mastered": "by_customer",
        "precedence": ["sse", "mis"],
        "event": {"topic": "customer.changes.v1", "withhold": ["text_0"]},
        "consumers": ["benchmark"],
        "retention": {"keep": "7y", "after": "day_0_on"},
        "columns": {name: {"type": kind, "describes": "made for the benchmark"} for name, kind in COLUMNS.items()},
    }


def _mapping(system: str) -> str:
    outputs = [
        f"NULLIF(TRIM(C_{name}), '') AS {name}" if kind == "STRING" else f"C_{name} AS {name}"
        for name, kind in COLUMNS.items()
    ]
    outputs += ["CopyOf AS same_as"] if system == "mis" else []
    outputs.append("Status <> 'X' AS is_present")
    table, lines = f"staging.{system}_customer", ",\n  ".join(outputs)
    header = f"-- Customers of the benchmark.\n--\n-- Reads    {table}\n-- Choices  a blank text means unknown"
    return f"{header}\nSELECT\n  {lines}\nFROM {table}\n"
