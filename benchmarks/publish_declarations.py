"""Which entity is published for the benchmark, and what do its changes hold? (events of about 400 bytes)"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from include.catalogue import Catalogue
from include.publish.schema_files import write_schema

ENTITY = "customer"
COLUMNS = {
    "given_name": ("STRING", "CONCAT('Given', CAST(n AS STRING))"),
    "family_name": ("STRING", "CONCAT('Family', CAST(MOD(n * 7, 99991) AS STRING))"),
    "email": ("STRING", "CONCAT('given', CAST(n AS STRING), '.family@example.org')"),
    "phone": ("STRING", "CONCAT('+44 7700 ', CAST(900000 + MOD(n, 99999) AS STRING))"),
    "street": ("STRING", "CONCAT(CAST(MOD(n, 300) AS STRING), ' Long Meadow Crescent, Lower ', CAST(n AS STRING))"),
    "town": ("STRING", "CONCAT('Market Town upon River ', CAST(MOD(n, 4000) AS STRING))"),
    "postcode": ("STRING", "CONCAT('AB', CAST(MOD(n, 90) AS STRING), ' 1XY')"),
    "note": ("STRING", "CONCAT(REPEAT('reads the meter on every first day of the month; ', 2), CAST(n AS STRING))"),
    "balance_gbp": ("NUMERIC", "CAST(MOD(n * 13, 100003) AS NUMERIC) / 100"),
    "is_active": ("BOOL", "MOD(n, 3) > 0"),
    "born_on": ("DATE", "DATE_ADD(DATE '1940-01-01', INTERVAL MOD(n, 20000) DAY)"),
    "registered_at": ("TIMESTAMP", "TIMESTAMP_ADD(TIMESTAMP '2001-01-01 00:00:00+00', INTERVAL n SECOND)"),
}
"""Type, and value of the n-th change."""


def changes(change_log: str, first: int, last: int) -> str:
    """SQL that appends the changes first to last: every hundredth is a removal."""
    values = ", ".join(f"IF(MOD(n, 100) = 7, NULL, {value})" for _, value in COLUMNS.values())
    return f"""INSERT INTO `{change_log}`
  (change_number, changed_at, operation, is_event, customer_key, source_system, {", ".join(COLUMNS)})
SELECT n, TIMESTAMP '2026-01-01 00:00:00+00', IF(MOD(n, 100) = 7, 'delete', 'update'), TRUE,
  SUBSTR(TO_HEX(SHA256(CAST(MOD(n, 400000) AS STRING))), 1, 32), 'sse', {values}
FROM UNNEST(GENERATE_ARRAY({first}, {last})) AS n"""


def declare(root: Path, sql: Path, shards: int = 1) -> Catalogue:
    """A root with our statements and tables, and one entity with a topic; what is there stays."""
    folder = root / "sql" / "common_model" / ENTITY
    if not folder.exists():
        for name in ("statements", "ledger"):
            shutil.copytree(sql / name, root / "sql" / name)
        (root / "dags").mkdir()
        folder.mkdir(parents=True)
        (folder / "contract.yaml").write_text(yaml.safe_dump(_contract(shards), sort_keys=False), encoding="utf-8")
        write_schema(folder, ENTITY, Catalogue(root).entity(ENTITY))
    return Catalogue(root)


def _contract(shards: int) -> object:
    return {
        "describes": "One row per customer of the benchmark.",
        "owner": "benchmark",
        "mastered": "by_customer",
        "precedence": ["sse"],
        "event": {"topic": "customer.changes.v1", "shards": shards},
        "consumers": ["benchmark"],
        "retention": {"keep": "7y", "after": "registered_at"},
        "columns": {name: {"type": kind, "describes": "made for the benchmark"} for name, (kind, _) in COLUMNS.items()},
    }
