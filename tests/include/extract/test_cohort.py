"""Rows by ids, in chunks: each once, as the source compares them, and absence only where it means something."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from include.clients.sql_server import Session
from include.contract import DatasetContract
from include.errors import EpochBroken, IntegrityError, RequestError
from include.extract import capture, cohort
from include.extract.capture import Reading
from include.extract.catalog import read_catalog
from include.extract.cohort import Cohort, CohortReader, chunks
from include.extract.drift import conversions
from include.names import IS_GONE
from include.stage.keys import Keys
from tests.include.extract.reading import Rows, contract_of

ROWVERSION = {"method": "rowversion", "column": "rv"}
GUIDS = [f"{number:08X}-0000-0000-0000-00000000000A" for number in range(3)]


def _make(session: Session, table: str, *columns: str, rows: str = "") -> None:
    session.execute(f"DROP TABLE IF EXISTS dbo.[{table}]")
    session.execute(f"CREATE TABLE dbo.[{table}] ({', '.join(columns)}, rv rowversion)")
    session.execute(f"INSERT INTO dbo.[{table}] (id, v) {rows}")


def _contract(table: str, kind: str = "INT64", **more: Any) -> DatasetContract:
    collation = {"collation": "case_insensitive"} if kind == "STRING" else {}
    columns = {"id": {"type": kind, "required": True, **collation}, "v": {"type": "STRING"}}
    said = {"method": ROWVERSION, "deletes": "key_scan", "columns": columns, "cohort_by": "id", **more}
    return contract_of(table, **said)


def _reader(session: Session, contract: DatasetContract, *ids: int | str) -> CohortReader:
    assert contract.cohort_by
    catalog = read_catalog(session, contract.table)
    converted = conversions(contract, catalog, contract.read_columns(["v"]))
    canonical = Keys({name: contract.columns[name].collation for name in contract.key}).canonical
    return CohortReader(session, contract, Cohort(contract.cohort_by, ids, "d"), catalog, converted, canonical, "here")


def _read(reader: CohortReader, rows: Rows) -> Reading:
    bounds = capture.bounds(reader.session, reader.contract, "cohort", None, "here")
    return reader.read(reader.contract.read_columns(["v"]), bounds, rows.sink)


def _numbers(session: Session, table: str, most: int) -> None:
    rows = f"SELECT value, N'v' FROM GENERATE_SERIES(1, {most})"
    _make(session, table, "id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL", rows=rows)


def test_more_ids_than_a_statement_takes_come_each_once_and_who_does_not_come_is_gone(session: Session) -> None:
    _numbers(session, "many", 2_600)
    asked, rows = range(1, 5_001, 2), Rows()
    reading = _read(_reader(session, _contract("many"), *asked), rows)
    assert len(reading.queries) == 3
    assert (reading.counted, rows.ids()) == (1_300, list(range(1, 2_600, 2)))
    assert rows.ids("gone") == list(range(2_601, 5_001, 2))
    gone = rows.tables["gone"]
    assert set(gone.column(IS_GONE).to_pylist()) == {True}
    assert [name for name in gone.column_names if gone.column(name).null_count] == ["v", "rv"]
    assert gone.schema == rows.tables["rows"].schema
    assert set(rows.tables["rows"].column(IS_GONE).to_pylist()) == {False}


def test_a_look_counts_the_same_and_gives_no_ids_away(session: Session) -> None:
    _numbers(session, "many", 20)
    reader = _reader(session, _contract("many"), 19, 20, 21)
    look = reader.look()
    assert look.rows == 2
    said = zip(look.told.column("id").to_pylist(), look.told.column(IS_GONE).to_pylist(), strict=True)
    assert sorted(said) == [(19, False), (20, False), (21, True)]
    assert [q.told for q in look.queries] == [q.sql for q in reader._queries(["id"])]


def test_who_does_not_come_is_gone_only_where_the_ids_are_the_key(session: Session) -> None:
    """An account that does not come may have gone to another customer."""
    _numbers(session, "accounts", 3)
    columns = {"id": {"type": "INT64", "required": True}, "v": {"type": "STRING", "refers_to": "customer"}}
    rows = Rows()
    reading = _read(_reader(session, _contract("accounts", columns=columns, cohort_by="v"), "v", "w"), rows)
    assert (rows.ids(), list(reading.columns), list(rows.tables)) == ([1, 2, 3], ["id", "v", "rv"], ["rows"])


@pytest.mark.parametrize("deletes", ["never", {"flagged_by": "gone"}])
def test_who_does_not_come_is_not_gone_where_the_contract_does_not_say_so(session: Session, deletes: object) -> None:
    key = "id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL, gone bit NULL"
    _make(session, "kept", key, rows="VALUES (1, N'a')")
    columns = {"id": {"type": "INT64", "required": True}, "v": {"type": "STRING"}, "gone": {"type": "BOOL"}}
    contract = contract_of("kept", ROWVERSION, deletes, columns=columns, cohort_by="id")
    rows = Rows()
    _read(_reader(session, contract, 1, 2), rows)
    assert (rows.ids(), list(rows.tables), IS_GONE in rows.tables["rows"].column_names) == ([1], ["rows"], False)


def test_texts_are_found_as_the_source_compares_them(session: Session) -> None:
    made = "id varchar(10) NOT NULL PRIMARY KEY, v nvarchar(20) NULL"
    _make(session, "texts", made, rows="VALUES ('ab1  ', N'x'), ('00012', N'y'), ('NA', N'z')")
    rows = Rows()
    _read(_reader(session, _contract("texts", "STRING"), "AB1", "00012", "12", "na"), rows)
    assert sorted(name.rstrip() for name in rows.tables["rows"].column("id").to_pylist()) == ["00012", "NA", "ab1"]
    assert rows.tables["gone"].column("id").to_pylist() == ["12"]


def test_guids_come_in_any_case_and_what_sql_server_would_cut_to_one_is_refused(session: Session) -> None:
    made = "id uniqueidentifier NOT NULL PRIMARY KEY, v nvarchar(20) NULL"
    _make(session, "guids", made, rows=f"VALUES ('{GUIDS[0]}', N'x'), ('{GUIDS[1]}', N'y')")
    columns = {"id": {"type": "STRING", "required": True, "collation": "exact"}, "v": {"type": "STRING"}}
    contract, rows = _contract("guids", columns=columns), Rows()
    _read(_reader(session, contract, GUIDS[0].lower(), GUIDS[0], GUIDS[2]), rows)
    assert rows.tables["rows"].column("id").to_pylist() == [GUIDS[0]]
    assert rows.tables["gone"].column("id").to_pylist() == [GUIDS[2]]
    with pytest.raises(RequestError, match="1 of the 2 ids are no GUID"):
        _read(_reader(session, contract, GUIDS[0], f"{GUIDS[1]}-and-more"), Rows())


def test_a_change_between_two_chunks_is_in_neither(session: Session, writer: Session) -> None:
    """Its other half would be missing: all chunks are of one picture."""
    _numbers(session, "picture", 2_000)
    reader, rows, shipped = _reader(session, _contract("picture"), *range(1, 2_001)), Rows(), Session.batches

    class Changing:
        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

        def batches(self, sql: str, params: Any) -> Any:
            yield from shipped(session, sql, params)
            writer.execute("UPDATE dbo.picture SET v = N'new'; DELETE FROM dbo.picture WHERE id > 1990")

    _read(replace(reader, session=Changing()), rows)
    assert set(rows.column("v").values()) == {"v"}
    assert (len(rows.ids()), rows.tables.keys()) == (2_000, {"rows"})


def test_a_warehouse_that_was_made_anew_is_refused_only_where_a_position_depends_on_it(session: Session) -> None:
    _numbers(session, "anew", 1)
    before: Any = ({}, {"recovery_fork": "other", "created": "other"})
    snapshot = _contract("anew", method={"method": "snapshot"}, deletes="captured")
    assert capture.bounds(session, snapshot, "cohort", before, "here").high == {}
    with pytest.raises(EpochBroken, match="it was restored"):
        capture.bounds(session, _contract("anew"), "cohort", before, "here")


@pytest.mark.parametrize("who", ["the driver", "the writer"])
def test_fewer_rows_than_the_source_counted_are_refused(session: Session, who: str) -> None:
    _numbers(session, "loses", 10)

    class Loses:
        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

        def batches(self, sql: str, params: Any) -> Any:
            yield from (batch.slice(1) for batch in session.batches(sql, params))

    class LosesParts(Rows):
        def _write(self, batches: Any, schema: pa.Schema, kind: str) -> list[Any]:
            return super()._write((batch.slice(1) for batch in batches), schema, kind)

    reader = _reader(session, _contract("loses"), 1, 2, 3)
    reader, rows = (replace(reader, session=Loses()), Rows()) if who == "the driver" else (reader, LosesParts())
    with pytest.raises(IntegrityError, match="2 rows came, the source counted 3 in the same picture"):
        _read(reader, rows)


def test_a_row_less_here_is_not_made_up_by_a_row_more_there(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _numbers(session, "swaps", 4)
    monkeypatch.setattr(cohort, "chunks", lambda ids: [ids[:2], ids[2:]])
    came = iter([[1], [0, 1, 1]])  # of the two rows of each chunk

    class Swaps:
        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

        def batches(self, sql: str, params: Any) -> Any:
            yield from pa.Table.from_batches(session.batches(sql, params)).take(next(came)).to_batches()

    reader = replace(_reader(session, _contract("swaps"), 1, 2, 3, 4), session=Swaps())
    with pytest.raises(IntegrityError, match="1 rows came, the source counted 2 in the same picture"):
        _read(reader, Rows())


def test_text_that_is_no_unicode_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk asks the source whether a replacement character that came is one there."""
    _make(session, "marks", "id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL", rows="VALUES (1, NCHAR(65533))")
    asked: list[str] = []
    shipped = Session.scalar

    def scalar(self: Session, sql: str, params: Any = ()) -> Any:
        asked.append(sql)
        return shipped(self, sql, params)

    monkeypatch.setattr(Session, "scalar", scalar)
    _read(_reader(session, _contract("marks"), 1), Rows())
    assert [sql for sql in asked if "65533" in sql and re.search(r"WHERE \[id\] IN \(\?\)$", sql)]


