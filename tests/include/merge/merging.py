"""Batches by hand, merged by the real statements on the local BigQuery server."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from include.catalogue import Catalogue
from include.merge.execute import execute_merge
from include.merge.progress import MappingProgress, read_progress
from include.merge.statement import Chain, OffsetWindow, Staged, mapping_hash, merge_statement
from include.names import DatasetName, MappingName, key_column
from include.steps.servers import Servers

Row = dict[str, Any]
_OF_CHANGES = ("operation", "is_event", "change_number", "changed_at")
SSE_CUSTOMER = "customer/from_sse_customer"
MIS_CUSTOMER = "customer/from_mis_gentrack_customer"
PLATFORM_CUSTOMER = "customer/from_platform_customer"
PLATFORM_ACCOUNT = "account/from_platform_account"
SSE_ACCOUNT = "account/from_sse_account"
SSE_AGREEMENT = "agreement/from_sse_agreement"
SSE_METER = "meter/from_sse_meter"
SSE_READING = "meter_reading/from_sse_meter_reading"
MIS_ACCOUNT = "account/from_mis_gentrack_account"


@dataclass
class Merging:
    """The merges of one world. Batches are numbered per dataset as they are given."""

    servers: Servers
    catalogue: Catalogue
    quarantines: set[DatasetName] = field(default_factory=set)
    """Datasets of which a test has kept rows aside."""

    # -- batches
    def batch(
        self, mapping: str, number: int, rows: Sequence[Row], *, full: bool = False, keys: Sequence[Any] | None = None
    ) -> Staged:
        """A staged batch of the mapping's dataset; rows may leave columns out (NULL)."""
        name = MappingName.parse(mapping, "test").source
        contract = self.catalogue.dataset(name)
        read = contract.read_columns(list(contract.columns))
        table = self._table(name.staging_table(number), {c: contract.column_type(c) for c in read}, rows)
        keys_table = None
        if keys is not None:
            key = contract.key[0]
            keys_table = self._table(
                name.keys_table(number), {key: contract.column_type(key)}, [{key: k} for k in keys]
            )
        return Staged(number, table, full, keys_table, order=contract.position_column)

    def _table(self, name: str, columns: dict[str, str], rows: Sequence[Row]) -> str:
        table = self.servers.cloud.table("staging", name)
        definition = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
        self.servers.big_query.query(f"CREATE OR REPLACE TABLE `{table}` ({definition})")
        if rows:
            self.servers.big_query.append_json(table, [_as_json(row) for row in rows])
        return table

    def land(self, mapping: str, number: int, rows: Sequence[Row], *, full: bool | None = None) -> MappingProgress:
        """Merge a window of a landing table that holds just these records, the first as everything; their order is that
        of their offsets."""
        source = MappingName.parse(mapping, "test").source
        columns = {name: column.type for name, column in self.catalogue.dataset(source).columns.items()}
        struct = "STRUCT<topic STRING, `partition` INT64, `offset` INT64, insert_time TIMESTAMP>"
        places = [{"kafka_data": {"partition": 0, "offset": place}} for place in range(len(rows))]
        landed = [row | place for row, place in zip(rows, places, strict=True)]
        table = self._table(f"landed_{source.flat}_{number}", {**columns, "kafka_data": struct}, landed)
        window = OffsetWindow(0, 0, 0, len(rows))
        is_full = number == 1 if full is None else full
        chain = Chain((number,), (), (), table, (window,), landing_is_full=is_full, landing_counted=len(rows))
        return self.run(mapping, chain)

    # -- merging
    def merge(self, mapping: str, *batches: Staged, expected: MappingProgress | None = None) -> MappingProgress:
        return self.run(mapping, Chain(tuple(b.batch for b in batches), batches), expected)

    def run(self, mapping: str, chain: Chain, expected: MappingProgress | None = None) -> MappingProgress:
        name = MappingName.parse(mapping, "test")
        return execute_merge(
            self.servers.big_query,
            self.ledger(name.entity),
            name.file_stem,
            merge_statement(self.catalogue, self.servers.cloud.table, name, chain),
            expected=expected or self.progress(mapping),
            batch=chain.last,
            mapping_hash=mapping_hash(self.catalogue, name),
            run_id="test",
            attempt=uuid.uuid4().hex,
        )

    def progress(self, mapping: str) -> MappingProgress:
        name = MappingName.parse(mapping, "test")
        return read_progress(self.servers.big_query, self.ledger(name.entity)).of(name.file_stem)

    def ledger(self, entity: str) -> str:
        return self.servers.cloud.table("ledger", entity)

    # -- looking
    def rows(self, dataset: str, entity: str, columns: str = "*", order: str = "1") -> list[Row]:
        table = self.servers.cloud.table(dataset, entity)
        return self.servers.big_query.query(f"SELECT {columns} FROM `{table}` ORDER BY {order}")

    def model(self, entity: str = "customer") -> dict[str, Row]:
        """The common model by source key: through identity, so that a test need not know our keys."""
        key = key_column(entity)
        by_key = {row[key]: row for row in self.rows("common_model", entity)}
        identity = self.rows("identity", entity)
        return {row["source_key"]: by_key[row[key]] for row in identity if row[key] in by_key}

    def key(self, source_key: str, entity: str = "customer", system: str = "sse") -> str:
        found = [r for r in self.rows("identity", entity) if (r["system"], r["source_key"]) == (system, source_key)]
        assert len(found) == 1
        return str(found[0][key_column(entity)])

    def changes(self, entity: str = "customer") -> list[Row]:
        return self.rows("change_log", entity, order="change_number")

    def replayed(self, entity: str = "customer") -> dict[str, Row]:
        """What the change log says when it is played from its first change."""
        state: dict[str, Row] = {}
        for change in self.changes(entity):
            key = change[key_column(entity)]
            state.pop(key, None)
            if change["operation"] != "delete":
                state[key] = {n: v for n, v in change.items() if n not in _OF_CHANGES}
        return state

    def present(self, entity: str = "customer") -> dict[str, Row]:
        """The rows of the common model by key, as the change log tells them."""
        rows = self.rows("common_model", entity)
        return {r[key_column(entity)]: {n: v for n, v in r.items() if n not in _OF_CHANGES} for r in rows}

    def spoken_for(self) -> dict[str, str]:
        """Customer key to the system that speaks for it now."""
        rows = self.rows("migration", "authority")
        return {row["customer_key"]: row["system"] for row in rows if row["until"] is None}

    def clear(self) -> None:
        """Nothing was ever merged."""
        table, query = self.servers.cloud.table, self.servers.big_query.query
        found = [
            f"SELECT '{e}' AS entity FROM `{self.ledger(e)}` GROUP BY 1 HAVING COUNT(*) > 1 OR MAX(change_number) > 0"
            for e in self.catalogue.entity_names()
        ]
        script = [f"DELETE FROM `{table('migration', 'authority')}` WHERE TRUE"]
        script += [f"DELETE FROM `{table('quarantine', source.flat)}` WHERE TRUE" for source in self.quarantines]
        for entity in (row["entity"] for row in query(" UNION ALL ".join(found))):
            script += [
                f"DELETE FROM `{table(dataset, entity)}` WHERE TRUE"
                for dataset in ("conformed", "identity", "common_model", "change_log")
            ]
            script.append(f"DELETE FROM `{self.ledger(entity)}` WHERE name <> 'entity'")
            script.append(f"UPDATE `{self.ledger(entity)}` SET change_number = 0 WHERE TRUE")
        query(";\n".join(script))


