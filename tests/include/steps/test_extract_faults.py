"""What disturbs an extract: refused or tried again rightly, it leaves nothing behind, and the next reads every row."""

from __future__ import annotations

import gc
import io
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.clients.sql_server import connect
from include.errors import (
    DataPlatformError,
    ForbiddenError,
    IntegrityError,
    SourceRefused,
    SourceUnavailable,
    Unavailable,
)
from include.local.estates import t_sql
from include.local.estates.tables import SSE_CUSTOMER
from include.stage.log import DatasetLog, Part
from include.stage.parquet import PartWriter
from tests.include.steps.faults import (
    Disturbance,
    at_bucket,
    at_source,
    full_disk,
    full_disk_from_the_start,
    nobody_answers,
    nobody_listens,
    wrong_password,
)
from tests.include.steps.way import SSE, Way
from tests.include.wrong_input.witness import SECRETS, check_said
from tests.waiting import wait_until

CUSTOMERS, AT_ONCE = 50_000, 20_000
"""Two parts are in the bucket when the row that strikes comes."""
TABLE, LATE = "dbo.Customer", 45_000
SERVER = "way on connection sse (127.0.0.1:"
DENIED = "The SELECT permission was denied on the column 'Email' of the object 'Customer'"
SILENT = "SQL Server sent nothing for 1 s in the middle of a statement"
NO_ROOM = ("there is no room for a temporary file", "tried again by itself; if it lasts, make room there", "TMPDIR")
FORBIDDEN = ("Cloud Storage does not allow it", "grant what `python -m include grants bucket")
PARTS, ENTRY = "/sse/customer/parts/0000", "/sse/customer/log/0000"
A_PART, AN_ENTRY = "PAR1", '"contract_hash"'
"""What stands in their bytes."""
AGAIN = "tried again by itself"


@dataclass(frozen=True)
class Fault:
    """What strikes, and what is said then: of which kind, with which words. `reads`: what is read when it does.
    `may_be_there`: the entry may have been made, so that its parts must stay until the next batch."""

    disturbs: Disturbance
    kind: type[DataPlatformError]
    words: tuple[str, ...]
    reads: str = "full"
    may_be_there: bool = False


def _late(kind: str) -> Disturbance:
    return at_source(kind, table=TABLE, after_rows=LATE)


