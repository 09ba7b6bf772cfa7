"""`make demo`: what happens to a customer's data on its whole way?

Servers, data, deployment, a run, a day of business at the sources, a second run, and what came of it. Everything goes
the way that production goes: Airflow's scheduler runs the use case, and what is printed are the summaries of its tasks.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from include.catalogue import Catalogue
from include.connections import EnvironmentConnections
from include.errors import DataPlatformError
from include.local.business_day import business_day, next_day
from include.local.demo_report import follow_one_customer, print_runs
from include.local.demo_run import DagRun
from include.local.estates.generate import check_size
from include.local.estates.seed import seed, size_and_seed
from include.local.platform import Platform
from include.local.servers.airflow import PASSWORD, USER
from include.steps.check import check_declarations
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from include.steps.servers import Servers

USE_CASE = "customer_base"


def run(args: argparse.Namespace) -> int:
    """The whole story; 1 when a run failed. A second call goes on from what is there: it is another day."""
    if args.customers is not None:
        check_size(args.customers)
    check_declarations(Catalogue())
    try:
        return _tell(args)
    except KeyboardInterrupt:
        stays = Platform.of_checkout().what_stays_up()
        print(f"\ninterrupted: {stays}; a run that Airflow has begun goes on")
        raise


def _tell(args: argparse.Namespace) -> int:
    began, platform, times = time.monotonic(), Platform.of_checkout(), dict[str, float]()
    with _stage("servers", times):
        platform.up(report=_indented)
    os.environ.update(platform.environment())
    connections = EnvironmentConnections(dict(os.environ))
    servers = Servers(connections)
    with _stage("data at the sources", times):
        customers, number = size_and_seed(connections, args.customers, args.seed)
        seed(connections, customers=customers, seed=number, report=_indented)
    with _stage("deployment: tables, topics, schemas", times):
        _deploy(servers)
    first, second = DagRun(platform, USE_CASE, _name("before")), DagRun(platform, USE_CASE, _name("after"))
    with _stage(f"{USE_CASE}, run by Airflow", times):
        first.run(_indented)
    with _stage("a day of business", times):
        business_day(connections, seed=number, day=next_day(connections), report=_indented)
    with _stage(f"{USE_CASE}, run again", times):
        second.run(_indented)
    print_runs([first, second])
    follow_one_customer(servers, Catalogue())
    _farewell(platform, times, time.monotonic() - began)
    return 0


def _deploy(servers: Servers) -> None:
    """The steps of a deployment, as `python -m include tables apply` and its like do them."""
    catalogue = Catalogue()
    for apply in (apply_tables, apply_topics, register_schemas):
        apply(catalogue, servers, _quiet)


def _name(which: str) -> str:
    return f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S}-{which}"


@contextmanager
def _stage(what: str, times: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    print(f"\n{len(times) + 1}. {what} …", flush=True)
    try:
        yield
    except DataPlatformError:
        print(f"   failed after {time.monotonic() - began:.1f} s: the message below says where to look", flush=True)
        raise
    times[what] = time.monotonic() - began
    print(f"   {times[what]:.1f} s", flush=True)


def _farewell(platform: Platform, times: dict[str, float], total: float) -> None:
    print(
        "\nTimes: " + ", ".join(f"{what} {seconds:.1f} s" for what, seconds in times.items()) + f"; all {total:.1f} s"
    )
    print(f"\nAirflow's UI: {platform.airflow().url} (login {USER}, password {PASSWORD})")
    print("State from the shell: . .venv/bin/activate; python -m include status")
    print("Stop it: make down")


def _indented(text: str) -> None:
    print(f"   {text}\n", end="", flush=True)  # in one piece: servers report from threads


_quiet: Callable[[str], None] = lambda text: None  # noqa: E731
