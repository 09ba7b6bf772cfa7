"""How do the made estates get onto the servers?

Each database and the landing dataset has a table of ours, `SeededBy`, made before anything else and marked done after
everything else. So a seed that was killed starts over where it was, one that is done does nothing, and tables that
no seed made (a connection that points at a real system) are never touched.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from include.clients.big_query import BigQuery
from include.connections import Connections, EnvironmentConnections
from include.local.estates.generate import Estates, check_size, generate
from include.local.estates.seed_landing import LandingDataset
from include.local.estates.seed_sql_server import Database
from include.local.estates.seeded import SeededBy
from include.local.estates.tables import TableData

Report = Callable[[str], None]
CUSTOMERS, SEED = 2_000, 1
"""What is made where nobody asks for anything else."""
DATABASES = {"CRM": "sse", "Billing": "sse", "OldDB": "mis"}
"""Each database and the connection that reaches it."""


def run(args: argparse.Namespace) -> int:
    """The command: `args.customers`, `args.seed`."""
    connections = EnvironmentConnections()
    customers, number = size_and_seed(connections, args.customers, args.seed)
    seed(connections, customers=customers, seed=number, report=_say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def size_and_seed(connections: Connections, customers: int | None, seed: int | None) -> tuple[int, int]:
    """What is not asked for is as the estates have it; where there are none, it is the usual."""
    there = held(connections)
    usual = (there.customers, there.seed) if there and there.customers else (CUSTOMERS, SEED)
    return (usual[0] if customers is None else customers), (usual[1] if seed is None else seed)


def held(connections: Connections) -> SeededBy | None:
    """What the first of the estates' databases says of itself, done or not."""
    return Database.of_estates(connections.sql_server("sse"), "CRM").marker()


def seed(connections: Connections, *, customers: int, seed: int, report: Report) -> None:
    """Make and fill the estates' tables. Raises RequestError when others are there, made by a seed or not."""
    check_size(customers)
    open_places = [place for place in places(connections) if not place.is_done(seed, customers)]
    if not open_places:
        report(f"the estates are there: {customers:,} customers each, from seed {seed}")
        return
    report(f"inventing {customers:,} customers per estate from seed {seed}")
    estates = generate(seed=seed, customers=customers)
    with ThreadPoolExecutor() as pool:  # they wait for other processes, most of the time
        list(pool.map(lambda place: _fill(place, estates, report), open_places))


def _fill(place: Database | LandingDataset, estates: Estates, report: Report) -> None:
    place.begin(estates.seed, estates.customers)
    for data in estates.tables.values():
        if place.holds(data.table):
            _write(place, data, report)
    place.finish(estates.seed, estates.customers)


def places(connections: Connections) -> list[Database | LandingDataset]:
    """Where the estates live: three databases and the landing dataset."""
    databases = [Database.of_estates(connections.sql_server(system), name) for name, system in DATABASES.items()]
    return [*databases, LandingDataset(BigQuery(connections.google_cloud()))]


def _write(place: Database | LandingDataset, data: TableData, report: Report) -> None:
    started = time.monotonic()
    place.write(data)
    report(f"  {data.table.name}: {len(data.rows):,} rows in {time.monotonic() - started:.1f} s")