def test_ids_that_a_collation_may_take_for_one_are_never_parted() -> None:
    ids = ["b", "A", "ａ", "á", "a", "ä", "a ", "c"]
    found = [list(chunk) for chunk in chunks(ids, size=2)]
    assert [len(chunk) for chunk in found] == [6, 2]
    assert sorted(each for chunk in found for each in chunk) == sorted(ids)
    assert [list(chunk) for chunk in chunks([3, 1, 2], size=2)] == [[1, 2], [3]]
    assert cohort.IDS_PER_CHUNK < 2_100


def test_ids_of_a_narrow_column_are_compared_as_narrow_text_and_none_is_cut(session: Session) -> None:
    """Else SQL Server would turn the column into nvarchar row by row, and read all of them."""
    _make(session, "narrow", "id varchar(8) NOT NULL PRIMARY KEY, v nvarchar(20) NULL", rows="VALUES ('A1', N'v')")
    rows, reader = Rows(), _reader(session, _contract("narrow", "STRING"), "A1", "A1234567890", "É1")
    reading = _read(reader, rows)
    (sql,) = reading.queries
    assert sql.endswith("IN (CAST(? AS varchar(8000)), CAST(? AS varchar(8000)), ?)")
    assert rows.tables["rows"].column("id").to_pylist() == ["A1"]
    assert rows.tables["gone"].num_rows == 2