FAULTS: Mapping[str, Fault] = {
    # the source
    "nobody listens": Fault(nobody_listens, SourceUnavailable, ("did not answer within 2 s", SERVER, AGAIN)),
    "nobody answers": Fault(nobody_answers, SourceUnavailable, ("did not answer within 2 s", SERVER, AGAIN)),
    "a wrong password": Fault(
        wrong_password, SourceRefused, ("Login failed for user 'sa'", SERVER, "have the login sa unlocked")
    ),
    "the login is refused": Fault(at_source("refused"), SourceRefused, ("Login failed for user 'sa'", SERVER)),
    "a column is denied": Fault(
        at_source("denied", table=TABLE, column="Email"),
        SourceRefused,
        (DENIED, SERVER, "python -m include grants sse --to sa` prints"),
    ),
    "reset before the first row": Fault(
        at_source("reset", table=TABLE), SourceUnavailable, ("SQL Server: Communication link failure", SERVER, AGAIN)
    ),
    "reset in mid-stream": Fault(_late("reset"), SourceUnavailable, ("Communication link failure", SERVER, AGAIN)),
    "a deadlock's victim": Fault(_late("deadlock"), SourceUnavailable, ("the deadlock victim", SERVER, AGAIN)),
    "silence before the first row": Fault(
        at_source("hang", table=TABLE), SourceUnavailable, (SILENT, SERVER, AGAIN, "the extra query_timeout")
    ),
    "silence in mid-stream": Fault(_late("hang"), SourceUnavailable, (SILENT, SERVER, AGAIN, "sys.dm_exec_requests")),
    "the end comes early": Fault(
        _late("short"), IntegrityError, (f"{LATE} rows came, the source counted {CUSTOMERS}", "DBCC CHECKTABLE", TABLE)
    ),
    # after a window's rows have been written
    "the keys end early": Fault(
        _late("short"), IntegrityError, (f"{LATE} keys came, the source counted {CUSTOMERS}", TABLE), reads="window"
    ),
    "reset among the keys": Fault(_late("reset"), SourceUnavailable, ("Communication link failure",), reads="window"),
    "silence among the keys": Fault(_late("hang"), SourceUnavailable, (SILENT, SERVER), reads="window"),
    # our disk
    "the disk is full": Fault(full_disk, Unavailable, NO_ROOM),
    "the disk is full from the start": Fault(full_disk_from_the_start, Unavailable, NO_ROOM),
    # the bucket
    "the bucket forbids a part": Fault(at_bucket("403", "rows-0001"), ForbiddenError, (*FORBIDDEN, PARTS)),
    "the bucket is out of order": Fault(at_bucket("503", "rows-0001"), Unavailable, ("Cloud Storage: ", PARTS, AGAIN)),
    "each upload is cut off": Fault(at_bucket("cut", A_PART), Unavailable, ("Cloud Storage: ", PARTS, AGAIN)),
    "the answer to an upload is lost": Fault(
        at_bucket("lost", A_PART, times=1), Unavailable, ("Cloud Storage: NotFound", PARTS, AGAIN)
    ),
    "the bucket forbids the entry": Fault(
        at_bucket("403", AN_ENTRY), ForbiddenError, (*FORBIDDEN, ENTRY), may_be_there=True
    ),
    "the bucket is silent on the entry": Fault(
        at_bucket("cut", AN_ENTRY), Unavailable, ("Cloud Storage: ", ENTRY, AGAIN), may_be_there=True
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _many_customers(way: Way) -> None:
    way.sql("DROP TABLE IF EXISTS dbo.Customer")
    way.sql(t_sql.create_table(SSE_CUSTOMER))
    row = f"SELECT value, N'{SECRETS[0]}', 'A', '2020-01-01' FROM GENERATE_SERIES(1, {CUSTOMERS})"
    way.sql(f"INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) {row}")
    way.extract()


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartWriter.__init__, "__defaults__", (AT_ONCE,))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_rightly_leaves_nothing_behind_and_the_next_extract_is_whole(
    way: Way, tmp_path: Path, name: str
) -> None:
    fault = FAULTS[name]
    way.sql("UPDATE dbo.Customer SET Title = N'Dr' WHERE CustomerId = 7")  # something waits for a window, too
    committed, held = _in_bucket(way), _held(way)
    _strike(way, tmp_path, fault)
    now = _in_bucket(way)
    assert now == committed or (fault.may_be_there and now[0] == committed[0])
    wait_until(lambda: _held(way) <= held, f"all is given back: {held}")
    _check_whole(way, _extract(way, fault.reads))


def _strike(way: Way, folder: Path, fault: Fault) -> None:
    """Nothing of the error is kept: its traceback would hold what was read."""
    with fault.disturbs(way, folder) as disturbed:
        try:
            _extract(disturbed, fault.reads)
        except DataPlatformError as error:
            check_said(error, fault.kind, *fault.words)
        else:
            pytest.fail("it went on as if nothing had been")


def _extract(way: Way, reads: str) -> dict[str, Any]:
    if reads == "full":
        return way.extract(full_refresh=True)
    return way.extract(run=replace(way.begin(), started_at=datetime.now(UTC) + timedelta(days=1)))  # nothing is fresh


# --- what is left behind


def _in_bucket(way: Way) -> tuple[list[int], list[str]]:
    """The numbers of the batches, and all objects of the dataset, claims included."""
    bucket = way.world.servers.bucket
    return DatasetLog(bucket, SSE).numbers(), sorted(bucket.names("sse/customer/"))


def _held(way: Way) -> Counter[str]:
    """What this process holds: Arrow's memory, threads, temporary files, connections at the source (both ends)."""
    gc.collect()
    held = Counter(thread.name for thread in threading.enumerate())
    held += Counter(link for link in _open_files() if "(deleted)" in link)
    held["bytes of Arrow"] = pa.total_allocated_bytes()
    held["ends of connections"] = _ends(way.world.connections.sql_server("sse").port)
    return held


def _open_files() -> Iterator[str]:
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            yield os.readlink(link)


def _ends(port: int) -> int:
    """Of connections with the server that listens on `port`, the server's own included, but for closed ones."""
    closed, found = ("06", "0A"), 0  # TIME_WAIT, and the one that listens
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, ours, theirs, state = line.split()[:4]
        found += state not in closed and f":{port:04X}" in (ours[-5:], theirs[-5:])
    return found


# --- what the next extract has read


def _check_whole(way: Way, told: dict[str, Any]) -> None:
    bucket, batch = way.world.servers.bucket, DatasetLog(way.world.servers.bucket, SSE).get(told["batch"])
    named = sorted(part.path for part in (*batch.parts, *(batch.keys or ())))
    assert sorted(bucket.names(f"sse/customer/parts/{batch.number:08}-")) == named
    rows = _rows(way, batch.parts)
    if batch.kind == "full":
        assert rows.equals(_at_source(way, rows.schema))
        return
    assert batch.keys is not None
    keys = _rows(way, batch.keys)
    assert rows["CustomerId"].to_pylist() == [7]
    assert keys.equals(_at_source(way, keys.schema))


def _rows(way: Way, parts: tuple[Part, ...]) -> pa.Table:
    data = [way.world.servers.bucket.read(part.path) for part in parts]
    return _in_order(pa.concat_tables([pq.read_table(io.BytesIO(each)) for each in data if each is not None]))


def _at_source(way: Way, schema: pa.Schema) -> pa.Table:
    """All rows of these columns."""
    with connect(way.world.connections.sql_server("sse"), way.database) as session:
        batches = list(session.batches(f"SELECT {', '.join(schema.names)} FROM dbo.Customer"))
    return _in_order(pa.Table.from_batches(batches).cast(schema))


def _in_order(table: pa.Table) -> pa.Table:
    return table.sort_by("CustomerId").combine_chunks()


# --- what heals within the extract


@pytest.mark.parametrize(
    "disturbs",
    [at_bucket("503", "rows-0001", times=1), at_bucket("cut", A_PART, times=1), at_bucket("lost", AN_ENTRY, 1)],
    ids=["an upload is refused once", "an upload is cut off once", "the answer to the entry is lost"],
)
def test_what_passes_in_a_moment_is_not_even_told(way: Way, tmp_path: Path, disturbs: Disturbance) -> None:
    with disturbs(way, tmp_path) as disturbed:
        told = _extract(disturbed, "full")
    _check_whole(way, told)
