"""What is there to publish while publishers are killed? (random changes of a few hundred keys, and the common model)"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.publish_declarations import COLUMNS, ENTITY
from include.clients.big_query import Value
from include.steps.servers import Servers

KEYS = 400
_CHANGED, _WITHOUT_EVENT, _REMOVED = range(3)


@dataclass
class Changes:
    """A change log that grows. `last`: its last change number."""

    servers: Servers
    rng: Random
    last: int = 0
    _values: dict[int, int] = field(default_factory=dict)  # of each key that is there: whose change's values it has

    def grow(self, count: int) -> None:
        """`count` changes more: one in ten removes its key, one in ten changes nothing that is published."""
        made = [self._change(number) for number in range(self.last + 1, self.last + count + 1)]
        keys, kinds, values = (list(column) for column in zip(*made, strict=True))
        script = ["BEGIN TRANSACTION", self._insert(), self._move_ledger(), "COMMIT TRANSACTION"]
        params: dict[str, Value] = {"first": self.last + 1, "size": count, "keys": keys, "kinds": kinds, "of": values}
        self.servers.big_query.query(";\n".join(script), params)
        self.last += count

    def _change(self, number: int) -> tuple[int, int, int]:
        """Key, kind, and the number of the change that gave the key the values that it has now."""
        key, chance = self.rng.randrange(KEYS), self.rng.random()
        if key in self._values and chance < 0.1:
            del self._values[key]
            return key, _REMOVED, 0
        if key in self._values and chance < 0.2:
            return key, _WITHOUT_EVENT, self._values[key]
        self._values[key] = number
        return key, _CHANGED, number

    def _insert(self) -> str:
        values = ", ".join(f"IF(kind = {_REMOVED}, NULL, {value})" for _, value in COLUMNS.values())
        return f"""INSERT INTO `{self._table("change_log")}`
  (change_number, changed_at, operation, is_event, customer_key, source_system, {", ".join(COLUMNS)})
SELECT @first + i, TIMESTAMP_ADD(TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL @first SECOND),
  IF(kind = {_REMOVED}, 'delete', 'update'), kind <> {_WITHOUT_EVENT},
  SUBSTR(TO_HEX(SHA256(CAST(key AS STRING))), 1, 32), 'sse', {values}
FROM (
  SELECT i, @keys[OFFSET(i)] AS key, @kinds[OFFSET(i)] AS kind, @of[OFFSET(i)] AS n
  FROM UNNEST(GENERATE_ARRAY(0, @size - 1)) AS i
)"""

    def _move_ledger(self) -> str:
        return f"UPDATE `{self._table('ledger')}` SET change_number = change_number + @size WHERE name = 'entity'"

    def fill_common_model(self) -> None:
        """Of each key the last change, unless it removes it."""
        self.servers.big_query.query(
            f"""INSERT INTO `{self._table("common_model")}`
  (customer_key, source_system, change_number, changed_at, {", ".join(COLUMNS)})
SELECT customer_key, source_system, change_number, changed_at, {", ".join(COLUMNS)}
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY customer_key ORDER BY change_number DESC) AS back
  FROM `{self._table("change_log")}`
)
WHERE back = 1 AND operation <> 'delete'"""
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        """The common model: key to row, of what is published."""
        sql = f"SELECT customer_key, {', '.join(COLUMNS)} FROM `{self._table('common_model')}`"
        return {row["customer_key"]: dict(row) for row in self.servers.big_query.query(sql)}

    def wanted(self) -> set[str]:
        """The `ce_id` of each change that has an event."""
        sql = f"SELECT change_number FROM `{self._table('change_log')}` WHERE is_event"
        return {f"{ENTITY}:{row['change_number']}" for row in self.servers.big_query.query(sql)}

    def _table(self, dataset: str) -> str:
        return self.servers.cloud.table(dataset, ENTITY)