def sse_customer(number: int, surname: str | None = "Doe", **more: Any) -> Row:
    row = {"CustomerId": number, "Surname": surname, "Status": "A", "CreatedAt": "2020-01-01T00:00:00", "RowVer": 1}
    return {**row, **more}


def mis_customer(reference: str, name: str = "Doe, Jo", **more: Any) -> Row:
    return {"CustomerRef": reference, "FullName": name, "IsDeleted": False, **more}


def sse_account(number: str, customer: int, balance: str = "1.0000", version: int = 1) -> Row:
    return {"AccountNo": number, "CustomerId": customer, "Balance": balance, "RowVer": version}


def sse_meter(number: int, serial: str, version: int = 1) -> Row:
    row = {"MeterId": number, "SupplyPointId": 1, "SerialNumber": serial, "MeterType": "N", "Registers": 1}
    return {**row, "RowVer": version}


def sse_reading(number: int, meter: int, read_at: str, reading: str = "1.000", version: int = 1) -> Row:
    row = {"ReadingId": number, "MeterId": meter, "Register": "01", "ReadAt": read_at, "Reading": reading}
    return {**row, "ReadingType": "A", "Status": "V", "RowVer": version}


def platform_customer(key: str, same_as: str | None = None, **more: Any) -> Row:
    return {"kafka_key": key, "customer_id": key, "family_name": f"Platform{key}", "imported_from": same_as, **more}


def platform_account(key: str, customer: str, same_as: str | None = None, **more: Any) -> Row:
    return {"kafka_key": key, "account_id": key, "customer_id": customer, "imported_from": same_as, **more}


def _as_json(row: Row) -> Row:
    """The row as a JSON load takes it: a rowversion, given as a number, in base64."""
    if "RowVer" not in row:
        return row
    return {**row, "RowVer": base64.b64encode(int(row["RowVer"]).to_bytes(8, "big")).decode()}
