"""What does reading a table cost? (`make bench-extract`; against the limit that driver, Parquet and bucket set)

1,000,000 rows of 12 mixed columns, over TDS with TLS, to Parquet parts in the bucket, each reader in a process of its
own, in turn; the median of ROUNDS. Then five times the rows, for memory. Ends with one line of JSON: `wall_to_limit`
and `cpu_to_limit` are our reader's wall and CPU seconds by those of the limit (wanted: at most 1.3), `peak_rss_mib` the
most resident memory of our reader (wanted: at most 150), `rss_at_five_times` that at five times the rows by it,
`server_cpu_share` the CPU that SQL Server's stand-in used of one core while the limit was read. The values of both
readers' parts are compared, column by column.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.readers import COLUMNS, DATABASE
from include.clients.sql_server import Session, connect
from include.connections import EnvironmentConnections
from include.local.platform import Platform
from include.steps.servers import Servers

ROOT = Path(__file__).resolve().parent.parent
ROWS, ROUNDS, PART = 1_000_000, 3, 500_000
_SERVERS = ["sql_server", "cloud_storage"]
_TABLE = """
CREATE TABLE dbo.Reading (
  Id bigint NOT NULL PRIMARY KEY, Code char(8) NULL, Name nvarchar(60) NULL, Note varchar(200) NULL,
  Amount decimal(18,4) NULL, Balance money NULL, Price float NULL, IsActive bit NULL, BornOn date NULL,
  CreatedAt datetime2(3) NULL, ModifiedAt datetime NULL, Kind smallint NULL
)"""
_FILL = """
INSERT INTO dbo.Reading
SELECT value, CAST(value % 99999999 AS varchar(8)), N'Zoë ' + CAST(value AS nvarchar(20)),
  CASE WHEN value % 3 = 0 THEN NULL ELSE 'read at the meter, day ' + CAST(value % 365 AS varchar(3)) END,
  CAST(value % 100000000 AS decimal(18,4)) + 0.0625, CAST(value % 5000 AS money), CAST(value AS float) * 1.1,
  CASE WHEN value % 2 = 0 THEN 1 ELSE 0 END, DATEADD(day, value % 30000, CAST('1930-01-01' AS date)),
  DATEADD(second, value % 900000000, CAST('1995-01-01' AS datetime2(3))),
  DATEADD(second, value % 900000000, CAST('1995-01-01' AS datetime)), value % 30000
FROM GENERATE_SERIES({first}, {last})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder), ROOT / ".local" / "install")
        try:
            platform.up(_SERVERS, report=lambda text: None)
            os.environ.update(platform.environment())
            print(json.dumps({"benchmark": "extract", "ratios": _measure(platform)}))
        finally:
            platform.down(report=lambda text: None)


def _measure(platform: Platform) -> dict[str, float]:
    servers = Servers(EnvironmentConnections(os.environ))
    with connect(servers.connections.sql_server("sse"), "master") as session:
        session.execute(f"CREATE DATABASE {DATABASE}")
        session.execute(f"ALTER DATABASE {DATABASE} SET ALLOW_SNAPSHOT_ISOLATION ON")
    with connect(servers.connections.sql_server("sse"), DATABASE) as session:
        session.execute(_TABLE)
        _fill(session, 1, ROWS)
        found = {name: [_read(name, f"{name}-{turn}") for turn in range(ROUNDS)] for name in ("drain",)}
        server, busy = psutil.Process(next(one.pid for one in platform.status() if one.name == "sql_server")), 0.0
        found |= {"limit": [], "ours": []}
        for turn in range(ROUNDS):  # in turn, so that what else the machine does meets both
            before = sum(server.cpu_times()[:2])
            found["limit"].append(_read("limit", f"limit-{turn}"))
            busy += sum(server.cpu_times()[:2]) - before
            found["ours"].append(_read("ours", f"ours-{turn}"))
        _compare(_parts(servers, "00000001-ours-0-"), _parts(servers, "limit-0-"))
        _fill(session, ROWS + 1, 5 * ROWS)
    large = _read("ours", "large")
    assert large["rows"] == 5 * ROWS
    _tell(found, large)
    limit, ours = (_medians(found[name]) for name in ("limit", "ours"))
    return {
        "wall_to_limit": round(ours["wall"] / limit["wall"], 2),
        "cpu_to_limit": round(ours["cpu"] / limit["cpu"], 2),
        "peak_rss_mib": round(max(one["peak_rss_mib"] for one in found["ours"])),
        "rss_at_five_times": round(large["peak_rss_mib"] / ours["peak_rss_mib"], 2),
        "server_cpu_share": round(busy / sum(one["wall"] for one in found["limit"]), 2),
    }


def _fill(session: Session, first: int, last: int) -> None:
    for begin in range(first, last + 1, ROWS):
        session.execute(_FILL.format(first=begin, last=min(begin + ROWS - 1, last)))


def _read(name: str, token: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.readers", name, str(PART), token]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _parts(servers: Servers, beginning: str) -> pa.Table:
    names = servers.bucket.names(f"sse/reading/parts/{beginning}")
    found = [pq.read_table(pa.BufferReader(servers.bucket.read(name) or b"")) for name in names]
    return pa.concat_tables(found).sort_by("Id")


def _compare(ours: pa.Table, limit: pa.Table) -> None:
    for name in COLUMNS:
        a, b = ours.column(name), limit.column(name)
        if a.length() != ROWS or not a.equals(b.cast(a.type)):
            sys.exit(f"the readers differ in {name}")
    print(f"{ROWS:,} rows x {len(COLUMNS)} columns: both readers' values are the same")


def _medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def _tell(found: dict[str, list[dict[str, Any]]], large: dict[str, Any]) -> None:
    print(f"{'reader':12} {'rows':>10} {'wall s':>7} {'CPU s':>7} {'rows/s':>9} {'peak MiB':>9}")
    lines = {name: _medians(rounds) for name, rounds in found.items()} | {"ours, 5 x": large}
    for name, one in lines.items():
        rate = f"{one['rows'] / one['wall']:,.0f}"
        print(
            f"{name:12} {int(one['rows']):>10,} {one['wall']:>7.2f} {one['cpu']:>7.2f} {rate:>9} "
            f"{one['peak_rss_mib']:>9.0f}"
        )


if __name__ == "__main__":
    main()
