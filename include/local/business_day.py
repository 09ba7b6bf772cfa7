"""What happens at the sources on one day?

Names change, people move and pay, customers come, go and come back, the platform takes some over: about 2 % of the
customers per kind, 0.3 % for deletions. Written as the systems themselves would: through T-SQL to the SQL Servers,
and landed as Kafka Connect lands. Which customers it meets follows from the seed, the day and what is in the sources,
so the same days in the same order give the same data; only the landing times are the clock's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from include.clients.sql_server import connect
from include.connections import Connections, EnvironmentConnections, SqlServerSettings
from include.errors import RequestError
from include.local.estates import day_at_mis, day_at_sse, day_on_platform, t_sql
from include.local.estates.day import Day
from include.local.estates.seed import held, places
from include.local.estates.seed_sql_server import writing
from include.local.estates.tables import BUSINESS_DAY

Report = Callable[[str], None]


def run(args: argparse.Namespace) -> int:
    """The command: `args.seed`, `args.day`; by default the estates' own seed, and the next day."""
    connections = EnvironmentConnections()
    there = held(connections)
    if there is None or not there.is_done:
        raise _not_seeded("CRM on connection sse")
    seed = there.seed if args.seed is None else args.seed
    day = next_day(connections) if args.day is None else args.day
    business_day(connections, seed=seed, day=day, report=_say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def business_day(connections: Connections, *, seed: int, day: int, report: Report) -> dict[str, int]:
    """Let day number `day` happen at estates made from `seed`; how often each kind of change happened.

    A day that has happened does nothing and gives an empty result. One that was killed happens again from the start,
    on top of what it had done: every change is made to what is there, so nothing breaks, there is only more of it.
    Raises RequestError when the estates are not there, or were made from another seed.
    """
    customers = _customers(connections, seed)
    if day < 1:
        raise RequestError(f"there is no day {day}", where="--day", remedy="days are counted from 1")
    crm = connections.sql_server("sse")
    if _has_happened(crm, day):
        report(f"day {day} has already happened")
        return {}
    counts = _happen(connections, Day(seed, day, customers), report)
    with writing(crm, "CRM") as session:
        session.execute(t_sql.insert(BUSINESS_DAY, (day,)))
    return counts


def next_day(connections: Connections) -> int:
    """The number of the first day that has not happened at these estates."""
    with connect(connections.sql_server("sse"), "CRM") as session:
        return 1 + int(session.scalar(f"SELECT MAX(Day) FROM {BUSINESS_DAY.local_name}") or 0)


def _happen(connections: Connections, day: Day, report: Report) -> dict[str, int]:
    report(f"day {day.number} at estates of {day.customers:,} customers")
    counts: dict[str, int] = {}
    for here in _where(connections, day):
        for kind, how_often in here.items():
            if how_often:
                report(f"  {kind}: {how_often:,}")
        counts |= here
    return counts


def _where(connections: Connections, day: Day) -> Iterator[dict[str, int]]:
    """The legacy systems first: the platform takes over what they hold."""
    yield day_at_sse.happen(connections.sql_server("sse"), day)
    yield day_at_mis.happen(connections.sql_server("mis"), day)
    yield day_on_platform.happen(connections, day)


def _customers(connections: Connections, seed: int) -> int:
    """The size of the estates; all places must be filled from `seed`, so that no real system is ever written to."""
    marker = held(connections)
    if marker is None or not marker.is_done:
        raise _not_seeded("CRM on connection sse")
    for place in places(connections):
        if not place.is_done(seed, marker.customers):
            raise _not_seeded(str(place))
    return marker.customers


def _not_seeded(where: str) -> RequestError:
    return RequestError("there are no made-up estates here", where=where, remedy="seed them first, as `make demo` does")


def _has_happened(crm: SqlServerSettings, day: int) -> bool:
    with connect(crm, "CRM") as session:
        return bool(session.rows(f"SELECT Day FROM {BUSINESS_DAY.local_name} WHERE Day = {day}"))
