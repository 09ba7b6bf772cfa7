"""`local …`: how is the laptop platform started and ended, filled with data, and looked at?"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from include.cli.servers import check_laptop
from include.local.platform import SERVERS, Platform
from include.local.servers.airflow import PASSWORD, USER


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "local", help="the laptop platform: up, down, status, logs, demo, seed, business-day, run"
    )
    commands = parser.add_subparsers(dest="local_command", required=True, metavar="what")
    up = commands.add_parser("up", help="start what does not run; repairs whatever happened before")
    up.add_argument("servers", nargs="*", metavar="server", help=f"only these: {', '.join(SERVERS)}, airflow")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end all servers; data stays")
    down.add_argument("--erase", action="store_true", help="and delete all data: the next `up` begins anew")
    down.set_defaults(run=_down)
    commands.add_parser("status", help="which servers are up, where, and their logs").set_defaults(run=_status)
    logs = commands.add_parser("logs", help="the last lines of a server's log")
    logs.add_argument("server", choices=SERVERS)
    logs.add_argument("-n", "--lines", type=int, default=100)
    logs.add_argument("-f", "--follow", action="store_true", help="until Ctrl-C")
    logs.set_defaults(run=_logs)
    run = commands.add_parser("run", help="a run of a use case or job, by this machine's Airflow, to its end")
    run.add_argument("dag", help="for example customer_base, or the job move_cohort")
    run.add_argument("--form", type=_form, default={}, help="fields of the form, as JSON: '{\"dry_run\": true}'")
    run.set_defaults(run=_run)
    _add_data_commands(commands)


def _add_data_commands(commands: Any) -> None:
    for name, what, run in (
        ("demo", "the whole way, from seed to events", _demo),
        ("seed", "the three estates' data", _seed),
    ):
        parser = commands.add_parser(name, help=what)
        parser.add_argument(
            "--customers", type=int, help="per estate (2000, or as many as the estates that are there have)"
        )
        parser.add_argument("--seed", type=int, help="the same seed gives the same data (1, or that of the estates)")
        parser.set_defaults(run=run)
    day = commands.add_parser("business-day", help="a day of moves, payments, changes and deletions at the sources")
    day.add_argument("--seed", type=int, help="of the estates (theirs)")
    day.add_argument(
        "--day",
        type=int,
        help="the same seed and day give the same changes, unless a day was interrupted: it happens again (the next)",
    )
    day.set_defaults(run=_business_day)


def _up(args: argparse.Namespace) -> int:
    began, platform = time.monotonic(), Platform.of_checkout()
    print("starting the laptop platform …", flush=True)
    try:
        platform.up(args.servers or None, report=_say)
    except KeyboardInterrupt:
        _say(f"interrupted: {platform.what_stays_up()}")
        raise
    print(f"the laptop platform is up ({time.monotonic() - began:.1f} s)")
    print(f"  Airflow: {platform.airflow().url} (login {USER}, password {PASSWORD})")
    print(f"  for a shell: . {platform.shell_file}")
    return 0


def _down(args: argparse.Namespace) -> int:
    platform = Platform.of_checkout()
    if args.erase:
        platform.erase(report=_say)
    else:
        platform.down(report=_say)
    kept = f"its data stays in {platform.state}" if platform.has_data() else "it has no data"
    print(f"the laptop platform is down; {'all data is deleted' if args.erase else kept}")
    return 0


def _status(args: argparse.Namespace) -> int:
    """Exit code 1 unless all are up."""
    statuses = Platform.of_checkout().status()
    print(f"{'server':22} {'state':15} {'pid':>8} {'listens on':34} log")
    for found in statuses:
        print(f"{found.name:22} {found.state:15} {found.pid or '':>8} {', '.join(found.addresses):34} {found.log}")
    return 0 if all(found.state == "up" for found in statuses) else 1


def _logs(args: argparse.Namespace) -> int:
    log = Platform.of_checkout().laptop.log(args.server)
    if not log.exists():
        print(f"{log} does not exist: {args.server} was never started", file=sys.stderr)
        return 1
    follow = ["-F"] if args.follow else []
    print(log, flush=True)
    return subprocess.call(["tail", "-n", str(args.lines), *follow, str(log)])


def _run(args: argparse.Namespace) -> int:
    from include.local.one_run import one_run

    one_run(Platform.of_checkout(), args.dag, _say, args.form)
    return 0


def _form(text: str) -> dict[str, Any]:
    try:
        form = json.loads(text)
    except ValueError:
        form = None
    if not isinstance(form, dict):
        raise argparse.ArgumentTypeError("it is no JSON object")
    return form


def _say(line: str) -> None:
    print(f"{line}\n", end="", flush=True)  # in one piece: servers report from threads


def _demo(args: argparse.Namespace) -> int:
    from include.local import demo

    return int(demo.run(args))


def _seed(args: argparse.Namespace) -> int:
    from include.local.estates import seed

    _reach_platform()
    return int(seed.run(args))


def _business_day(args: argparse.Namespace) -> int:
    from include.local import business_day

    _reach_platform()
    return int(business_day.run(args))


def _reach_platform() -> None:
    """Raises Unavailable when a server is down: its clients would try again for minutes."""
    settings = Platform.of_checkout().environment()
    check_laptop(settings)
    os.environ.update(settings)
