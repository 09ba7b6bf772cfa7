"""Which rows break a check, and must wait so that the others go on? (two scripts: the first looks, the second keeps)"""

from __future__ import annotations

import json
from dataclasses import dataclass

from include.errors import TooManyBadRows
from include.merge.execute import Warehouse, merge_params
from include.merge.progress import MappingProgress
from include.merge.statement import MOST_HELD, Statement


@dataclass(frozen=True)
class Held:
    """rows: how many are kept aside now; rules: the checks that they break; others: keys that break one, too, but have
    no row in the batches, so that they still stop the merge."""

    rows: int = 0
    rules: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def hold_rows(
    warehouse: Warehouse,
    ledger_table: str,
    stem: str,
    look: Statement,
    keep: Statement,
    *,
    expected: MappingProgress,
    run_id: str,
    attempt: str,
) -> Held:
    """Keep aside what breaks a check in the merge that stands next; nothing is merged.

    Raises TooManyBadRows when these are more than a person can mean; else what `execute_merge` raises, but for checks,
    and IntegrityError when the mapping has merged meanwhile.
    """
    where = f"{ledger_table} ({stem})"

    def params(statement: Statement) -> dict[str, str | int | float]:
        return merge_params(statement, stem, expected, run_id, attempt)

    broken = warehouse.query(look.sql, params(look), job_id=f"look-{attempt}-{stem}", where=where)
    if len(broken) > MOST_HELD:
        raise TooManyBadRows(
            f"more than {MOST_HELD:,} rows break a check",
            where=where,
            remedy="nothing is held. So many are no single rows: mend the source or the mapping",
        )
    rows = [row for row in broken if row["source_key"] is not None]
    if rows:
        names = ("batch", "layer", "position", "source_key", "rule", "said_hash")
        lines = "\n".join(json.dumps({name: row[name] for name in names}) for row in rows)
        warehouse.query(keep.sql, params(keep) | {"rows": lines}, job_id=f"hold-{attempt}-{stem}", where=where)
    others = [str(row["key"]) for row in broken if row["source_key"] is None]
    return Held(len(rows), tuple(sorted({str(row["rule"]) for row in rows})), tuple(others))
