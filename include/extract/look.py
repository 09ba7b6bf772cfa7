"""What would a batch hold, if it were read now? (for a dry run: counted, not carried)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.contract import DatasetContract
from include.extract import query
from include.extract.capture import Bounds, columns_of, count_of, declared, keys_of, picture, rows_of, schema
from include.extract.query import Query
from include.extract.way import Session


@dataclass(frozen=True)
class Look:
    """What a batch would hold: the number of its rows, all keys (None where it would not look at them), and the T-SQL.
    `told`: the key columns of its rows, with what says that a row is gone."""

    rows: int
    told: pa.Table
    keys: pa.Table | None
    queries: Sequence[Query]


def look(
    session: Session,
    contract: DatasetContract,
    columns: Sequence[str],
    bounds: Bounds,
    where: str,
    converted: Mapping[str, str] = query.AS_IT_IS,
) -> Look:
    """What `read` would read now, counted. Memory: the keys of its rows, and of the table where it looks at them."""
    with picture(session, contract, columns, bounds, where) as seen:
        q, keys_query = rows_of(contract, columns, seen, converted), keys_of(contract, seen, converted)
        rows = count_of(session, contract, q)
        telling = [*contract.key, *([contract.flag_column] if contract.flag_column else [])]
        told = _table(session, rows_of(contract, telling, seen, converted), columns_of(contract, telling, seen))
        keys = _table(session, keys_query, declared(contract, contract.key)) if keys_query else None
    return Look(rows, told, keys, [sql for sql in (q, keys_query) if sql is not None])


def _table(session: Session, q: Query | None, columns: Mapping[str, str]) -> pa.Table:
    wanted = schema(columns)
    return pa.Table.from_batches([b.cast(wanted) for b in session.batches(q.sql, q.params)] if q else [], wanted)
