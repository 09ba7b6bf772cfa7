"""What the driver changes on the way, or a part cannot hold, is refused; and no error repeats a value."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from include.clients.sql_server import Session, connect
from include.connections import EnvironmentConnections
from include.errors import IntegrityError, SourceRefused
from include.extract.exact import LARGEST_CELL, LOOK, ExactRows
from include.extract.query import select
from include.extract.types import SourceColumn, conversion
from include.local.platform import Platform

HALVES = "\ue000\ue001"
"""Two characters that the wire below turns into half of a surrogate pair and an A."""
NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
CHANGES = {HALVES.encode("utf-16-le"): b"\x3d\xd8A\x00", "þÿþÿþ".encode("cp1252"): NOT_IN_1252}
ROWS = select(["v"], "FROM dbo.exact")
TEXT = pa.schema([("v", pa.string())])


class Wire:
    """A TCP relay before the stand-in, whose own text is always Unicode: it changes bytes of the answers."""

    def __init__(self, target: int) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._target = target
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, change in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, change), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, change: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                for old, new in CHANGES.items() if change else ():
                    data = data.replace(old, new)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture(scope="module")
def wired(platform: Platform) -> Iterator[Session]:
    settings = EnvironmentConnections(platform.environment()).sql_server("sse")
    wire = Wire(settings.port)
    plain = replace(settings, port=wire.port, options={**settings.options, "Encrypt": "no"})
    with connect(settings, "master") as session:
        session.execute("CREATE DATABASE exact")
    with connect(plain, "exact") as session:
        session.execute("CREATE TABLE dbo.exact (v nvarchar(50) NULL)")
        yield session
    wire.close()


@pytest.fixture
def read(wired: Session) -> Callable[..., list[Any]]:
    """Reads a table of these texts as a run does."""

    def read_texts(*texts: str) -> list[Any]:
        wired.execute("DELETE FROM dbo.exact")
        for text in texts:
            wired.execute(f"INSERT INTO dbo.exact (v) VALUES (N'{text}')")
        exact = ExactRows(TEXT, "exact.dbo.exact")
        found = [value for batch in exact.of(wired.batches(ROWS.sql)) for value in batch.column(0).to_pylist()]
        exact.check_marks(wired, ROWS)
        return found

    return read_texts


def test_half_of_a_surrogate_pair_is_refused_where_the_driver_replaces_it(read: Callable[..., list[Any]]) -> None:
    with pytest.raises(SourceRefused) as caught:
        read("secret", f"secret {HALVES}", "a \ufffd that was there")
    assert "v holds text that is no Unicode: 1 times" in caught.value.problem
    assert caught.value.where == "exact.dbo.exact"
    assert "secret" not in str(caught.value)


def test_a_replacement_character_of_the_source_is_a_character(read: Callable[..., list[Any]]) -> None:
    assert read("\ufffd\ufffd", "b\ufffd", "c") == ["\ufffd\ufffd", "b\ufffd", "c"]


def test_the_driver_loses_bytes_that_the_code_page_does_not_define_so_narrow_text_comes_wide(wired: Session) -> None:
    """When this fails the driver has been mended: then char and varchar need no conversion any more."""
    (batch,) = wired.batches("SELECT CAST('þÿþÿþ' AS varchar(9)) AS v")
    assert batch.column(0).to_pylist() == ["?????"]
    asked = conversion(SourceColumn("v", "varchar", length=9), "STRING", "[v]")
    assert asked == "CAST([v] AS nvarchar(9))"


@pytest.mark.parametrize("before", [0, 5, LOOK - 3, LOOK - 2, LOOK - 1, LOOK, 2 * LOOK - 3])
def test_a_replacement_character_is_counted_wherever_it_lies(before: int) -> None:
    """Also across the border of two pieces that are looked through."""
    exact = ExactRows(TEXT, "here")
    texts = pa.array(["x" * before + "\ufffd", "y" * 100], pa.large_string())
    assert list(exact.of([pa.record_batch([texts], names=["v"])]))
    assert exact.marks == {"v": 1}


def _cast(array: pa.Array, to: pa.DataType) -> list[pa.RecordBatch]:
    batch = pa.record_batch([array], names=["v"])
    return list(ExactRows(pa.schema([("v", to)]), "here").of([batch]))


@pytest.mark.parametrize(
    ("array", "to"),
    [
        (pa.array([86_399_999_999_900], pa.time64("ns")), pa.time64("us")),
        (pa.array([2**63 - 1], pa.int64()), pa.int32()),
        (pa.array(["12.345"]).cast(pa.decimal128(9, 3)), pa.decimal128(9, 2)),
    ],
)
def test_a_value_that_the_part_cannot_hold_is_refused_without_its_value(array: pa.Array, to: pa.DataType) -> None:
    with pytest.raises(IntegrityError, match="v holds a value that is not exactly one of") as caught:
        _cast(array, to)
    assert not any(text in str(caught.value) for text in ("86399999999900", str(2**63 - 1), "12.345"))


@pytest.mark.parametrize(
    ("array", "to"),
    [
        (pa.array(["é" * (LARGEST_CELL // 2)], pa.large_string()), pa.string()),
        (pa.array([b"x" * LARGEST_CELL], pa.large_binary()), pa.binary()),
    ],
)
def test_a_cell_of_the_largest_size_passes_and_one_byte_more_does_not(array: pa.Array, to: pa.DataType) -> None:
    assert _cast(array, to)[0].num_rows == 1
    more = pa.array([value + value[:1] for value in array.to_pylist()], array.type)
    with pytest.raises(IntegrityError, match=r"v holds 10,000,00\d bytes in one row, more than the 10,000,000"):
        _cast(more, to)
