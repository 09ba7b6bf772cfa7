"""The pictures in which rows are read, against the SQL Server stand-in: nothing that commits meanwhile is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from include.clients.sql_server import Session, connect
from include.connections import EnvironmentConnections, SqlServerSettings
from include.contract import DatasetContract
from include.errors import EpochBroken, IntegrityError, SourceRefused
from include.extract import capture
from include.local.platform import Platform

CONTRACT = DatasetContract.model_validate(
    {
        "describes": "x",
        "owner": "x",
        "table": "capture.dbo.thing",
        "key": ["id"],
        "capture": {"method": "rowversion", "column": "rv"},
        "deletes": "key_scan",
        "columns": {"id": {"type": "INT64", "required": True}, "v": {"type": "STRING"}, "hidden": {"type": "STRING"}},
    }
)
COLUMNS = CONTRACT.read_columns(["v"])


@dataclass
class Rows:
    """Keeps what is written; stands for one part."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    @property
    def sink(self) -> capture.Sink:
        return capture.Sink(self._write, self.queries.append)

    def _write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: str) -> list[Any]:
        self.tables[kind] = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
        return [type("Part", (), {"rows": self.tables[kind].num_rows})]

    def ids(self, kind: str = "rows") -> list[int]:
        return sorted(self.tables[kind].column("id").to_pylist())


@pytest.fixture(scope="module")
def settings(platform: Platform) -> SqlServerSettings:
    found = EnvironmentConnections(platform.environment()).sql_server("sse")
    with connect(found, "master") as session:
        session.execute("CREATE DATABASE capture")
        session.execute("ALTER DATABASE capture SET ALLOW_SNAPSHOT_ISOLATION ON")
        session.execute("CREATE DATABASE strict")
    with connect(found, "strict") as session:
        session.execute("CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY)")
    return found


@pytest.fixture
def session(settings: SqlServerSettings) -> Iterator[Session]:
    with connect(settings, "capture") as session:
        session.execute("DROP TABLE IF EXISTS dbo.thing")
        session.execute(
            "CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL,"
            " hidden nvarchar(20) NULL, rv rowversion)"
        )
        session.execute(
            "INSERT INTO dbo.thing (id, v, hidden) SELECT value, N'v', N'secret' FROM GENERATE_SERIES(1, 10)"
        )
        yield session


@pytest.fixture
def writer(settings: SqlServerSettings) -> Iterator[Session]:
    with connect(settings, "capture") as session:
        yield session


def _full(session: Session) -> tuple[capture.Bounds, Rows]:
    rows = Rows()
    bounds = capture.bounds(session, CONTRACT, "full", None, "here")
    capture.read(session, CONTRACT, COLUMNS, bounds, rows.sink, "here")
    return bounds, rows


def _window(session: Session, before: capture.Bounds) -> tuple[capture.Bounds, Rows]:
    rows = Rows()
    bounds = capture.bounds(session, CONTRACT, "window", (before.position, before.epoch), "here")
    capture.read(session, CONTRACT, COLUMNS, bounds, rows.sink, "here")
    return bounds, rows


def test_a_full_reads_everything_but_no_unclaimed_column(session: Session) -> None:
    _, rows = _full(session)
    assert rows.ids() == list(range(1, 11))
    assert rows.tables["rows"].column_names == ["id", "v", "rv"]
    assert "keys" not in rows.tables
    assert not any("hidden" in query for query in rows.queries)


def test_a_window_reads_what_changed_and_looks_at_all_keys(session: Session, writer: Session) -> None:
    before, _ = _full(session)
    writer.execute("UPDATE dbo.thing SET v = N'w' WHERE id = 3")
    writer.execute("DELETE FROM dbo.thing WHERE id = 4")
    after, rows = _window(session, before)
    assert rows.ids() == [3]
    assert rows.ids("keys") == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    _, rows = _window(session, after)
    assert rows.ids() == []
    assert len(rows.ids("keys")) == 9


def test_a_long_open_transaction_makes_rows_late_but_loses_none(session: Session, writer: Session) -> None:
    before, _ = _full(session)
    writer.execute("BEGIN TRANSACTION; UPDATE dbo.thing SET v = N'open' WHERE id = 6")
    session.execute("UPDATE dbo.thing SET v = N'quick' WHERE id = 7")
    held, rows = _window(session, before)
    assert 6 not in rows.ids()
    writer.execute("COMMIT TRANSACTION")
    _, later = _window(session, held)
    assert {6, 7} <= set(rows.ids() + later.ids())
    assert 6 in later.ids()


