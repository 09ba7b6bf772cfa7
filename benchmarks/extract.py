"""What does reading a table cost? (`make bench-extract`; see README.md beside this file)"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.measuring import DATABASE
from benchmarks.peers.environments import PEERS, python_of
from benchmarks.processes import Cost, environ_of_others, started, told
from benchmarks.values import changes, table_of
from benchmarks.world import world
from include.clients.cloud_storage import Bucket
from include.clients.sql_server import Session, connect
from include.local.platform import Platform
from include.steps.servers import Servers

ROWS, ROUNDS, PART = 1_000_000, 3, 500_000
_OURS, _LIMIT = "sse/reading/parts/00000001-", "limit/"
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
  CAST(value AS decimal(18,4)) * 12345678 + 0.0001, CAST(value % 5000 AS money) + 0.0001, CAST(value AS float) * 1.1,
  CASE WHEN value % 2 = 0 THEN 1 ELSE 0 END, DATEADD(day, value % 30000, CAST('1930-01-01' AS date)),
  DATEADD(millisecond, value % 1000, DATEADD(second, value % 900000000, CAST('1995-01-01' AS datetime2(3)))),
  DATEADD(millisecond, value % 1000, DATEADD(second, value % 900000000, CAST('1995-01-01' AS datetime))), value % 30000
FROM GENERATE_SERIES({first}, {last})"""


def main() -> None:
    pythons = {peer: python_of(peer) for peer in PEERS}
    with _servers() as (platform, servers), connect(servers.connections.sql_server("sse"), DATABASE) as session:
        session.execute(_TABLE)
        _fill(session, 1, ROWS)
        found = {"drain": [_read("drain")]}
        server = psutil.Process(next(one.pid for one in platform.status() if one.name == "sql_server"))
        busy = _in_turn(found, server)
        found["halves"] = [_two_at_once(turn) for turn in range(ROUNDS)]
        for peer, python in pythons.items():
            found[peer] = [told(started([str(python), "-m", f"benchmarks.peers.{peer}.read", f"peers/{peer}/"]))]
        changed = _changed(servers.bucket)
        _fill(session, ROWS + 1, 5 * ROWS)
        found["five times"] = [_read("ours", "five")]
    _report(found, changed, busy)


@contextmanager
def _servers() -> Iterator[tuple[Platform, Servers]]:
    with world(["sql_server", "cloud_storage"]) as (platform, servers, _):
        with connect(servers.connections.sql_server("sse"), "master") as session:
            session.execute(f"CREATE DATABASE {DATABASE}")
            session.execute(f"ALTER DATABASE {DATABASE} SET ALLOW_SNAPSHOT_ISOLATION ON")
        yield platform, servers


def _fill(session: Session, first: int, last: int) -> None:
    for begin in range(first, last + 1, ROWS):
        session.execute(_FILL.format(first=begin, last=min(begin + ROWS - 1, last)))


def _in_turn(found: dict[str, list[Cost]], server: psutil.Process) -> float:
    """Limit and ours, in turn, so that what else the machine does meets both; the CPU seconds that the server used for
    the limit."""
    busy = 0.0
    for turn in range(ROUNDS):
        before = sum(server.cpu_times()[:2])
        found.setdefault("limit", []).append(_read("limit", f"{_LIMIT}{turn}"))
        busy += sum(server.cpu_times()[:2]) - before
        found.setdefault("ours", []).append(_read("ours", f"ours{turn}"))
    return busy


def _two_at_once(turn: int) -> Cost:
    """Half of the keys each, in two processes: the longer wall, CPU and memory of both."""
    middle = ROWS // 2 + 1
    halves = [
        _reader("ours", f"half{turn}-{low}", str(low), str(high)) for low, high in ((1, middle), (middle, ROWS + 1))
    ]
    costs = [told(one) for one in halves]
    return {key: (max if key == "wall" else sum)(one[key] for one in costs) for key in costs[0]}


def _read(name: str, *arguments: str) -> Cost:
    return told(_reader(name, *arguments))


def _reader(name: str, *arguments: str) -> subprocess.Popen[str]:
    environ = None if name == "ours" else environ_of_others()
    return started([sys.executable, "-m", "benchmarks.readers", name, str(PART), *arguments], environ)


def _changed(bucket: Bucket) -> dict[str, dict[str, str]]:
    """Which columns each reader changed, compared with what the driver gives and nobody converted."""
    source = table_of(bucket, f"{_LIMIT}0")
    assert source.num_rows == ROWS
    places = {"ours": f"{_OURS}ours0", "halves": f"{_OURS}half0", **{peer: f"peers/{peer}/" for peer in PEERS}}
    places["dlt"] += "bench/reading/"  # beside it lies what dlt keeps for itself
    return {name: changes(source, table_of(bucket, place)) for name, place in places.items()}


def _report(found: dict[str, list[Cost]], changed: dict[str, dict[str, str]], busy: float) -> None:
    cost = {name: _least(rounds) for name, rounds in found.items()}
    _print(cost, changed)
    limit, ours = cost["limit"], cost["ours"]
    ratios = {
        "wall_to_limit": round(ours["wall"] / limit["wall"], 2),
        "cpu_to_limit": round(ours["cpu"] / limit["cpu"], 2),
        "peak_rss_mib": round(ours["peak_rss_mib"]),
        "limit_peak_rss_mib": round(limit["peak_rss_mib"]),
        "rss_at_five_times": round(cost["five times"]["peak_rss_mib"] / ours["peak_rss_mib"], 2),
        "two_ranges_to_one": round(cost["halves"]["wall"] / ours["wall"], 2),
        "server_cpu_share": round(busy / sum(one["wall"] for one in found["limit"]), 2),
        "columns_changed": len(changed["ours"]) + len(changed["halves"]),
    }
    for peer in PEERS:
        ratios[f"{peer}_wall_to_ours"] = round(cost[peer]["wall"] / ours["wall"], 1)
        ratios[f"{peer}_cpu_to_ours"] = round(cost[peer]["cpu"] / ours["cpu"], 1)
        ratios[f"{peer}_peak_rss_mib"] = round(cost[peer]["peak_rss_mib"])
        ratios[f"{peer}_columns_changed"] = len(changed[peer])
    print(json.dumps({"benchmark": "extract", "ratios": ratios}))


def _least(rounds: list[Cost]) -> Cost:
    """Of several rounds the least seconds, for what else the machine does can only add some; and the most memory."""
    return {key: (max if key == "peak_rss_mib" else min)(one[key] for one in rounds) for key in rounds[0]}


def _print(cost: dict[str, Cost], changed: dict[str, dict[str, str]]) -> None:
    print(f"{'reader':12} {'rows':>10} {'wall s':>7} {'CPU s':>7} {'rows/s':>9} {'peak MiB':>9}")
    for name, one in cost.items():
        print(
            f"{name:12} {one['rows']:>10,.0f} {one['wall']:>7.2f} {one['cpu']:>7.2f} "
            f"{one['rows'] / one['wall']:>9,.0f} {one['peak_rss_mib']:>9.0f}"
        )
    for name, columns in changed.items():
        print(f"{name} changed {', '.join(f'{column} ({what})' for column, what in columns.items()) or 'nothing'}")


if __name__ == "__main__":
    main()
