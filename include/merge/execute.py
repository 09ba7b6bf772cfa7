"""Did the merge happen, exactly once?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from include.errors import IntegrityError, TooManyBadRows, TooManyDeletions, TransactionConflict
from include.merge.progress import MappingProgress, read_progress
from include.merge.statement import Statement

ONE_ROW = "one_row_per_key"
"""What `checks.sql` asks of every entity: no row of a batch breaks it."""


class Warehouse(Protocol):
    """What we need of BigQuery: `include.clients.big_query.BigQuery`."""

    def query(
        self, sql: str, params: Mapping[str, Any] | None = None, *, job_id: str | None = None, where: str = ""
    ) -> list[dict[str, Any]]: ...


def execute_merge(
    warehouse: Warehouse,
    ledger_table: str,
    stem: str,
    statement: Statement,
    *,
    expected: MappingProgress,
    batch: int,
    mapping_hash: str,
    run_id: str,
    attempt: str,
) -> MappingProgress:
    """Run the script once; what the ledger says afterwards.

    `expected` is the progress that the script was written for. When it moved meanwhile to what we want, an earlier
    try has committed and only its answer was lost: nothing is done. Raises TransactionConflict when somebody else
    moved it, TooManyDeletions when a landing table lacks more keys than its contract allows, TooManyBadRows when more
    rows cannot be merged than it allows, IntegrityError when another rule or a check is broken (nothing was changed).
    """
    params = merge_params(statement, stem, expected, run_id, attempt) | {"batch": batch, "mapping_hash": mapping_hash}
    entity, where = ledger_table.rpartition(".")[2], f"{ledger_table} ({stem})"
    try:
        warehouse.query(statement.sql, params, job_id=f"merge-{attempt}-{stem}-{batch}", where=where)
    except IntegrityError as error:
        if "cannot be merged, more than" in error.problem:
            raise _too_many_bad_rows(error) from None
        if "known keys of" in error.problem:
            raise _too_many_deletions(error, batch) from None
        if broken := re.findall(r"\d of (\w+) break (\w+)", error.problem):
            can_be_held = all(of == entity and check != ONE_ROW for of, check in broken)
            raise _broken_check(error, f"{entity}/{stem} {batch}" if can_be_held else "") from None
        if "progress of this mapping has moved" not in error.problem:
            raise
    found = read_progress(warehouse, ledger_table).of(stem)
    if (found.batch, found.mapping_hash) == (batch, mapping_hash):
        return found
    raise TransactionConflict(
        f"another run merged up to batch {found.batch} meanwhile",
        where=where,
        remedy="tried again by itself, from where the other one ended",
    )


def _too_many_deletions(error: IntegrityError, batch: int) -> TooManyDeletions:
    gone, dataset = re.findall(r"Rule: (\d+) of \d+ known keys of (\S+)", error.problem)[0]
    remedy = "ask the owner whether it is right; if it is, trigger again with full_refresh and"
    return TooManyDeletions(
        f"batch {batch}: {error.problem.removeprefix('Rule: ')}, more than the contract allows",
        where=error.where,
        remedy=f"{remedy} allow_deletions: {dataset}={gone}",
    )


def _too_many_bad_rows(error: IntegrityError) -> TooManyBadRows:
    dataset = re.findall(r"rows of (\S+) cannot be merged", error.problem)[0]
    return TooManyBadRows(
        error.problem.removeprefix("Rule: "),
        where=error.where,
        remedy=f"nothing was merged. The rows lie in quarantine.{dataset.replace('/', '_')}, each with the rule that "
        "it broke: mend the source or the mapping, or raise quarantine_at_most in the contract",
    )


def _broken_check(error: IntegrityError, hold: str) -> IntegrityError:
    """`hold`: mapping and batch, when the batch's own rows are to blame, and not those that follow."""
    remedy = "nothing was merged. Mend the source or the mapping"
    if hold:
        remedy += f"; if the other rows cannot wait, keep these aside: `python -m include hold {hold}`"
    return IntegrityError(error.problem.removeprefix("Rule: "), where=error.where, remedy=remedy)


def merge_params(
    statement: Statement, stem: str, expected: MappingProgress, run_id: str, attempt: str
) -> dict[str, Any]:
    """What a script of one merge is bound to, whatever it does of it."""
    return {
        **statement.params,
        "mapping": stem,
        "expected_batch": expected.batch,
        "expected_hash": expected.mapping_hash,
        "run_id": run_id,
        "attempt": attempt,
    }


def keep_evidence(warehouse: Warehouse, statement: Statement, stem: str, run_id: str) -> None:
    """Keep aside what could not be merged, after the merge that was refused for it; twice is as once."""
    warehouse.query(statement.sql, {**statement.params, "mapping": stem, "run_id": run_id}, where="quarantine")