def test_a_deleted_and_recreated_row_is_read_again(session: Session, writer: Session) -> None:
    before, _ = _full(session)
    writer.execute("DELETE FROM dbo.thing WHERE id = 8")
    writer.execute("INSERT INTO dbo.thing (id, v) VALUES (8, N'again')")
    _, rows = _window(session, before)
    assert rows.ids() == [8]
    assert 8 in rows.ids("keys")


def test_a_restored_database_is_noticed_and_nothing_is_guessed(session: Session, writer: Session) -> None:
    before, _ = _full(session)
    writer.execute("EXEC standin.restore")
    with pytest.raises(EpochBroken, match="another recovery fork") as caught:
        capture.bounds(session, CONTRACT, "window", (before.position, before.epoch), "here")
    assert "full_refresh" in caught.value.remedy


def test_a_database_that_hides_whether_it_was_restored_is_refused(session: Session) -> None:
    class Hides:
        """As a server where VIEW ANY DATABASE was revoked: the row of sys.database_recovery_status is not shown."""

        def rows(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
            return [(None, created) for _, created in session.rows(sql, params)]

    with pytest.raises(SourceRefused, match="a restore would go unnoticed") as caught:
        capture.bounds(Hides(), CONTRACT, "full", None, "here")  # type: ignore[arg-type]
    assert "VIEW ANY DATABASE" in caught.value.remedy


def test_a_counter_that_fell_is_noticed(session: Session) -> None:
    before, _ = _full(session)
    ahead = {"rowversion": "7" + before.position["rowversion"][1:]}
    with pytest.raises(EpochBroken, match="a counter that fell"):
        capture.bounds(session, CONTRACT, "window", (ahead, before.epoch), "here")


def test_fewer_rows_than_the_source_counted_is_refused(session: Session) -> None:
    class Loses(Rows):
        def _write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: str) -> list[Any]:
            return super()._write((batch.slice(1) for batch in batches), schema, kind)

    bounds = capture.bounds(session, CONTRACT, "full", None, "here")
    with pytest.raises(IntegrityError, match="9 rows came, the source counted 10"):
        capture.read(session, CONTRACT, COLUMNS, bounds, Loses().sink, "here")


def test_a_database_without_snapshot_isolation_is_refused_with_the_command(settings: SqlServerSettings) -> None:
    contract = CONTRACT.model_copy(update={"table": "strict.dbo.thing"})
    bounds = capture.Bounds("full", None, None, {})
    with connect(settings, "strict") as session, pytest.raises(SourceRefused, match="snapshot isolation") as caught:
        capture.read(session, contract, ["id"], bounds, Rows().sink, "here")
    assert "ALLOW_SNAPSHOT_ISOLATION ON" in caught.value.remedy


@dataclass
class Said:
    """A catalog of computed, masked and encrypted columns, which the stand-in cannot have."""

    traits: tuple[Any, ...]

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if "sys.columns" in sql:
            return [("v", *self.traits)]
        return [("v", "varchar", 20, None, None, None, "YES", "X")] if "COLUMNS" in sql else [("v",)]


@pytest.mark.parametrize(
    ("computed", "masked", "encrypted", "deterministic", "reads_others", "unmask", "trait"),
    [
        (True, False, None, 1, 0, 1, "computed"),
        (True, False, None, 0, 0, 1, "volatile"),
        (True, False, None, 1, 1, 1, "volatile"),
        (True, False, None, None, None, 1, "volatile"),
        (False, True, None, None, None, 0, "masked"),
        (False, True, None, None, None, None, "masked"),
        (False, True, None, None, None, 1, ""),
        (True, True, None, 1, 0, 0, "masked"),
        (False, False, 1, None, None, 1, "encrypted"),
    ],
)
def test_the_catalog_says_what_is_computed_masked_or_encrypted(
    computed: bool,
    masked: bool,
    encrypted: int | None,
    deterministic: int | None,
    reads_others: int | None,
    unmask: int | None,
    trait: str,
) -> None:
    said: Any = Said((computed, masked, encrypted, deterministic, reads_others, unmask))
    (column,) = capture.read_catalog(said, "a.b.c").columns
    assert (column.text(), column.trait) == ("varchar(20)", trait)


def test_the_catalog_knows_how_long_a_text_is(session: Session) -> None:
    columns = {column.name: column.told() for column in capture.read_catalog(session, CONTRACT.table).columns}
    assert columns == {"id": "int not null", "v": "nvarchar(20)", "hidden": "nvarchar(20)", "rv": "timestamp not null"}
