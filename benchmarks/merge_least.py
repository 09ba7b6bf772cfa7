"""What is the least that a step can cost without a hash?

Two tables that are compared column by column, and a change log: conformed and common model are merged, what has changed
goes to the change log, with consecutive numbers; all in one transaction. There is no identity, authority, link, check,
ledger or bad row.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.merge_declarations import COLUMNS
from include.merge.statement import Staged
from include.steps.servers import Servers

_NAMES = ["id", *COLUMNS]
_LIST = ", ".join(_NAMES)


class Least:
    """Its own tables, which begin with the rows of `plain`. mapped: SQL of a batch's rows."""

    def __init__(self, servers: Servers, plain: str, mapped: Callable[[Staged], str]) -> None:
        self._query, self._mapped = servers.big_query.query, mapped
        self._conformed, self.model, self._log = (
            servers.cloud.table("staging", f"least_{name}") for name in ("conformed", "model", "log")
        )
        for table in (self._conformed, self.model):
            self._query(f"CREATE TABLE `{table}` AS SELECT {_LIST}, 0 AS batch FROM `{plain}`")
        self._query(f"CREATE TABLE `{self._log}` AS SELECT 0 AS change_number, {_LIST} FROM `{plain}` WHERE FALSE")

    def merge(self, staged: Staged) -> None:
        self._query(
            f"BEGIN TRANSACTION; {_merge(self._conformed, self._mapped(staged), staged.batch)};"
            f"CREATE TEMP TABLE changed AS SELECT ROW_NUMBER() OVER (ORDER BY id) AS change_number, {_LIST} "
            f"FROM `{self._conformed}` WHERE batch = {staged.batch};"
            f"INSERT INTO `{self._log}` (change_number, {_LIST}) SELECT change_number, {_LIST} FROM changed;"
            f"{_merge(self.model, 'SELECT * FROM changed', staged.batch)}; COMMIT TRANSACTION"
        )


def _merge(table: str, rows: str, batch: int) -> str:
    differs = " OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in COLUMNS)
    return (
        f"MERGE `{table}` AS t USING ({rows}) AS s ON t.id = s.id "
        f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {', '.join(f'{n} = s.{n}' for n in COLUMNS)}, batch = {batch} "
        f"WHEN NOT MATCHED THEN INSERT ({_LIST}, batch) VALUES ({', '.join(f's.{n}' for n in _NAMES)}, {batch})"
    )
